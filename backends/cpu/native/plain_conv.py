"""Convolution and its adjoints for any rank up to three, stride, dilation and groups: plain loops over f32 or f64.

For each tap of the kernel whole rows are added up, so the innermost loop is a vectorisable `y += w * x`. Threads share
(sample, channel) planes of the result; each element is summed in the order of channels, then taps.

Arguments: three addresses; N, C, O, groups, flip; then, three numbers each: input sizes, output sizes, kernel, stride,
low padding, dilation.
"""

from __future__ import annotations

from typing import Any

from netlang.backends.cpu.intrinsics import LOAD, STORE, ZERO, number, quotient
from netlang.backends.cpu.native.geometry import inlined, outputs_of_tap, share


@inlined
def _sizes(args: int) -> Any:
    """N, C, O, channels per group (in, out), input and output elements of a plane, taps."""
    c, o, groups = number(args, 4), number(args, 5), number(args, 6)
    inside = number(args, 8) * number(args, 9) * number(args, 10)
    outside = number(args, 11) * number(args, 12) * number(args, 13)
    taps = number(args, 14) * number(args, 15) * number(args, 16)
    return number(args, 3), c, o, quotient(c, groups), quotient(o, groups), inside, outside, taps


@inlined
def _tap(args: int, tap: int, axis: int) -> Any:
    """First and end of the outputs that see this tap on this axis; the input position of output 0; the stride."""
    stride = number(args, 17 + axis)
    offset = tap * number(args, 23 + axis) - number(args, 20 + axis)
    first, end = outputs_of_tap(number(args, 8 + axis), number(args, 11 + axis), offset, stride)
    return first, end, offset, stride


@inlined
def _flipped(args: int, a: int, b: int, c: int) -> Any:
    """The place of a tap in the weights."""
    kb, kc = number(args, 15), number(args, 16)
    place = (a * kb + b) * kc + c
    if number(args, 7) != 0:
        place = number(args, 14) * kb * kc - 1 - place
    return place


def conv(dtype: str) -> Any:
    """y from x and w."""
    load, store, zero = LOAD[dtype], STORE[dtype], ZERO[dtype]

    @inlined
    def add_tap(args: int, source: int, target: int, weights: int, a: int, b: int, c: int) -> None:
        x, y = number(args, 0), number(args, 2)
        weight = load(number(args, 1), weights + _flipped(args, a, b, c))
        first_a, end_a, offset_a, stride_a = _tap(args, a, 0)
        first_b, end_b, offset_b, stride_b = _tap(args, b, 1)
        first_c, end_c, offset_c, stride_c = _tap(args, c, 2)
        for i in range(first_a, end_a):
            for j in range(first_b, end_b):
                row = (i * stride_a + offset_a) * number(args, 9) + j * stride_b + offset_b
                row = source + row * number(args, 10) + offset_c
                out = target + (i * number(args, 12) + j) * number(args, 13)
                for k in range(first_c, end_c):
                    store(y, out + k, load(y, out + k) + weight * load(x, row + k * stride_c))

    def kernel(args: int, tid: int, threads: int) -> None:
        n, c, o, per_in, per_out, inside, outside, taps = _sizes(args)
        begin, end = share(n * o, tid, threads)
        for plane in range(begin, end):
            image = quotient(plane, o)
            channel = plane - image * o
            group = quotient(channel, per_out)
            for i in range(outside):
                store(number(args, 2), plane * outside + i, zero)
            for q in range(per_in):
                source = (image * c + group * per_in + q) * inside
                for a in range(number(args, 14)):
                    for b in range(number(args, 15)):
                        for d in range(number(args, 16)):
                            add_tap(args, source, plane * outside, (channel * per_in + q) * taps, a, b, d)

    return kernel


def data_grad(dtype: str) -> Any:
    """dx from dy and w: addresses dx, w, dy."""
    load, store, zero = LOAD[dtype], STORE[dtype], ZERO[dtype]

    @inlined
    def add_tap(args: int, source: int, target: int, weights: int, a: int, b: int, c: int) -> None:
        x, y = number(args, 0), number(args, 2)
        weight = load(number(args, 1), weights + _flipped(args, a, b, c))
        first_a, end_a, offset_a, stride_a = _tap(args, a, 0)
        first_b, end_b, offset_b, stride_b = _tap(args, b, 1)
        first_c, end_c, offset_c, stride_c = _tap(args, c, 2)
        for i in range(first_a, end_a):
            for j in range(first_b, end_b):
                row = (i * stride_a + offset_a) * number(args, 9) + j * stride_b + offset_b
                row = target + row * number(args, 10) + offset_c
                out = source + (i * number(args, 12) + j) * number(args, 13)
                for k in range(first_c, end_c):
                    place = row + k * stride_c
                    store(x, place, load(x, place) + weight * load(y, out + k))

    def kernel(args: int, tid: int, threads: int) -> None:
        n, c, o, per_in, per_out, inside, outside, taps = _sizes(args)
        begin, end = share(n * c, tid, threads)
        for plane in range(begin, end):
            image = quotient(plane, c)
            channel = plane - image * c
            group = quotient(channel, per_in)
            q = channel - group * per_in
            for i in range(inside):
                store(number(args, 0), plane * inside + i, zero)
            for r in range(group * per_out, (group + 1) * per_out):
                for a in range(number(args, 14)):
                    for b in range(number(args, 15)):
                        for d in range(number(args, 16)):
                            source = (image * o + r) * outside
                            add_tap(args, source, plane * inside, (r * per_in + q) * taps, a, b, d)

    return kernel


def weight_grad(dtype: str) -> Any:
    """dw from x and dy: addresses x, dw, dy. One sum per weight, over samples and positions."""
    load, store, zero = LOAD[dtype], STORE[dtype], ZERO[dtype]

    @inlined
    def plane_sum(args: int, source: int, target: int, a: int, b: int, c: int) -> Any:
        x, y = number(args, 0), number(args, 2)
        first_a, end_a, offset_a, stride_a = _tap(args, a, 0)
        first_b, end_b, offset_b, stride_b = _tap(args, b, 1)
        first_c, end_c, offset_c, stride_c = _tap(args, c, 2)
        total = zero
        for i in range(first_a, end_a):
            for j in range(first_b, end_b):
                row = (i * stride_a + offset_a) * number(args, 9) + j * stride_b + offset_b
                row = source + row * number(args, 10) + offset_c
                out = target + (i * number(args, 12) + j) * number(args, 13)
                for k in range(first_c, end_c):
                    total += load(y, out + k) * load(x, row + k * stride_c)
        return total

    def kernel(args: int, tid: int, threads: int) -> None:
        n, c, o, per_in, per_out, inside, outside, taps = _sizes(args)
        begin, end = share(o * per_in, tid, threads)
        for pair in range(begin, end):
            channel = quotient(pair, per_in)
            q = quotient(channel, per_out) * per_in + pair - channel * per_in
            for a in range(number(args, 14)):
                for b in range(number(args, 15)):
                    for d in range(number(args, 16)):
                        total = zero
                        for image in range(n):
                            source, target = (image * c + q) * inside, (image * o + channel) * outside
                            total += plane_sum(args, source, target, a, b, d)
                        store(number(args, 1), pair * taps + _flipped(args, a, b, d), total)

    return kernel
