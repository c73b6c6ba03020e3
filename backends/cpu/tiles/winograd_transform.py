"""Winograd's transforms of one axis, F(2, 3) and F(4, 3) (Winograd 1980; Lavin & Gray 2016), on lists of vectors.

    y = A^T [(G g) * (B^T d)]

With interpolation at 0, 1, -1 (and 2, -2) and infinity: m results from m + 2 inputs d and three weights g.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from netlang.backends.cpu.tiles.emitter import Emitter

Axis = Callable[[Emitter, int, Sequence[Any]], list[Any]]


def input_axis(e: Emitter, m: int, d: Sequence[Any]) -> list[Any]:
    """B^T d."""
    add, sub = e.b.fadd, e.b.fsub
    if m == 2:
        return [sub(d[0], d[2]), add(d[1], d[2]), sub(d[2], d[1]), sub(d[1], d[3])]
    even, odd = _fma(e, -4, d[2], d[4]), _fma(e, -4, d[1], d[3])
    high, low = sub(d[4], d[2]), sub(d[3], d[1])
    return [
        _fma(e, 4, d[0], _fma(e, -5, d[2], d[4])),
        add(even, odd),
        sub(even, odd),
        _fma(e, 2, low, high),
        _fma(e, -2, low, high),
        _fma(e, 4, d[1], _fma(e, -5, d[3], d[5])),
    ]


def weight_axis(e: Emitter, m: int, g: Sequence[Any]) -> list[Any]:
    """G g."""
    add, sub, mul = e.b.fadd, e.b.fsub, e.b.fmul
    ends = add(g[0], g[2])
    if m == 2:
        half = e.constant(0.5)
        return [g[0], mul(half, add(ends, g[1])), mul(half, sub(ends, g[1])), g[2]]
    sixth = e.constant(-1 / 6)
    outer = mul(e.constant(1 / 24), _fma(e, 4, g[2], g[0]))
    inner = mul(e.constant(1 / 12), g[1])
    return [
        mul(e.constant(0.25), g[0]),
        mul(sixth, add(ends, g[1])),
        mul(sixth, sub(ends, g[1])),
        add(outer, inner),
        sub(outer, inner),
        g[2],
    ]


def output_axis(e: Emitter, m: int, x: Sequence[Any]) -> list[Any]:
    """A^T x."""
    add, sub = e.b.fadd, e.b.fsub
    if m == 2:
        return [add(add(x[0], x[1]), x[2]), sub(sub(x[1], x[2]), x[3])]
    near, near_odd = add(x[1], x[2]), sub(x[1], x[2])
    far, far_odd = add(x[3], x[4]), sub(x[3], x[4])
    return [
        add(add(x[0], near), far),
        _fma(e, 2, far_odd, near_odd),
        _fma(e, 4, far, near),
        add(_fma(e, 8, far_odd, near_odd), x[5]),
    ]


def _fma(e: Emitter, factor: float, x: Any, y: Any) -> Any:
    return e.fma(e.constant(factor), x, y)


def both_axes(
    e: Emitter, m: int, axis: Axis, size: tuple[int, int], load: Callable[[int, int], Any]
) -> list[list[Any]]:
    """`axis` along the columns and then the rows of a matrix of vectors, given as load(row, column)."""
    rows, columns = size
    half = [axis(e, m, [load(i, j) for i in range(rows)]) for j in range(columns)]
    return [axis(e, m, [column[i] for column in half]) for i in range(len(half[0]))]
