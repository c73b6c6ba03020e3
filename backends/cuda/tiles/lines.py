"""Expressions inside of a text that something else writes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from netlang.backends.cuda.tiles.text import Text
from netlang.backends.cuda.tiles.writer import Writer


class Lines(Writer):
    """Writes its lines into a text. Names are fresh among those of one such writer."""

    def __init__(self, t: Text) -> None:
        super().__init__(())
        self._t = t

    def line(self, text: str) -> None:
        self._t(text)

    @contextmanager
    def block(self, header: str) -> Iterator[None]:
        with self._t.block(f"{header}:"):
            yield
