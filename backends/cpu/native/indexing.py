"""Kernels that go by index: argmax, gather, scatter_add. Indices out of range are moved to the nearest one in range.

All see their tensor as [outer, axis, inner].
"""

from __future__ import annotations

from typing import Any

from netlang.backends.cpu.intrinsics import INDEX, LOAD, STORE, ZERO, number, quotient
from netlang.backends.cpu.native.geometry import share


def argmax(dtype: str) -> Any:
    """The first largest along the axis, NaN being the largest: addresses x, result; outer, axis, inner."""
    load, store = LOAD[dtype], STORE["i64"]

    def kernel(args: int, tid: int, threads: int) -> None:
        x, size, inner = number(args, 0), number(args, 3), number(args, 4)
        begin, end = share(number(args, 2) * inner, tid, threads)
        for place in range(begin, end):
            outer = quotient(place, inner)
            first = outer * size * inner + place - outer * inner
            best, chosen = load(x, first), 0
            for i in range(1, size):
                value = load(x, first + i * inner)
                if value > best or (value != value and best == best):
                    best, chosen = value, i
            store(number(args, 1), place, chosen)

    return kernel


def gather(dtype: str, index: str) -> Any:
    """Addresses x, indices, result; outer, axis, inner, number of indices."""
    load, store, read = LOAD[dtype], STORE[dtype], INDEX[index]

    def kernel(args: int, tid: int, threads: int) -> None:
        x, out, size, inner, count = (
            number(args, 0),
            number(args, 2),
            number(args, 4),
            number(args, 5),
            number(args, 6),
        )
        begin, end = share(number(args, 3) * count, tid, threads)
        for row in range(begin, end):
            outer = quotient(row, count)
            chosen = min(max(0, read(number(args, 1), row - outer * count)), size - 1)
            source = (outer * size + chosen) * inner
            for i in range(inner):
                store(out, row * inner + i, load(x, source + i))

    return kernel


def scatter_add(dtype: str, index: str) -> Any:
    """Addresses updates, indices, result; outer, axis, inner, number of indices.

    Threads share the rows of the result; each looks at all indices and adds what falls into its rows, in their order.
    """
    load, store, zero, read = LOAD[dtype], STORE[dtype], ZERO[dtype], INDEX[index]

    def kernel(args: int, tid: int, threads: int) -> None:
        updates, out, size, inner, count = (
            number(args, 0), number(args, 2), number(args, 4), number(args, 5), number(args, 6)
        )  # fmt: skip
        begin, end = share(number(args, 3) * size, tid, threads)
        for i in range(begin * inner, end * inner):
            store(out, i, zero)
        for outer in range(number(args, 3)):
            for k in range(count):
                row = outer * size + min(max(0, read(number(args, 1), k)), size - 1)
                if begin <= row < end:
                    source = (outer * count + k) * inner
                    for i in range(inner):
                        place = row * inner + i
                        store(out, place, load(out, place) + load(updates, source + i))

    return kernel
