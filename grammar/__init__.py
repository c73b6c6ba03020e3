"""The grammar of the language: `net.lark`, data without any Python."""

from pathlib import Path


def grammar_text() -> str:
    """The text of `net.lark`."""
    return Path(__file__).with_name("net.lark").read_text(encoding="utf-8")
