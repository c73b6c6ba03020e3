"""Text to checked graphs: the parser, the evaluation of a file at compile time, the standard library."""

from netlang.frontend.load import load

__all__ = ["load"]
