"""Winograd's transforms of one axis, F(m, r) (Winograd 1980; Lavin & Gray 2016), in whatever numbers a backend has.

    y = A^T [(G g) * (B^T d)]

m results from m + r - 1 inputs d and r weights g, with interpolation at the points 0, 1, -1 and infinity for four
inputs, F(2, 3), and at 2 and -2 besides for six: F(4, 3) and F(2, 5). B depends on the points alone. The row of G for a
point p is 1, p, p^2, ... over the product of its distances to the others; the column of A^T is 1, p, p^2, ...

The gradient by the weights is the same three linear maps the other way round (they are matrices, transposed):

    dg = G^T [(A dy) * (B^T d)]
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

Number = TypeVar("Number")
Axis = Callable[[Sequence[Any]], list[Any]]


class Arithmetic(Protocol[Number]):
    """Numbers of a backend: vectors of generated code, variables of a text, arrays."""

    def constant(self, value: float) -> Number: ...

    def add(self, x: Number, y: Number) -> Number: ...

    def sub(self, x: Number, y: Number) -> Number: ...

    def mul(self, x: Number, y: Number) -> Number: ...

    def fma(self, x: Number, y: Number, z: Number) -> Number:
        """x * y + z, rounded once or twice."""


def input_axis(a: Arithmetic[Number], d: Sequence[Number]) -> list[Number]:
    """B^T d."""
    add, sub = a.add, a.sub
    if len(d) == 4:
        return [sub(d[0], d[2]), add(d[1], d[2]), sub(d[2], d[1]), sub(d[1], d[3])]
    even, odd = _fma(a, -4, d[2], d[4]), _fma(a, -4, d[1], d[3])
    high, low = sub(d[4], d[2]), sub(d[3], d[1])
    return [
        _fma(a, 4, d[0], _fma(a, -5, d[2], d[4])),
        add(even, odd),
        sub(even, odd),
        _fma(a, 2, low, high),
        _fma(a, -2, low, high),
        _fma(a, 4, d[1], _fma(a, -5, d[3], d[5])),
    ]


def weight_axis(a: Arithmetic[Number], size: int, g: Sequence[Number]) -> list[Number]:
    """G g."""
    add, sub, mul = a.add, a.sub, a.mul
    even, odd = _sum(a, [(1, x) for x in g[::2]]), _sum(a, [(1, x) for x in g[1::2]])
    if size == 4:
        half = a.constant(0.5)
        return [g[0], mul(half, add(even, odd)), mul(half, sub(even, odd)), g[-1]]
    sixth = a.constant(-1 / 6)
    outer = mul(a.constant(1 / 24), _sum(a, [(4**k, x) for k, x in enumerate(g[::2])]))
    inner = mul(a.constant(1 / 12), _sum(a, [(4**k, x) for k, x in enumerate(g[1::2])]))
    return [
        mul(a.constant(0.25), g[0]),
        mul(sixth, add(even, odd)),
        mul(sixth, sub(even, odd)),
        add(outer, inner),
        sub(outer, inner),
        g[-1],
    ]


def output_axis(a: Arithmetic[Number], m: int, x: Sequence[Number]) -> list[Number]:
    """A^T x."""
    add, sub = a.add, a.sub
    if len(x) == 4:
        return [add(add(x[0], x[1]), x[2]), sub(sub(x[1], x[2]), x[3])]
    near, near_odd = add(x[1], x[2]), sub(x[1], x[2])
    far, far_odd = add(x[3], x[4]), sub(x[3], x[4])
    first, second = add(add(x[0], near), far), _fma(a, 2, far_odd, near_odd)
    if m == 2:
        return [first, add(second, x[5])]
    return [first, second, _fma(a, 4, far, near), add(_fma(a, 8, far_odd, near_odd), x[5])]


def gradient_axis(a: Arithmetic[Number], d: Sequence[Number]) -> list[Number]:
    """A d for the points 0, 1, -1, 2, -2 and infinity: the transform of the gradient of m results."""
    rows = [d[0]]
    for point in (1, 2):
        even, odd = (_sum(a, [(point**k, d[k]) for k in range(first, len(d), 2)]) for first in (0, 1))
        rows += [a.add(even, odd), a.sub(even, odd)]
    return [*rows, d[-1]]


def weight_gradient_axis(a: Arithmetic[Number], m: int, x: Sequence[Number]) -> list[Number]:
    """G^T x for the same points: the gradients of the 7 - m weights."""
    mul, taps = a.mul, 7 - m
    near, far = a.constant(-1 / 6), a.constant(1 / 24)
    ones = [mul(near, a.add(x[1], x[2])), mul(near, a.sub(x[1], x[2]))]
    twos = [mul(far, a.add(x[3], x[4])), mul(far, a.sub(x[3], x[4]))]
    out = [_fma(a, 2**k, twos[k % 2], ones[k % 2]) for k in range(taps)]
    out[0] = _fma(a, 0.25, x[0], out[0])
    out[-1] = a.add(out[-1], x[5])
    return out


def _sum(a: Arithmetic[Number], terms: Sequence[tuple[float, Number]]) -> Number:
    """The sum of factor * vector."""
    (factor, total), *rest = terms
    total = total if factor == 1 else a.mul(a.constant(factor), total)
    for factor, x in rest:
        total = a.add(total, x) if factor == 1 else _fma(a, factor, x, total)
    return total


def _fma(a: Arithmetic[Number], factor: float, x: Number, y: Number) -> Number:
    return a.fma(a.constant(factor), x, y)


def both_axes(axis: Axis, size: tuple[int, int], load: Callable[[int, int], Any]) -> list[list[Any]]:
    """`axis` along the columns and then the rows of a matrix of vectors, given as load(row, column)."""
    rows, columns = size
    half = [axis([load(i, j) for i in range(rows)]) for j in range(columns)]
    return [axis([column[i] for column in half]) for i in range(len(half[0]))]
