"""Loads and stores of elements in simulated memory: each finds its allocation, checks the alignment and converts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from netlang.backends.cuda.intrinsics.conversions import bf16_bits, bf16_number
from netlang.backends.cuda.simulator.faults import AccessError
from netlang.backends.cuda.simulator.memory import Memory

_DTYPES: dict[str, DTypeLike] = {
    "f32": np.float32,
    "f64": np.float64,
    "i32": np.int32,
    "u32": np.uint32,
    "i64": np.int64,
    "u64": np.uint64,
    "f16": np.float16,
    "bf16": np.uint16,
    "i8": np.int8,
    "u8": np.uint8,
    "i16": np.int16,
    "u16": np.uint16,
    "bool": np.bool_,
    "raw1": np.uint8,
    "raw2": np.uint16,
    "raw4": np.uint32,
    "raw8": np.uint64,
}
"""How memory is looked at for a kind of element."""
_KEPT = ("f32", "f64")
"""Kinds that kernels compute in as NumPy's scalars, which round as GPUs do. Integers are Python's."""
_WRAPPED = {
    **{f"{sign}{bits}": bits for sign in "iu" for bits in (8, 16, 32, 64)},
    **{f"raw{bytes}": 8 * bytes for bytes in (1, 2, 4, 8)},
}
"""Kinds of integers by bits: a store keeps the low ones."""
_LOADED: dict[str, Callable[[Any], Any]] = {
    "f16": np.float32,
    "bf16": lambda bits: bf16_number(int(bits)),
    "bool": bool,
}
"""What a loaded element becomes; others become int."""


Note = Callable[[int, int, bool], None]
"""(address, bytes, whether they are written)."""


class Accesses:
    """The elements of a memory; implements `intrinsics.machine.Space`."""

    def __init__(self, memory: Memory, note: Note | None = None) -> None:
        """`note` is told of every access to memory that may be written."""
        self.memory = memory
        self._note = note

    def loader(self, kind: str, count: int = 1) -> Callable[[int, int], Any]:
        """See `Space`."""
        convert = _LOADED.get(kind, int) if kind not in _KEPT else None
        locate = self._locator(kind, count, writes=False)

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

    def vectors(self, kind: str, count: int) -> Callable[[int, int], Any]:
        """See `Space`."""
        locate = self._locator(kind, count, writes=False)

        def several(address: int, offset: int) -> Any:
            items, index = locate(address + offset)
            return items[index : index + count]

        return several

    def storer(self, kind: str, count: int = 1) -> Callable[[int, int, Any], None]:
        """See `Space`."""
        bits = _WRAPPED.get(kind)
        locate = self._locator(kind, count, writes=True)

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

    def _locator(self, kind: str, count: int, writes: bool) -> Callable[[int], tuple[NDArray[Any], int]]:
        """address -> an allocation's elements of this kind, and which one it is. The last allocation is tried first."""
        dtype = np.dtype(_DTYPES[kind])
        size, shift = dtype.itemsize * count, dtype.itemsize.bit_length() - 1
        start, last, base, items = 1, 0, 0, np.empty(0, dtype)
        note: Note | None = None

        def locate(address: int) -> tuple[NDArray[Any], int]:
            nonlocal start, last, base, items, note
            if not start <= address <= last:
                found = self.memory.find(address, size)
                start, last, base = found.address, found.end - size, found.base
                items = found.data[: found.data.size // dtype.itemsize * dtype.itemsize].view(dtype)
                note = self._note if found.data.flags.writeable else None
            if address % size:
                raise AccessError(f"{size} bytes at {address:#x} are not aligned to {size}")
            if note is not None:
                note(address, size, writes)
            return items, (address - base) >> shift

        return locate
