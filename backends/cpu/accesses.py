"""Which bytes a bound line reads and writes."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from netlang.backends.common.numbers import Sizes, evaluated
from netlang.backends.cpu.barriers import Access
from netlang.backends.cpu.program import Line, Room, Use

ADDRESSES = "addresses"
"""The space of all memory whose address is known when a program is bound."""


class AccessFinder:
    """Accesses of the lines of one program, for one set of sizes."""

    def __init__(self, place_of: Callable[[Room], Hashable], sizes: Sizes) -> None:
        self._place_of, self._sizes = place_of, sizes
        self._found: dict[Use, Access] = {}

    def of(self, line: Line) -> list[Access]:
        """What a line reads and writes."""
        return [self._access(use) for use in line.uses]

    def _access(self, use: Use) -> Access:
        if use not in self._found:
            self._found[use] = self._made(use)
        return self._found[use]

    def _made(self, use: Use) -> Access:
        place = self._place_of(use.room)
        space, start = (ADDRESSES, place) if isinstance(place, int) else (place, 0)
        part = use.part and (evaluated(use.part[0], self._sizes), evaluated(use.part[1], self._sizes))
        return Access(space, start, start + evaluated(use.room.bytes, self._sizes), use.written, part)
