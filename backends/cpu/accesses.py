"""Which bytes a bound step reads and writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netlang.backends.common.context import storage, stored_shape
from netlang.backends.common.homes import buffers
from netlang.backends.common.steps import Buffer, Scratch, Sizes, Step, evaluated
from netlang.backends.cpu.barriers import Access
from netlang.ir.dims import size

if TYPE_CHECKING:
    from netlang.backends.cpu.binding import Layout

_ARENA = "addresses"
"""The space of all memory whose address is known when a program is bound."""


class AccessFinder:
    """Accesses of the steps of one program, for one set of sizes."""

    def __init__(self, layout: Layout, sizes: Sizes) -> None:
        self._layout, self._sizes = layout, sizes
        self._found: dict[tuple[Buffer, bool], Access] = {}

    def of(self, step: Step) -> list[Access]:
        """What a step reads and writes; a buffer that it does both with is written."""
        written = {storage(b) if not isinstance(b, Scratch) else b for b in step.writes}
        return [self._access(b, b in written) for b in dict.fromkeys(buffers(step))]

    def _access(self, buffer: Buffer, written: bool) -> Access:
        key = (buffer, written)
        if key not in self._found:
            self._found[key] = self._made(buffer, written)
        return self._found[key]

    def _made(self, buffer: Buffer, written: bool) -> Access:
        place = self._layout.of(buffer)
        space, start = (_ARENA, place) if isinstance(place, int) else (place, 0)
        return Access(space, start, start + self._bytes(buffer), written, self._part(buffer))

    def _bytes(self, buffer: Buffer) -> int:
        context = self._layout.context
        if isinstance(buffer, Scratch):
            return evaluated(buffer.bytes, self._sizes)
        return evaluated(context.storage_bytes(context.storage(buffer).type), self._sizes)

    def _part(self, buffer: Buffer) -> tuple[int, int] | None:
        """Where a slice is in each image of its whole, in elements."""
        found = None if isinstance(buffer, Scratch) else self._layout.context.slices.get(buffer)
        if found is None or isinstance(buffer, Scratch):
            return None
        start = evaluated(found.start, self._sizes)
        return start, start + evaluated(size(stored_shape(buffer.type)[1:]), self._sizes)
