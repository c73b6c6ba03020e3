"""Division of integers and their bits as the source text of kernels, defined for every argument."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from netlang.backends.cuda.tiles.writer import Term, Writer, literal, wrapped
from netlang.ir.types import DType

Attributes = Mapping[str, Any]


def _divisor(w: Writer, y: Term) -> str:
    """y, and 1 in place of 0 and of -1: what division by those is, is not left to the machine."""
    return w.let(wrapped(y.dtype, f"1 if {y} == 0 or {y} == -1 else {y}"))


def floor_div(w: Writer, attrs: Attributes, v: Sequence[Term]) -> str:
    """0 by 0, and -x by -1, which wraps."""
    x, y = v
    quotient = w.let(wrapped(x.dtype, f"{x} // {_divisor(w, y)}"))
    turned = wrapped(x.dtype, f"-{x}")
    return f"({literal(x.dtype, 0)} if {y} == 0 else ({turned} if {y} == -1 else {quotient}))"


def fmod(w: Writer, attrs: Attributes, v: Sequence[Term]) -> str:
    """With the sign of x; Python's own has that of y."""
    x, y = v
    if x.is_float:
        return f"fmod_{x.dtype}({x}, {y})"
    divisor = _divisor(w, y)
    rest = w.let(wrapped(x.dtype, f"{x} % {divisor}"))
    apart = f"{rest} != 0 and ({x} < 0) != ({divisor} < 0)"
    return f"({wrapped(x.dtype, f'{rest} - {divisor}')} if {apart} else {rest})"


def _inside(w: Writer, x: Term, count: Term) -> tuple[str, str]:
    """Whether bits are moved by less than their width, and by how many then."""
    inside = w.let(f"0 <= {count} and {count} < {8 * DType(x.dtype).size}")
    return inside, w.let(wrapped(x.dtype, f"{count} if {inside} else 0"))


def shift_left(w: Writer, attrs: Attributes, v: Sequence[Term]) -> str:
    x, count = v
    inside, places = _inside(w, x, count)
    return f"({wrapped(x.dtype, f'{x} << {places}')} if {inside} else {literal(x.dtype, 0)})"


def shift_right(w: Writer, attrs: Attributes, v: Sequence[Term]) -> str:
    x, count = v
    inside, places = _inside(w, x, count)
    sign = f"({literal(x.dtype, -1)} if {x} < 0 else {literal(x.dtype, 0)})"
    return f"({wrapped(x.dtype, f'{x} >> {places}')} if {inside} else {sign})"


def bit_not(w: Writer, attrs: Attributes, v: Sequence[Term]) -> str:
    return wrapped(v[0].dtype, f"{v[0]} ^ -1")
