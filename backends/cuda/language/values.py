"""Typed values, and conversions between their types, as Numba makes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from llvmlite import ir

from netlang.backends.cuda.intrinsics.emission import TYPES
from netlang.backends.cuda.intrinsics.word import element_and_count

SIGNED, UNSIGNED = ("i32", "i64"), ("u32", "u64")
INTEGERS, FLOATS = (*SIGNED, *UNSIGNED), ("f32", "f64")
KINDS = (*INTEGERS, *FLOATS)
"""The names of conversions."""


@dataclass(frozen=True)
class Typed:
    """An LLVM value and what it means: `kind` is a type as `intrinsics.word` writes it, a tuple an LLVM array."""

    kind: str
    value: Any

    @property
    def literal(self) -> int | float | None:
        """The number, where it is one that the text says; booleans are none."""
        if not isinstance(self.value, ir.Constant) or self.kind not in KINDS:
            return None
        found: int | float = self.value.constant
        return found


def number(kind: str, value: int | float) -> Typed:
    """A constant, wrapped or rounded to its type."""
    if kind in INTEGERS:
        bits, signed = int(kind[1:]), kind in SIGNED
        whole = int(value) % (1 << bits)
        value = whole - (1 << bits) if signed and whole >> (bits - 1) else whole
    elif kind == "f32":
        with np.errstate(over="ignore"):
            value = float(np.float32(value))
    return Typed(kind, ir.Constant(TYPES[kind], value))


def literal(value: object) -> Typed:
    """What a literal of the text is: bool, int64 (uint64 where that is too small) or float64."""
    if isinstance(value, bool):
        return Typed("bool", ir.Constant(TYPES["bool"], int(value)))
    if isinstance(value, int):
        return number("i64" if value < 1 << 63 else "u64", value)
    if isinstance(value, float):
        return number("f64", value)
    raise TypeError(f"{value!r} is no number")


def converted(builder: Any, given: Typed, kind: str) -> Typed:
    """A value in another type. Raises TypeError where there is no such conversion."""
    if given.kind == kind:
        return given
    (source, count), (target, wanted) = element_and_count(given.kind), element_and_count(kind)
    if count != wanted:
        raise TypeError(f"{given.kind} is no {kind}")
    if count > 1:
        parts = [builder.extract_value(given.value, i) for i in range(count)]
        return tupled(builder, [converted(builder, Typed(source, part), target) for part in parts])
    known = given.literal
    if known is not None and target in KINDS and not (source in FLOATS and target in INTEGERS):
        return number(target, known)
    return Typed(kind, _number(builder, given.value, source, target))


def _number(b: Any, value: Any, source: str, target: str) -> Any:
    type = TYPES[target]
    if target == "bool":
        zero = ir.Constant(value.type, 0)
        return b.fcmp_unordered("!=", value, zero) if source in FLOATS else b.icmp_unsigned("!=", value, zero)
    if source in FLOATS and target in FLOATS:
        return b.fpext(value, type) if target == "f64" else b.fptrunc(value, type)
    if source in FLOATS:
        return b.fptosi(value, type) if target in SIGNED else b.fptoui(value, type)
    if target in FLOATS:
        return b.sitofp(value, type) if source in SIGNED else b.uitofp(value, type)
    if value.type.width > type.width:
        return b.trunc(value, type)
    if value.type.width == type.width:
        return value
    return b.sext(value, type) if source in SIGNED else b.zext(value, type)


def tupled(builder: Any, values: list[Typed]) -> Typed:
    """Values of one type as one. Raises TypeError where they differ."""
    kinds = {v.kind for v in values}
    if len(kinds) != 1 or len(values) < 2:
        raise TypeError(f"no tuple of {', '.join(v.kind for v in values)}")
    out = ir.Constant(ir.ArrayType(values[0].value.type, len(values)), ir.Undefined)
    for i, v in enumerate(values):
        out = builder.insert_value(out, v.value, i)
    return Typed(f"{values[0].kind}x{len(values)}", out)


def item(builder: Any, given: Typed, index: int) -> Typed:
    """One value of a tuple. Raises TypeError where there is none."""
    element, count = element_and_count(given.kind)
    if not 0 <= index < count or count == 1:
        raise TypeError(f"{given.kind} has no item {index}")
    return Typed(element, builder.extract_value(given.value, index))
