"""One malformed file and what must be said about it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Found:
    """An expected diagnostic: where, what, and which advice."""

    line: int
    column: int
    message: str
    hint: str = ""


class Case:
    """A text and all the diagnostics it must give, in this order."""

    def __init__(self, name: str, text: str, *found: Found) -> None:
        self.name = name
        self.text = text
        self.found = found
