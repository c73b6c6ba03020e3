"""Memory of a simulated device: allocations at addresses of their own, with nothing between them.

Addresses are not the host's, so that what lies behind an allocation is never another one, and 40 bits wide, so that one
that was cut to 32 bits is found out.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from netlang.backends.cuda.intrinsics.conversions import bf16_bits, bf16_number
from netlang.backends.cuda.simulator.faults import AccessError

ALIGNMENT = 256
"""Of every allocation, as on a GPU."""
POISON = 0xFF
_START, _GAP = 0x7F_0000_0000, 1 << 20

_DTYPES: dict[str, DTypeLike] = {
    "f32": np.float32,
    "f64": np.float64,
    "i32": np.int32,
    "u32": np.uint32,
    "i64": np.int64,
    "f16": np.float16,
    "bf16": np.uint16,
    "i8": np.int8,
    "bool": np.bool_,
    "raw1": np.uint8,
    "raw2": np.uint16,
    "raw4": np.uint32,
    "raw8": np.uint64,
}
"""How memory is looked at for a kind of element."""
_KEPT = ("f32", "f64")
"""Kinds that kernels compute in as NumPy's scalars, which round as GPUs do. Integers are Python's."""
_WRAPPED = {"i32": 32, "u32": 32, "i64": 64, "i8": 8, "raw1": 8, "raw2": 16, "raw4": 32, "raw8": 64}
"""Kinds of integers by bits: a store keeps the low ones."""


@dataclass(frozen=True)
class Allocation:
    """Some bytes at an address."""

    address: int
    data: NDArray[np.uint8]

    @property
    def end(self) -> int:
        """The address behind the last byte."""
        return self.address + self.data.size


class Memory:
    """Allocations by address; implements `intrinsics.machine.Space`."""

    def __init__(self, start: int = _START) -> None:
        self._next = start
        self._starts: list[int] = []
        self._allocations: list[Allocation] = []

    def allocate(self, bytes: int) -> int:
        """The address of so many bytes, all of them poison, a multiple of ALIGNMENT."""
        address = self._next
        self._starts.append(address)
        self._allocations.append(Allocation(address, np.full(bytes, POISON, np.uint8)))
        self._next = -(-(address + bytes + _GAP) // ALIGNMENT) * ALIGNMENT
        return address

    def free(self, address: int) -> None:
        """Give an allocation back: what is there may not be touched any more. KeyError for other addresses."""
        index = bisect_right(self._starts, address) - 1
        if index < 0 or self._starts[index] != address:
            raise KeyError(f"no allocation starts at {address:#x}")
        del self._starts[index], self._allocations[index]

    def poison(self) -> None:
        """Forget what every allocation holds."""
        for allocation in self._allocations:
            allocation.data.fill(POISON)

    def view(self, address: int, dtype: DTypeLike, shape: tuple[int, ...]) -> NDArray[Any]:
        """The bytes from an address on as an array: no copy."""
        dtype = np.dtype(dtype)
        size = dtype.itemsize * int(np.prod(shape, dtype=np.int64))
        found = self.find(address, size)
        start = address - found.address
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
        return f"{where} the nearest allocation, {near.data.size} bytes at {near.address:#x}"

    def loader(self, kind: str, count: int = 1) -> Callable[[int, int], Any]:
        """See `Space`."""
        convert = _LOADED.get(kind, int) if kind not in _KEPT else None
        locate = self._locator(kind, count)

        def one(address: int, offset: int) -> Any:
            items, index = locate(address + offset)
            return items[index]

        def converted(address: int, offset: int) -> Any:
            items, index = locate(address + offset)
            return convert(items[index])  # type: ignore[misc]

        def several(address: int, offset: int) -> Any:
            items, index = locate(address + offset)
            part = items[index : index + count]
            return tuple(part) if kind in _KEPT else tuple(part.tolist())

        return several if count > 1 else converted if convert else one

    def storer(self, kind: str, count: int = 1) -> Callable[[int, int, Any], None]:
        """See `Space`."""
        bits = _WRAPPED.get(kind)
        locate = self._locator(kind, count)

        def wrapped(value: int) -> int:
            low = value & (1 << bits) - 1 if bits else value
            return low - (1 << bits) if bits and kind.startswith("i") and low >> bits - 1 else low

        def one(address: int, offset: int, value: Any) -> None:
            items, index = locate(address + offset)
            items[index] = value

        def integer(address: int, offset: int, value: Any) -> None:
            items, index = locate(address + offset)
            items[index] = wrapped(int(value))

        def bf16(address: int, offset: int, value: Any) -> None:
            items, index = locate(address + offset)
            items[index] = bf16_bits(value)

        def several(address: int, offset: int, value: Any) -> None:
            items, index = locate(address + offset)
            if len(value) != count:
                raise AccessError(f"{len(value)} values where {count} are stored at once")
            items[index : index + count] = value

        if count > 1:
            return several
        return bf16 if kind == "bf16" else integer if bits else one

    def _locator(self, kind: str, count: int) -> Callable[[int], tuple[NDArray[Any], int]]:
        """address -> an allocation's elements of this kind, and which one it is. The last allocation is tried first."""
        dtype = np.dtype(_DTYPES[kind])
        size, shift = dtype.itemsize * count, dtype.itemsize.bit_length() - 1
        start, last, items = 1, 0, np.empty(0, dtype)

        def locate(address: int) -> tuple[NDArray[Any], int]:
            nonlocal start, last, items
            if not start <= address <= last:
                found = self.find(address, size)
                start, last = found.address, found.end - size
                items = found.data[: found.data.size // dtype.itemsize * dtype.itemsize].view(dtype)
            if address % size:
                raise AccessError(f"{size} bytes at {address:#x} are not aligned to {size}")
            return items, (address - start) >> shift

        return locate


_LOADED: dict[str, Callable[[Any], Any]] = {
    "f16": np.float32,
    "bf16": lambda bits: bf16_number(int(bits)),
    "bool": bool,
}
"""What a loaded element becomes; others become int."""
