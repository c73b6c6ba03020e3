"""Memory of a simulated device, or of a block: allocations at addresses of their own, with nothing between them.

Addresses are not the host's, so that what lies behind an allocation is never another one, and 40 bits wide, so that one
that was cut to 32 bits is found out.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from netlang.backends.cuda.device import Extent
from netlang.backends.cuda.simulator.faults import AccessError

ALIGNMENT = 256
"""Of every allocation, as on a GPU."""
POISON = 0xFF
START, _GAP = 0x7F_0000_0000, 1 << 20


@dataclass(frozen=True)
class Allocation:
    """`size` bytes at an address. They are the bytes of `data` from there on; `data` begins at the address `base`."""

    address: int
    size: int
    data: NDArray[np.uint8]
    base: int

    @property
    def end(self) -> int:
        """The address behind the last byte."""
        return self.address + self.size


class Memory:
    """Allocations by address."""

    def __init__(self, start: int = START) -> None:
        self._next = start
        self._starts: list[int] = []
        self._allocations: list[Allocation] = []

    def allocate(self, bytes: int) -> int:
        """The address of so many bytes, all of them poison, a multiple of ALIGNMENT."""
        address = self._next
        self._starts.append(address)
        self._allocations.append(Allocation(address, bytes, np.full(bytes, POISON, np.uint8), address))
        self._next = -(-(address + bytes + _GAP) // ALIGNMENT) * ALIGNMENT
        return address

    def free(self, address: int) -> None:
        """Give an allocation back: what is there may not be touched any more. KeyError for other addresses."""
        index = bisect_right(self._starts, address) - 1
        if index < 0 or self._starts[index] != address:
            raise KeyError(f"no allocation starts at {address:#x}")
        del self._starts[index], self._allocations[index]

    def window(self, extents: Sequence[Extent]) -> Memory:
        """The same bytes, of which only these extents can be reached. Raises AccessError where there is nothing."""
        out = Memory()
        for extent in sorted((e for e in extents if e.bytes), key=lambda e: e.address):
            whole = self.find(extent.address, extent.bytes)
            data, end, start = whole.data.view(), extent.address + extent.bytes, extent.address
            data.flags.writeable = extent.written
            if out._allocations and out._allocations[-1].end > start:
                before = out._allocations.pop()
                start, end = out._starts.pop(), max(end, before.end)
                data = before.data if before.data.flags.writeable else data
            out._starts.append(start)
            out._allocations.append(Allocation(start, end - start, data, whole.base))
        return out

    def poison(self) -> None:
        """Forget what every allocation holds."""
        for allocation in self._allocations:
            allocation.data.fill(POISON)

    def view(self, address: int, dtype: DTypeLike, shape: tuple[int, ...]) -> NDArray[Any]:
        """The bytes from an address on as an array: no copy."""
        dtype = np.dtype(dtype)
        size = dtype.itemsize * prod(shape)
        found = self.find(address, size)
        start = address - found.base
        return found.data[start : start + size].view(dtype).reshape(shape)

    def find(self, address: int, size: int) -> Allocation:
        """The allocation that holds these bytes. Raises AccessError."""
        index = bisect_right(self._starts, address) - 1
        if index >= 0 and address + size <= self._allocations[index].end:
            return self._allocations[index]
        raise AccessError(f"{size} bytes at {address:#x} are {self._nearest(address)}")

    def _nearest(self, address: int) -> str:
        if not self._allocations:
            return "outside: nothing is allocated"
        near = min(self._allocations, key=lambda a: max(a.address - address, address - a.end))
        if address < near.address:
            where = f"{near.address - address} bytes before"
        elif address >= near.end:
            where = f"{address - near.end} bytes behind the end of"
        else:
            where = f"partly behind the end, at byte {address - near.address}, of"
        return f"{where} the nearest allocation, {near.size} bytes at {near.address:#x}"
