"""Division of integers and their bits as LLVM IR, defined for every argument: no processor stops at a division by 0."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from netlang.backends.cpu.emit import F32, F64, Emitter

Attributes = Mapping[str, Any]
EXPRESSIONS: dict[str, Callable[[Emitter, Attributes, Sequence[Any]], Any]] = {}


def _divided(e: Emitter, x: Any, y: Any) -> tuple[Any, Any]:
    """Quotient rounded towards zero, and remainder; -x and 0 for y = -1, 0 and 0 for y = 0."""
    zero, minus = e.like(x, 0), e.like(x, -1)
    nothing, turned = e.b.icmp_signed("==", y, zero), e.b.icmp_signed("==", y, minus)
    # By -1 the smallest number has no quotient, and processors stop.
    divisor = e.b.select(e.b.or_(nothing, turned), e.like(x, 1), y)
    quotient = e.b.select(turned, e.b.neg(x), e.b.sdiv(x, divisor))
    return e.b.select(nothing, zero, quotient), e.b.srem(x, divisor)


def _floor_div(e: Emitter, attrs: Attributes, v: Sequence[Any]) -> Any:
    x, y = v
    quotient, rest = _divided(e, x, y)
    zero = e.like(x, 0)
    above = e.b.and_(e.b.icmp_signed("!=", rest, zero), e.b.icmp_signed("<", e.b.xor(rest, y), zero))
    return e.b.select(above, e.b.sub(quotient, e.like(x, 1)), quotient)


def _fmod(e: Emitter, attrs: Attributes, v: Sequence[Any]) -> Any:
    element = v[0].type.element
    if element in (F32, F64):
        return e.per_lane("fmodf" if element == F32 else "fmod", *v)
    return _divided(e, *v)[1]


def _shift_left(e: Emitter, attrs: Attributes, v: Sequence[Any]) -> Any:
    """LLVM leaves open what a shift by the width or more is."""
    x, count = v
    width = x.type.element.width
    inside = e.b.icmp_unsigned("<", count, e.like(x, width))
    moved = e.b.shl(x, e.b.select(inside, count, e.like(x, 0)))
    return e.b.select(inside, moved, e.like(x, 0))


def _shift_right(e: Emitter, attrs: Attributes, v: Sequence[Any]) -> Any:
    x, count = v
    most = e.like(x, x.type.element.width - 1)
    return e.b.ashr(x, e.b.select(e.b.icmp_unsigned("<", count, most), count, most))


EXPRESSIONS["floor_div"] = _floor_div
EXPRESSIONS["fmod"] = _fmod
EXPRESSIONS["shift_left"] = _shift_left
EXPRESSIONS["shift_right"] = _shift_right
EXPRESSIONS["bit_and"] = lambda e, attrs, v: e.b.and_(*v)
EXPRESSIONS["bit_or"] = lambda e, attrs, v: e.b.or_(*v)
EXPRESSIONS["bit_xor"] = lambda e, attrs, v: e.b.xor(*v)
EXPRESSIONS["bit_not"] = lambda e, attrs, v: e.b.not_(v[0])
