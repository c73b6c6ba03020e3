"""Whole numbers as the source text of kernels: in 32 or 64 bits, wrapped to the bits of their element type.

What is narrower than 32 bits is computed in 32, and its value is always one that the element type has. Quotients,
powers and what becomes of floats are those of `netlang.ops.whole` and `netlang.ops.integers`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from netlang.backends.common.element import BYTES, INTEGERS, UNSIGNED, bounds
from netlang.backends.cuda.tiles.writer import Term, Writer, literal

Attributes = Mapping[str, Any]


def register(dtype: str) -> str:
    """The integer type that values of an integer element type have in registers."""
    return f"{'u' if dtype in UNSIGNED else 'i'}{64 if BYTES[dtype] == 8 else 32}"


def wrapped(dtype: str, text: str) -> str:
    """A whole number computed in more bits, in its own type again."""
    bits, kind = 8 * BYTES[dtype], register(dtype)
    if bits >= 32:
        return f"{kind}({text})"
    if dtype in UNSIGNED:
        return f"u32(u32({text}) & u32({(1 << bits) - 1}))"
    return f"i32(i32(({text}) << {32 - bits}) >> {32 - bits})"


def arithmetic(operator: str, x: Term, y: Term) -> str:
    """x + y, x - y, x * y. 64 bits are computed without a sign: signed sums must not overflow."""
    if x.dtype == "i64":
        return f"i64(u64({x}) {operator} u64({y}))"
    return wrapped(x.dtype, f"{x} {operator} {y}")


def negated(x: Term) -> str:
    return arithmetic("-", Term(literal(x.dtype, 0), x.dtype), x)


def divided(x: Term, y: Term) -> str:
    """The quotient without its fraction, 0 by zero."""
    return wrapped(x.dtype, f"quotient_of_{register(x.dtype)}({x}, {y})")


def _parts(w: Writer, x: Term, y: Term) -> tuple[Term, str]:
    """The quotient without its fraction and the remainder, 0 and 0 by zero."""
    quotient = Term(w.let(divided(x, y)), x.dtype)
    rest = arithmetic("-", x, Term(arithmetic("*", quotient, y), x.dtype))
    zero = literal(x.dtype, 0)
    return quotient, w.let(f"{zero} if {y} == {zero} else {rest}")


def floor_div(w: Writer, attrs: Attributes, v: Sequence[Term]) -> str:
    """The quotient rounded down."""
    x, y = v
    if x.dtype in UNSIGNED:
        return divided(x, y)
    quotient, rest = _parts(w, x, y)
    zero, one = (literal(x.dtype, number) for number in (0, 1))
    above = f"{rest} != {zero} and ({rest} < {zero}) != ({y} < {zero})"
    return f"({arithmetic('-', quotient, Term(one, x.dtype))} if {above} else {quotient})"


def fmod(w: Writer, attrs: Attributes, v: Sequence[Term]) -> str:
    """The remainder with the sign of x."""
    return _parts(w, *v)[1] if is_whole(v[0]) else f"fmod_{v[0].dtype}({v[0]}, {v[1]})"


def _inside(w: Writer, x: Term, count: Term) -> tuple[str, str]:
    """Whether bits are moved by less than their width, and by how many then."""
    zero, width = literal(x.dtype, 0), literal(x.dtype, 8 * BYTES[x.dtype])
    inside = w.let(f"{zero} <= {count} and {count} < {width}")
    return inside, w.let(f"{count} if {inside} else {zero}")


def shift_left(w: Writer, attrs: Attributes, v: Sequence[Term]) -> str:
    x, count = v
    inside, places = _inside(w, x, count)
    return f"({wrapped(x.dtype, f'{x} << {places}')} if {inside} else {literal(x.dtype, 0)})"


def shift_right(w: Writer, attrs: Attributes, v: Sequence[Term]) -> str:
    x, count = v
    inside, places = _inside(w, x, count)
    zero = literal(x.dtype, 0)
    sign = zero if x.dtype in UNSIGNED else f"({literal(x.dtype, -1)} if {x} < {zero} else {zero})"
    return f"({wrapped(x.dtype, f'{x} >> {places}')} if {inside} else {sign})"


def bit_not(w: Writer, attrs: Attributes, v: Sequence[Term]) -> str:
    return wrapped(v[0].dtype, f"{v[0]} ^ -1")


def raised(w: Writer, x: Term, y: Term) -> str:
    """x to the power y by squares, a bit of y after the other."""
    kind = "u64" if BYTES[x.dtype] == 8 else "u32"
    found, square, rest = (w.let(f"{kind}({text})", hint) for text, hint in ((1, "p"), (x, "s"), (y, "e")))
    with w.block(f"while {rest} != {kind}(0)"):
        w.line(f"{found} = {kind}({found} * {square}) if {kind}({rest} & {kind}(1)) != {kind}(0) else {found}")
        w.line(f"{square} = {kind}({square} * {square})")
        w.line(f"{rest} = {kind}({rest} >> {kind}(1))")
    positive = wrapped(x.dtype, found)
    if x.dtype in UNSIGNED:
        return positive
    zero, one, minus = (literal(x.dtype, number) for number in (0, 1, -1))
    of_minus = f"({minus} if {kind}({kind}({y}) & {kind}(1)) != {kind}(0) else {one})"
    reciprocal = f"({one} if {x} == {one} else ({of_minus} if {x} == {minus} else {zero}))"
    return f"({reciprocal} if {y} < {zero} else {positive})"


def absolute(x: Term) -> str:
    return x.text if x.dtype in UNSIGNED else f"({negated(x)} if {x} < {literal(x.dtype, 0)} else {x})"


def sign(x: Term) -> str:
    zero, one = literal(x.dtype, 0), literal(x.dtype, 1)
    negative = zero if x.dtype in UNSIGNED else f"({literal(x.dtype, -1)} if {x} < {zero} else {zero})"
    return f"({one} if {x} > {zero} else {negative})"


def saturated(x: Term, target: str) -> str:
    """A float without its fraction, within the bounds of an integer type; 0 for NaN."""
    low, high = bounds(target)
    whole, least = f"{register(target)}({x})", literal(target, low)
    below = least if low == 0 else f"({least} if {x} == {x} else {literal(target, 0)})"
    inside = f"({whole} if {x} > {literal(x.dtype, low)} else {below})"
    return f"({literal(target, high)} if {x} >= {literal(x.dtype, high + 1)} else {inside})"


def is_whole(x: Term) -> bool:
    """Whether a value is of an integer type."""
    return x.dtype in INTEGERS
