"""Element types as loop nests name them: those of `DType`, and `raw1` to `raw8`, bytes that are only moved."""

from __future__ import annotations

BYTES = {
    "bool": 1, "i8": 1, "i32": 4, "i64": 8, "f16": 2, "bf16": 2, "f32": 4, "f64": 8,
    "raw1": 1, "raw2": 2, "raw4": 4, "raw8": 8,
}  # fmt: skip
"""Bytes of an element in memory."""

HALVES = frozenset({"f16", "bf16"})


def register_name(dtype: str) -> str:
    """The type in which a value of this one is computed: halves are float32 in registers."""
    return "f32" if dtype in HALVES else dtype
