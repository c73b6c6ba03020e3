"""Kernels that go along one axis, every line by itself: take_along, put_along, scatter_along, cumsum, topk, resampling.

All see their tensor as [outer, axis, inner]; a line is what one (outer, inner) has along the axis. Indices out of range
are moved to the nearest one in range.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from netlang.backends.cpu.intrinsics import INDEX, LOAD, STORE, ZERO, number, quotient
from netlang.backends.cpu.native.geometry import inlined, share


def take(dtype: str, index: str) -> Any:
    """Addresses x, indices, result; outer, axis, inner, indices of a line."""
    load, store, read = LOAD[dtype], STORE[dtype], INDEX[index]

    def kernel(args: int, tid: int, threads: int) -> None:
        size, inner, count = number(args, 4), number(args, 5), number(args, 6)
        begin, end = share(number(args, 3) * count, tid, threads)
        for row in range(begin, end):
            source = quotient(row, count) * size
            for i in range(inner):
                chosen = min(max(0, read(number(args, 1), row * inner + i)), size - 1)
                store(number(args, 2), row * inner + i, load(number(args, 0), (source + chosen) * inner + i))

    return kernel


def put(dtype: str, index: str) -> Any:
    """Addresses updates, indices, result; outer, axis, inner, indices of a line. Added in the order of the indices."""
    load, store, zero, read = LOAD[dtype], STORE[dtype], ZERO[dtype], INDEX[index]

    def kernel(args: int, tid: int, threads: int) -> None:
        size, inner, count = number(args, 4), number(args, 5), number(args, 6)
        out = number(args, 2)
        begin, end = share(number(args, 3), tid, threads)
        for outer in range(begin, end):
            for i in range(outer * size * inner, (outer + 1) * size * inner):
                store(out, i, zero)
            for k in range(count):
                row = (outer * count + k) * inner
                for i in range(inner):
                    chosen = min(max(0, read(number(args, 1), row + i)), size - 1)
                    place = (outer * size + chosen) * inner + i
                    store(out, place, load(out, place) + load(number(args, 0), row + i))

    return kernel


def scatter(dtype: str, index: str, reduction: str) -> Any:
    """Addresses x, indices, updates, result; outer, axis, inner, indices of a line. In the order of the indices."""
    load, store, read, combined = LOAD[dtype], STORE[dtype], INDEX[index], inlined(_COMBINED[reduction])

    def kernel(args: int, tid: int, threads: int) -> None:
        size, inner, count = number(args, 5), number(args, 6), number(args, 7)
        out = number(args, 3)
        begin, end = share(number(args, 4), tid, threads)
        for outer in range(begin, end):
            for i in range(outer * size * inner, (outer + 1) * size * inner):
                store(out, i, load(number(args, 0), i))
            for k in range(count):
                row = (outer * count + k) * inner
                for i in range(inner):
                    chosen = min(max(0, read(number(args, 1), row + i)), size - 1)
                    place = (outer * size + chosen) * inner + i
                    store(out, place, combined(load(out, place), load(number(args, 2), row + i)))

    return kernel


def _larger(a: Any, b: Any) -> Any:
    return b if b > a or b != b else a


def _smaller(a: Any, b: Any) -> Any:
    return b if b < a or b != b else a


_COMBINED: Mapping[str, Callable[[Any, Any], Any]] = {
    "set": lambda a, b: b,
    "add": lambda a, b: a + b,
    "mul": lambda a, b: a * b,
    "max": _larger,
    "min": _smaller,
}
"""What becomes of an element and one that is put in its place; NaN wins."""


def cumsum(dtype: str) -> Any:
    """Addresses x, result; outer, axis, inner."""
    load, store = LOAD[dtype], STORE[dtype]

    def kernel(args: int, tid: int, threads: int) -> None:
        x, out, size, inner = number(args, 0), number(args, 1), number(args, 3), number(args, 4)
        begin, end = share(number(args, 2) * inner, tid, threads)
        for line in range(begin, end):
            outer = quotient(line, inner)
            first = outer * size * inner + line - outer * inner
            total = load(x, first)
            store(out, first, total)
            for i in range(1, size):
                total += load(x, first + i * inner)
                store(out, first + i * inner, total)

    return kernel


def topk(dtype: str) -> Any:
    """Addresses x, values, indices; outer, axis, inner, k. The best so far are kept sorted in the result.

    A new element goes before all it is larger than; equal ones stay in their order, and NaN is larger than any number.
    """
    load, store, keep, kept = LOAD[dtype], STORE[dtype], STORE["i64"], LOAD["i64"]

    def kernel(args: int, tid: int, threads: int) -> None:
        x, values, indices = number(args, 0), number(args, 1), number(args, 2)
        size, inner, k = number(args, 4), number(args, 5), number(args, 6)
        begin, end = share(number(args, 3) * inner, tid, threads)
        for line in range(begin, end):
            outer = quotient(line, inner)
            source = outer * size * inner + line - outer * inner
            target = outer * k * inner + line - outer * inner
            for i in range(size):
                value = load(x, source + i * inner)
                place = min(i, k)
                while place > 0:
                    before = load(values, target + (place - 1) * inner)
                    if not (value > before or (value != value and before == before)):
                        break
                    if place < k:
                        store(values, target + place * inner, before)
                        keep(indices, target + place * inner, kept(indices, target + (place - 1) * inner))
                    place -= 1
                if place < k:
                    store(values, target + place * inner, value)
                    keep(indices, target + place * inner, i)

    return kernel


# ---- resampling: see `netlang.ops.resample` for the positions


@inlined
def _position(i: int, n: int, m: int, linear: int) -> Any:
    """Twice m times the place in the input, from its first element, of element i of the result."""
    if linear != 0:
        return max((2 * i + 1) * n - m, 0)
    return 2 * m * quotient(i * n, m)


def resample(dtype: str, linear: int) -> Any:
    """Addresses x, result; outer, size of the axis in x, inner, size in the result."""
    load, store, zero = LOAD[dtype], STORE[dtype], ZERO[dtype]
    real = type(zero)

    def kernel(args: int, tid: int, threads: int) -> None:
        x, out, n, inner, m = number(args, 0), number(args, 1), number(args, 3), number(args, 4), number(args, 5)
        begin, end = share(number(args, 2) * m, tid, threads)
        for row in range(begin, end):
            outer = quotient(row, m)
            position = _position(row - outer * m, n, m, linear)
            j = quotient(position, 2 * m)
            first, second = (outer * n + j) * inner, (outer * n + min(j + 1, n - 1)) * inner
            weight = real(position - j * 2 * m) / real(2 * m)
            for i in range(inner):
                if linear != 0:
                    value = load(x, first + i) * (real(1) - weight) + load(x, second + i) * weight
                    store(out, row * inner + i, value)
                else:
                    store(out, row * inner + i, load(x, first + i))

    return kernel


def resample_grad(dtype: str, linear: int) -> Any:
    """Addresses dy, dx; outer, size of the axis in dx, inner, size in dy. Added in the order of dy."""
    load, store, zero = LOAD[dtype], STORE[dtype], ZERO[dtype]
    real = type(zero)

    def kernel(args: int, tid: int, threads: int) -> None:
        dy, dx, n, inner, m = number(args, 0), number(args, 1), number(args, 3), number(args, 4), number(args, 5)
        begin, end = share(number(args, 2), tid, threads)
        for outer in range(begin, end):
            for i in range(outer * n * inner, (outer + 1) * n * inner):
                store(dx, i, zero)
            for row in range(outer * m, (outer + 1) * m):
                position = _position(row - outer * m, n, m, linear)
                j = quotient(position, 2 * m)
                first, second = (outer * n + j) * inner, (outer * n + min(j + 1, n - 1)) * inner
                weight = real(position - j * 2 * m) / real(2 * m)
                for i in range(inner):
                    value = load(dy, row * inner + i)
                    store(dx, first + i, load(dx, first + i) + value * (real(1) - weight))
                    if linear != 0:
                        store(dx, second + i, load(dx, second + i) + value * weight)

    return kernel
