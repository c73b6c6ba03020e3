"""How parameters lie in the member `weights`: each once, as they are or rounded to halves.

A half is widened to float32 when a file is opened: compiled code computes with the rounded numbers, and rounding is all
that makes a difference. NumPy has no bfloat16, which is the upper 16 bits of a float32.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np

from netlang.diagnostics import NetError
from netlang.runtime.ports import Array, dtype_of

ALIGNMENT = 64
"""Bytes at whose multiples parameters begin."""
HALVES = ("f16", "bf16")
"""Element types that float32 parameters may be rounded to."""


class Weights:
    """Arrays one after the other, each once however many nets have it.

    halves   what matrices, filters and embeddings of float32 are rounded to, one of HALVES; None keeps them. Vectors
             (biases, scales, running means) are few and stay as they are.
    """

    def __init__(self, halves: str | None = None) -> None:
        self._halves = halves
        self._arrays: list[tuple[Array, Array]] = []
        """As they were given, and as they are stored."""
        self._places: dict[int, tuple[int, str]] = {}
        self._end = 0

    def add(self, name: str, array: Array, dtype: str) -> tuple[int, str]:
        """Where an array is, in bytes, and the element type that it is stored as.

        Raises NetError for a number that a half cannot have.
        """
        if id(array) not in self._places:
            stored, body = dtype, np.ascontiguousarray(array)
            if self._halves is not None and dtype == "f32" and array.ndim >= 2:
                stored, body = self._halves, _narrowed(name, body, self._halves)
            self._places[id(array)] = self._end, stored
            self._arrays.append((array, body))
            self._end += -(-body.nbytes // ALIGNMENT) * ALIGNMENT
        return self._places[id(array)]

    def body(self) -> Array:
        """The member."""
        whole = np.zeros(self._end, np.uint8)
        for array, body in self._arrays:
            first, _ = self._places[id(array)]
            whole[first : first + body.nbytes] = body.reshape(-1).view(np.uint8)
        return whole


def parameters(listed: Mapping[str, Any], body: memoryview) -> dict[str, Array]:
    """The parameters of a net by name, which cannot be written to: parts of the member `weights`, or widened halves.

    `listed`: [element type, shape, first byte] by name, and behind that the element type that it is stored as where
    that is another one, as manifests have it.
    """
    found = {}
    for name, (dtype, shape, first, *half) in listed.items():
        if not all(type(number) is int and number >= 0 for number in (*shape, first)):
            raise ValueError(f"'{name}' has the shape {shape} at {first}")
        if half:
            array = _widened(np.frombuffer(body, np.uint16, prod(shape), first), *half)
        else:
            array = np.frombuffer(body, dtype_of(dtype), prod(shape), first)
        found[name] = array.reshape(shape)
    return found


def bytes_of(listed: Mapping[str, Any]) -> dict[str, int]:
    """Bytes in the file by stored element type."""
    found: dict[str, int] = {}
    for dtype, shape, _, *half in listed.values():
        stored = half[0] if half else dtype
        found[stored] = found.get(stored, 0) + prod(shape) * dtype_of(stored).itemsize
    return found


def _narrowed(name: str, array: Array, half: str) -> Array:
    """The bits of the nearest halves, ties to even. Raises NetError where a finite number has none."""
    if half == "f16":
        with np.errstate(over="ignore"):
            rounded = array.astype(np.float16)
        bits = rounded.view(np.uint16)
    else:
        bits = _upper(array.view(np.uint32))
    wide = _widened(bits, half)
    if not np.array_equal(np.isfinite(wide), np.isfinite(array)):
        largest = np.abs(array[np.isfinite(array)]).max()
        raise NetError(f"'{name}' has the number {largest:g}, which is too large for {half}")
    return bits


def _upper(bits: Array) -> Array:
    """The upper halves of float32 numbers, rounded to the nearest, ties to even; a NaN stays one."""
    nearest = (bits + (0x7FFF + (bits >> 16 & 1)).astype(np.uint32)) >> 16
    is_nan = (bits & 0x7FFFFFFF) > 0x7F800000
    return np.where(is_nan, bits >> 16 | 0x40, nearest).astype(np.uint16)


def _widened(bits: Array, half: str) -> Array:
    """The float32 numbers that halves are."""
    wide: Array = bits.view(np.float16).astype(np.float32) if half == "f16" else _shifted(bits)
    wide.flags.writeable = False
    return wide


def _shifted(bits: Array) -> Array:
    return (bits.astype(np.uint32) << 16).view(np.float32)
