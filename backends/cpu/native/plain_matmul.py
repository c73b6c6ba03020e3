"""Matrix products with any strides and batch dimensions: plain loops over f32 or f64.

Arguments: addresses of a, b and the result; rows, columns, inner size; strides (in elements) of a by row and inner, of
b by inner and column; the number of batch axes, then for each its size and the strides of a and b along it.
"""

from __future__ import annotations

from typing import Any

from netlang.backends.cpu.intrinsics import LOAD, STORE, ZERO, number, quotient
from netlang.backends.cpu.native.geometry import inlined, share

BATCH = 11
"""Position of the first batch axis in the arguments."""


@inlined
def _places(args: int, row: int) -> Any:
    """Where row `row` of all rows of the batch begins in a, and its matrix in b."""
    rows = number(args, 3)
    batch = quotient(row, rows)
    a, b = (row - batch * rows) * number(args, 6), 0
    for axis in range(number(args, 10)):
        entry = args + 8 * (BATCH + 3 * (number(args, 10) - 1 - axis))
        above = quotient(batch, number(entry, 0))
        place = batch - above * number(entry, 0)
        a += place * number(entry, 1)
        b += place * number(entry, 2)
        batch = above
    return a, b


@inlined
def _all_rows(args: int) -> Any:
    total = number(args, 3)
    for axis in range(number(args, 10)):
        total *= number(args, BATCH + 3 * axis)
    return total


def rows(dtype: str) -> Any:
    """For b with consecutive columns: each row of the result is a sum of rows of b."""
    load, store, zero = LOAD[dtype], STORE[dtype], ZERO[dtype]

    def kernel(args: int, tid: int, threads: int) -> None:
        x, y, out = number(args, 0), number(args, 1), number(args, 2)
        columns, inner = number(args, 4), number(args, 5)
        begin, end = share(_all_rows(args), tid, threads)
        for row in range(begin, end):
            a, b = _places(args, row)
            for j in range(columns):
                store(out, row * columns + j, zero)
            for k in range(inner):
                factor = load(x, a + k * number(args, 7))
                line = b + k * number(args, 8)
                for j in range(columns):
                    place = row * columns + j
                    store(out, place, load(out, place) + factor * load(y, line + j))

    return kernel


def dots(dtype: str) -> Any:
    """For any strides: each element of the result is a sum along the inner axis."""
    load, store, zero = LOAD[dtype], STORE[dtype], ZERO[dtype]

    def kernel(args: int, tid: int, threads: int) -> None:
        x, y, out = number(args, 0), number(args, 1), number(args, 2)
        columns, inner = number(args, 4), number(args, 5)
        begin, end = share(_all_rows(args), tid, threads)
        for row in range(begin, end):
            a, b = _places(args, row)
            for j in range(columns):
                total = zero
                line = b + j * number(args, 9)
                for k in range(inner):
                    total += load(x, a + k * number(args, 7)) * load(y, line + k * number(args, 8))
                store(out, row * columns + j, total)

    return kernel
