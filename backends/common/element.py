"""Element types as loop nests name them: those of `DType`, and `raw1` to `raw8`, bytes that are only moved."""

from __future__ import annotations

BYTES = {
    "bool": 1, "u8": 1, "i8": 1, "u16": 2, "i16": 2, "u32": 4, "i32": 4, "u64": 8, "i64": 8,
    "f16": 2, "bf16": 2, "f32": 4, "f64": 8,
    "raw1": 1, "raw2": 2, "raw4": 4, "raw8": 8,
}  # fmt: skip
"""Bytes of an element in memory."""

HALVES = frozenset({"f16", "bf16"})
UNSIGNED = frozenset({"u8", "u16", "u32", "u64"})
INTEGERS = UNSIGNED | {"i8", "i16", "i32", "i64"}


def bounds(dtype: str) -> tuple[int, int]:
    """The smallest and the largest number of an integer type."""
    bits = 8 * BYTES[dtype]
    return (0, (1 << bits) - 1) if dtype in UNSIGNED else (-(1 << bits - 1), (1 << bits - 1) - 1)


def register_name(dtype: str) -> str:
    """The type in which a value of this one is computed: halves are float32 in registers."""
    return "f32" if dtype in HALVES else dtype
