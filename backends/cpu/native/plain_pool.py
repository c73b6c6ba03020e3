"""Pools of any rank up to three over planes [N*C]: plain loops over f32 or f64, threads share planes.

Arguments: four addresses (input side, output side, gradient or switch, second result); planes; then, three numbers
each: input sizes, output sizes, kernel, stride, low padding, dilation, high padding.
"""

from __future__ import annotations

from math import sqrt
from typing import Any

from netlang.backends.cpu.intrinsics import INDEX, LEAST, LOAD, STORE, ZERO, number, quotient
from netlang.backends.cpu.native.geometry import inlined, share

_IN, _OUT, _KERNEL, _STRIDE, _LOW, _DILATION, _HIGH = 5, 8, 11, 14, 17, 20, 23


@inlined
def _volume(args: int, first: int) -> Any:
    return number(args, first) * number(args, first + 1) * number(args, first + 2)


@inlined
def _input_axis(args: int, axis: int, place: int, tap: int) -> Any:
    """The input position of a tap on one axis, -1 outside."""
    at = place * number(args, _STRIDE + axis) - number(args, _LOW + axis) + tap * number(args, _DILATION + axis)
    if at < 0 or at >= number(args, _IN + axis):
        return -1
    return at


@inlined
def _input_place(args: int, out: int, tap: int) -> Any:
    """The element of the input plane that a tap of an output element reads, -1 in the padding."""
    columns, taps = number(args, _OUT + 2), number(args, _KERNEL + 2)
    upper, upper_tap = quotient(out, columns), quotient(tap, taps)
    c = _input_axis(args, 2, out - upper * columns, tap - upper_tap * taps)
    columns, taps = number(args, _OUT + 1), number(args, _KERNEL + 1)
    top, top_tap = quotient(upper, columns), quotient(upper_tap, taps)
    b = _input_axis(args, 1, upper - top * columns, upper_tap - top_tap * taps)
    a = _input_axis(args, 0, top, top_tap)
    if a < 0 or b < 0 or c < 0:
        return -1
    return (a * number(args, _IN + 1) + b) * number(args, _IN + 2) + c


@inlined
def _count_axis(args: int, axis: int, place: int, padded: int) -> Any:
    """Taps of a window on one axis that an average counts: those from 0, or the padding's start, to the end."""
    start = place * number(args, _STRIDE + axis) - number(args, _LOW + axis)
    apart, end, ahead = number(args, _DILATION + axis), number(args, _IN + axis), 0
    if padded != 0:
        end += number(args, _HIGH + axis)
    elif start < 0:
        ahead = quotient(apart - 1 - start, apart)
    # A window begins at the latest where its padding does, so `end` lies behind its first tap.
    return min(number(args, _KERNEL + axis), quotient(end - start + apart - 1, apart)) - ahead


@inlined
def _count(args: int, out: int, padded: int) -> Any:
    upper = quotient(out, number(args, _OUT + 2))
    top = quotient(upper, number(args, _OUT + 1))
    c = _count_axis(args, 2, out - upper * number(args, _OUT + 2), padded)
    b = _count_axis(args, 1, upper - top * number(args, _OUT + 1), padded)
    return _count_axis(args, 0, top, padded) * b * c


def _best_function(dtype: str) -> Any:
    """The tap of the first maximum of a window; NaN is larger than anything. -1 where all taps are in the padding."""
    load, zero = LOAD[dtype], ZERO[dtype]

    @inlined
    def best(args: int, x: int, plane: int, out: int) -> Any:
        chosen = -1
        largest = zero
        for tap in range(_volume(args, _KERNEL)):
            place = _input_place(args, out, tap)
            if place >= 0:
                value = load(x, plane + place)
                if chosen < 0 or value > largest or (value != value and largest == largest):
                    chosen, largest = tap, value
        return chosen

    return best


def maximum(dtype: str, switch: str) -> Any:
    """y, and the switch where its element type is given: addresses x, y, -, switch."""
    load, store, best = LOAD[dtype], STORE[dtype], _best_function(dtype)
    keep, keeps = STORE[switch or "i8"], bool(switch)
    nothing = LEAST[dtype]

    def kernel(args: int, tid: int, threads: int) -> None:
        x, inside, outside = number(args, 0), _volume(args, _IN), _volume(args, _OUT)
        begin, end = share(number(args, 4), tid, threads)
        for plane in range(begin, end):
            for out in range(outside):
                tap = best(args, x, plane * inside, out)
                largest = nothing
                if tap >= 0:
                    largest = load(x, plane * inside + _input_place(args, out, tap))
                store(number(args, 1), plane * outside + out, largest)
                if keeps:
                    keep(number(args, 3), plane * outside + out, max(tap, 0))

    return kernel


def maximum_grad(dtype: str, switch: str) -> Any:
    """dx: addresses x, dx, dy, switch. Without a switch's element type the maximum is looked for in x."""
    load, store, zero, best = LOAD[dtype], STORE[dtype], ZERO[dtype], _best_function(dtype)
    kept, keeps = INDEX[switch or "i8"], bool(switch)

    def kernel(args: int, tid: int, threads: int) -> None:
        dx, inside, outside = number(args, 1), _volume(args, _IN), _volume(args, _OUT)
        begin, end = share(number(args, 4), tid, threads)
        for plane in range(begin, end):
            for i in range(inside):
                store(dx, plane * inside + i, zero)
            for out in range(outside):
                if keeps:
                    tap = min(max(0, kept(number(args, 3), plane * outside + out)), _volume(args, _KERNEL) - 1)
                else:
                    tap = best(args, number(args, 0), plane * inside, out)
                place = _input_place(args, out, tap)
                if place >= 0:
                    place += plane * inside
                    store(dx, place, load(dx, place) + load(number(args, 2), plane * outside + out))

    return kernel


def pick(dtype: str, switch: str) -> Any:
    """y, the elements of x that the switch points at: addresses x, y, -, switch."""
    load, store, zero, kept = LOAD[dtype], STORE[dtype], ZERO[dtype], INDEX[switch]

    def kernel(args: int, tid: int, threads: int) -> None:
        inside, outside = _volume(args, _IN), _volume(args, _OUT)
        begin, end = share(number(args, 4), tid, threads)
        for plane in range(begin, end):
            for out in range(outside):
                tap = min(max(0, kept(number(args, 3), plane * outside + out)), _volume(args, _KERNEL) - 1)
                place = _input_place(args, out, tap)
                value = zero
                if place >= 0:
                    value = load(number(args, 0), plane * inside + place)
                store(number(args, 1), plane * outside + out, value)

    return kernel


def total(dtype: str, kind: str, padded: int) -> Any:
    """y of a sum, average or L2 pool: addresses x, y."""
    load, store, zero = LOAD[dtype], STORE[dtype], ZERO[dtype]
    squares, root, average = kind == "l2_pool", kind == "l2_pool", kind == "avg_pool"
    real = type(zero)

    def kernel(args: int, tid: int, threads: int) -> None:
        inside, outside = _volume(args, _IN), _volume(args, _OUT)
        begin, end = share(number(args, 4), tid, threads)
        for plane in range(begin, end):
            for out in range(outside):
                found = zero
                for tap in range(_volume(args, _KERNEL)):
                    place = _input_place(args, out, tap)
                    if place >= 0:
                        value = load(number(args, 0), plane * inside + place)
                        found += value * value if squares else value
                if average:
                    found = found / real(_count(args, out, padded))
                if root:
                    found = real(sqrt(found))
                store(number(args, 1), plane * outside + out, found)

    return kernel


def spread(dtype: str, kind: str, padded: int) -> Any:
    """dx of a sum or average pool: addresses -, dx, dy."""
    load, store, zero = LOAD[dtype], STORE[dtype], ZERO[dtype]
    average = kind == "avg_pool_grad"
    real = type(zero)

    def kernel(args: int, tid: int, threads: int) -> None:
        dx, inside, outside = number(args, 1), _volume(args, _IN), _volume(args, _OUT)
        begin, end = share(number(args, 4), tid, threads)
        for plane in range(begin, end):
            for i in range(inside):
                store(dx, plane * inside + i, zero)
            for out in range(outside):
                value = load(number(args, 2), plane * outside + out)
                if average:
                    value = value / real(_count(args, out, padded))
                for tap in range(_volume(args, _KERNEL)):
                    place = _input_place(args, out, tap)
                    if place >= 0:
                        place += plane * inside
                        store(dx, place, load(dx, place) + value)

    return kernel
