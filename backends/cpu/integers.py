"""What LLVM's integers need their element type for, as they have no sign: `INTEGERS[op](emitter, dtype, values)`.

`dtype` is the element type of the inputs. Results are those of `netlang.ops.whole` and `netlang.ops.integers`, whatever
the machine does at a division by zero.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from netlang.backends.common.element import BYTES, UNSIGNED, bounds
from netlang.backends.cpu.emit import F32, F64, I1, I64, REGISTER, Emitter

Expression = Callable[[Emitter, str, Sequence[Any]], Any]


def compare(e: Emitter, operator: str, dtype: str, x: Any, y: Any) -> Any:
    return (e.b.icmp_unsigned if dtype in UNSIGNED else e.b.icmp_signed)(operator, x, y)


def extreme(e: Emitter, operator: str, dtype: str, x: Any, y: Any) -> Any:
    """The larger (`>`) or smaller (`<`) of two."""
    return e.b.select(compare(e, operator, dtype, x, y), x, y)


def _comparison(operator: str) -> Expression:
    return lambda e, dtype, v: compare(e, operator, dtype, *v)


def _extreme(operator: str) -> Expression:
    return lambda e, dtype, v: extreme(e, operator, dtype, *v)


def _divided(e: Emitter, dtype: str, v: Sequence[Any]) -> tuple[Any, Any]:
    """Quotient without its fraction, and remainder; 0 and 0 by zero, -x and 0 by -1, where processors would stop."""
    b, (x, y) = e.b, v
    zero, one = e.like(x, 0), e.like(x, 1)
    by_zero = b.icmp_signed("==", y, zero)
    if dtype in UNSIGNED:
        divisor = b.select(by_zero, one, y)
        return b.select(by_zero, zero, b.udiv(x, divisor)), b.urem(x, divisor)
    by_minus = b.icmp_signed("==", y, e.like(x, -1))
    divisor = b.select(b.or_(by_zero, by_minus), one, y)
    quotient = b.select(by_minus, b.neg(x), b.sdiv(x, divisor))
    return b.select(by_zero, zero, quotient), b.srem(x, divisor)


def _rounded_down(e: Emitter, dtype: str, v: Sequence[Any]) -> Any:
    """The quotient rounded down."""
    b, (x, y) = e.b, v
    quotient, rest = _divided(e, dtype, v)
    if dtype in UNSIGNED:
        return quotient
    zero = e.like(x, 0)
    above = b.and_(b.icmp_signed("!=", rest, zero), b.icmp_signed("<", b.xor(rest, y), zero))
    return b.select(above, b.sub(quotient, e.like(x, 1)), quotient)


def _shifted_left(e: Emitter, dtype: str, v: Sequence[Any]) -> Any:
    """LLVM leaves open what a shift by the width or more is."""
    x, count = v
    inside = e.b.icmp_unsigned("<", count, e.like(x, 8 * BYTES[dtype]))
    moved = e.b.shl(x, e.b.select(inside, count, e.like(x, 0)))
    return e.b.select(inside, moved, e.like(x, 0))


def _shifted_right(e: Emitter, dtype: str, v: Sequence[Any]) -> Any:
    x, count = v
    most = e.like(x, 8 * BYTES[dtype] - 1)
    inside = e.b.icmp_unsigned("<=", count, most)
    places = e.b.select(inside, count, most)
    if dtype in UNSIGNED:
        return e.b.select(inside, e.b.lshr(x, places), e.like(x, 0))
    return e.b.ashr(x, places)


def _raised(e: Emitter, dtype: str, v: Sequence[Any]) -> Any:
    """x to the power y by squares, a bit of y after the other."""
    b, (x, y) = e.b, v
    one, zero = e.like(x, 1), e.like(x, 0)

    def body(index: Any, carried: list[Any]) -> list[Any]:
        found, square, rest = carried
        odd = b.icmp_signed("!=", b.and_(rest, one), zero)
        return [b.select(odd, b.mul(found, square), found), b.mul(square, square), b.lshr(rest, one)]

    found = e.loop(I64(0), I64(8 * BYTES[dtype]), 1, [one, x, y], body)[0]
    if dtype in UNSIGNED:
        return found
    minus = e.like(x, -1)
    of_minus = b.select(b.icmp_signed("!=", b.and_(y, one), zero), minus, one)
    reciprocal = b.select(b.icmp_signed("==", x, minus), of_minus, zero)
    reciprocal = b.select(b.icmp_signed("==", x, one), one, reciprocal)
    return b.select(b.icmp_signed("<", y, zero), reciprocal, found)


def _absolute(e: Emitter, dtype: str, v: Sequence[Any]) -> Any:
    (x,) = v
    return x if dtype in UNSIGNED else e.b.select(compare(e, "<", dtype, x, e.like(x, 0)), e.b.neg(x), x)


def _sign(e: Emitter, dtype: str, v: Sequence[Any]) -> Any:
    (x,) = v
    zero, one = e.like(x, 0), e.like(x, 1)
    negative = zero if dtype in UNSIGNED else e.b.select(compare(e, "<", dtype, x, zero), e.like(x, -1), zero)
    return e.b.select(compare(e, ">", dtype, x, zero), one, negative)


def _prelu(e: Emitter, dtype: str, v: Sequence[Any]) -> Any:
    x, slope = v
    return e.b.select(compare(e, ">", dtype, x, e.like(x, 0)), x, e.b.mul(x, slope))


INTEGERS: Mapping[str, Expression] = {
    "lt": _comparison("<"),
    "le": _comparison("<="),
    "gt": _comparison(">"),
    "ge": _comparison(">="),
    "max": _extreme(">"),
    "min": _extreme("<"),
    "div": lambda e, dtype, v: _divided(e, dtype, v)[0],
    "floor_div": _rounded_down,
    "fmod": lambda e, dtype, v: _divided(e, dtype, v)[1],
    "shift_left": _shifted_left,
    "shift_right": _shifted_right,
    "pow": _raised,
    "abs": _absolute,
    "sign": _sign,
    "prelu": _prelu,
}


def converted(e: Emitter, x: Any, source: str, target: str) -> Any:
    """Whole numbers as the register type of `target`: integers of fewer bits wrap around."""
    kind, wide = REGISTER[target], e.vector(REGISTER[target])
    if kind == I1:
        return e.b.icmp_signed("!=", x, e.like(x, 0))
    if kind in (F32, F64):
        return (e.b.uitofp if source in UNSIGNED else e.b.sitofp)(x, wide)
    if kind.width > x.type.element.width:
        return (e.b.zext if source in UNSIGNED else e.b.sext)(x, wide)
    return e.b.trunc(x, wide) if kind.width < x.type.element.width else x


def saturated(e: Emitter, x: Any, target: str) -> Any:
    """Floats without their fraction; what does not fit becomes the nearest bound, and NaN 0."""
    kind = e.vector(REGISTER[target])
    name = "fptoui" if target in UNSIGNED else "fptosi"
    return e.call(f"llvm.{name}.sat.{e.code(kind)}.{e.code(x.type)}", kind, [x])


def identity(op: str, dtype: str) -> int:
    """What a reduction starts from."""
    low, high = bounds(dtype)
    return {"reduce_sum": 0, "reduce_max": low, "reduce_min": high}[op]
