"""One axis resized where its size, before or after, is known only when the net runs: positions are tensors then.

The definitions are those of `netlang.frontend.interpolation`. Positions are computed in f64, which holds sizes exactly.
"""

from __future__ import annotations

from collections.abc import Sequence

from netlang.frontend.context import Site
from netlang.frontend.faults import Fault
from netlang.frontend.interpolation import Interpolation
from netlang.ir.dims import Dim
from netlang.ir.graph import Value
from netlang.ir.types import DType

_STEPS = {"linear": (0, 1), "cubic": (-1, 0, 1, 2)}


def open_along(site: Site, x: Value, axis: int, size: Dim, scale: float | None, how: Interpolation) -> Value:
    """The axis with `size` elements. Raises Fault for kernels whose width would not be known either, and for crops."""
    if how.antialias or how.coordinates == "tf_crop_and_resize":
        raise Fault(f"resize: crops and antialias need sizes that are known, not {x.shape[axis]} to {size}")
    sums = _Sums(site)
    n = sums.number(x.shape[axis])
    at = _positions(sums, n, size, scale, how)
    base = sums.sub(site.emit("ceil", at), 1)
    part = sums.sub(at, base)  # above 0, at most 1
    if how.mode == "nearest":
        return site.emit("gather", x, _place(sums, sums.add(base, _upper(sums, part, how.rounding)), n), axis=axis)
    places = [sums.add(base, step) for step in _STEPS[how.mode]]
    weights = _weights(sums, part, how)
    if how.exclude_outside:
        weights = _inside(sums, places, weights, n)
    parts = [
        site.emit(
            "mul", site.emit("gather", x, _place(sums, place, n), axis=axis), _factor(site, weight, x, axis, size)
        )
        for place, weight in zip(places, weights, strict=True)
    ]
    total = parts[0]
    for value in parts[1:]:
        total = site.emit("add", total, value)
    return total


class _Sums:
    """Arithmetic of tensors and numbers in f64."""

    def __init__(self, site: Site) -> None:
        self.site = site

    def number(self, value: Value | Dim | float) -> Value:
        return value if isinstance(value, Value) else self.site.scalar(value, DType.F64)

    def _of(self, op: str, a: Value | Dim | float, b: Value | Dim | float) -> Value:
        return self.site.emit(op, self.number(a), self.number(b))

    def add(self, a: Value | Dim | float, b: Value | Dim | float) -> Value:
        return self._of("add", a, b)

    def sub(self, a: Value | Dim | float, b: Value | Dim | float) -> Value:
        return self._of("sub", a, b)

    def mul(self, a: Value | Dim | float, b: Value | Dim | float) -> Value:
        return self._of("mul", a, b)

    def div(self, a: Value | Dim | float, b: Value | Dim | float) -> Value:
        return self._of("div", a, b)

    def test(self, op: str, a: Value | Dim | float, b: Value | Dim | float) -> Value:
        """1 where a comparison holds, 0 elsewhere."""
        return self.site.emit("cast", self._of(op, a, b), dtype=DType.F64)


def _positions(s: _Sums, n: Value, size: Dim, scale: float | None, how: Interpolation) -> Value:
    i, m = s.site.emit("iota", size=size, dtype=DType.F64), s.number(size)
    width = m if scale is None else s.mul(n, scale)
    if how.coordinates == "align_corners":
        # A width of 1 has one element, whose position is 0 whatever it is divided by.
        return s.div(s.mul(i, s.sub(n, 1)), s.add(s.sub(width, 1), s.test("eq", width, 1)))
    shift = 0.0 if how.coordinates == "asymmetric" else 0.5
    cells = s.add(i, shift)
    # In the order of `interpolation`, so that rounding is the same.
    at = s.div(s.mul(cells, n), m) if scale is None else s.div(cells, scale)
    if how.coordinates == "half_pixel_symmetric" and scale is not None:
        at = s.add(s.mul(s.div(n, 2), s.sub(1, s.div(m, width))), at)
    at = s.sub(at, shift)
    return s.mul(at, s.test("ne", m, 1)) if how.coordinates == "pytorch_half_pixel" else at


def _upper(s: _Sums, part: Value, rounding: str) -> Value:
    """1 where the upper of two neighbours is taken, 0 elsewhere."""
    if rounding == "ceil":
        return s.number(1)
    if rounding == "floor":
        return s.test("eq", part, 1)
    return s.test("gt" if rounding == "round_prefer_floor" else "ge", part, 0.5)


def _weights(s: _Sums, part: Value, how: Interpolation) -> list[Value]:
    rest, a = s.sub(1, part), how.cubic_a
    if how.mode == "linear":
        return [rest, part]

    def near(d: Value) -> Value:
        return s.add(s.mul(s.sub(s.mul(d, a + 2), a + 3), s.mul(d, d)), 1)

    def far(d: Value) -> Value:
        return s.sub(s.mul(s.add(s.mul(s.sub(s.mul(d, a), 5 * a), d), 8 * a), d), 4 * a)

    return [far(s.add(part, 1)), near(part), near(rest), far(s.add(rest, 1))]


def _inside(s: _Sums, places: Sequence[Value], weights: Sequence[Value], n: Value) -> list[Value]:
    """Weights without those of what lies outside, with the sum that they had."""
    kept = [
        s.mul(weight, s.mul(s.test("ge", place, 0), s.test("lt", place, n)))
        for place, weight in zip(places, weights, strict=True)
    ]
    total = kept[0]
    for weight in kept[1:]:
        total = s.add(total, weight)
    return [s.div(weight, total) for weight in kept]


def _place(s: _Sums, place: Value, n: Value) -> Value:
    """Indices of elements; what lies outside is the first or the last."""
    held = s.site.emit("min", s.site.emit("max", place, s.number(0)), s.sub(n, 1))
    return s.site.emit("cast", held, dtype=DType.I64)


def _factor(site: Site, weight: Value, x: Value, axis: int, size: Dim) -> Value:
    flat = site.emit("reshape", weight, shape=(size, *(1,) * (x.rank - axis - 1)))
    return flat if x.dtype is DType.F64 else site.emit("cast", flat, dtype=x.dtype)
