"""Recordings of one program for inputs in several places.

A recording holds addresses. Inputs from the host are copied to places of the program's own, so one recording serves
all calls. An array that is on the device already would have to be copied there too; where arrays at the same addresses
come again, as they do from libraries that reuse their memory, the program is recorded for these addresses instead, and
reads them where they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from netlang.backends.common.homes import External
from netlang.backends.cuda.device import Recording

MOST_RECORDINGS = 4
MOST_REMEMBERED = 64
"""Of addresses that have come once."""

Places = Mapping[External, int]


class Recordings:
    """A recording for each choice of places, made when it is first needed."""

    def __init__(self, record: Callable[[Places], Recording], alignment: int) -> None:
        """`record` makes one with these inputs elsewhere; addresses must be multiples of `alignment` for it."""
        self._record, self._alignment = record, alignment
        self._others: dict[tuple[tuple[External, int], ...], Recording] = {}
        self._met: dict[tuple[tuple[External, int], ...], None] = {}

    @cached_property
    def usual(self) -> Recording:
        """The one for the program's own places."""
        return self._record({})

    def reading(self, places: Places) -> Recording | None:
        """The recording that reads these inputs where they are; None where they have to be copied."""
        key = tuple(places.items())
        if key in self._others:
            return self._others[key]
        if any(address % self._alignment for address in places.values()):
            return None
        if key not in self._met:
            _make_room(self._met, MOST_REMEMBERED)
            self._met[key] = None
            return None
        del self._met[key]
        _make_room(self._others, MOST_RECORDINGS)
        self._others[key] = self._record(places)
        return self._others[key]


def _make_room(kept: dict[Any, Any], most: int) -> None:
    while len(kept) >= most:
        del kept[next(iter(kept))]
