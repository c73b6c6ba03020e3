"""The grammar of the language: `net.lark`, data without any Python."""

from importlib.resources import files


def grammar_text() -> str:
    """The text of `net.lark`."""
    return (files(__name__) / "net.lark").read_text(encoding="utf-8")
