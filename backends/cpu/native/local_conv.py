"""Unshared convolution and its adjoints: for every output position a product of its weights with the patches there.

Weights are read once: at batch 1 they are what takes the time. Patches of a few samples are copied side by side, so
that each weight loaded serves all of them. Arguments: addresses of x, w, y and scratch (`block` patches for each slot);
N, C, O, slots; then, three numbers each: input sizes, output sizes, kernel, stride, low padding. Axes that are missing
are 1. A thread beyond the slots has nothing to do.
"""

from __future__ import annotations

from typing import Any

from netlang.backends.cpu.intrinsics import LOAD, STORE, ZERO, number, quotient, remainder
from netlang.backends.cpu.native.geometry import inlined, share


@inlined
def _sizes(args: int) -> Any:
    """Samples, channels in and out, input and output elements of a plane, taps."""
    inside = number(args, 8) * number(args, 9) * number(args, 10)
    outside = number(args, 11) * number(args, 12) * number(args, 13)
    taps = number(args, 14) * number(args, 15) * number(args, 16)
    return number(args, 4), number(args, 5), number(args, 6), inside, outside, taps


@inlined
def _start(args: int, position: int, axis: int) -> Any:
    """Where the window of an output position begins on an axis, perhaps before the input; its taps inside."""
    above = position
    for later in range(2, axis, -1):
        above = quotient(above, number(args, 11 + later))
    place = above - quotient(above, number(args, 11 + axis)) * number(args, 11 + axis)
    start = place * number(args, 17 + axis) - number(args, 20 + axis)
    first = max(0, -start)
    return start, first, max(first, min(number(args, 14 + axis), number(args, 8 + axis) - start))


def _gather(dtype: str) -> Any:
    load, store, zero = LOAD[dtype], STORE[dtype], ZERO[dtype]

    @inlined
    def gather(args: int, patches: int, position: int, first: int, end: int) -> None:
        """The patches of samples `first` .. `end` at a position, [samples, C, taps], zeros where there is padding."""
        _, c, _, inside, _, taps = _sizes(args)
        start_a, first_a, end_a = _start(args, position, 0)
        start_b, first_b, end_b = _start(args, position, 1)
        start_c, first_c, end_c = _start(args, position, 2)
        kept = (end_a - first_a) * (end_b - first_b) * (end_c - first_c)
        if kept < taps:
            for i in range((end - first) * c * taps):
                store(patches, i, zero)
        for plane in range((end - first) * c):
            source = (first * c + plane) * inside
            for a in range(first_a, end_a):
                for b in range(first_b, end_b):
                    row = ((start_a + a) * number(args, 9) + start_b + b) * number(args, 10) + start_c
                    target = plane * taps + (a * number(args, 15) + b) * number(args, 16)
                    for k in range(first_c, end_c):
                        store(patches, target + k, load(number(args, 0), source + row + k))

    return gather


@inlined
def _slot(args: int, tid: int, threads: int, patch_bytes: int) -> Any:
    """A thread's part of the scratch, and how many threads share the work."""
    sharing = min(threads, number(args, 7))
    return number(args, 3) + min(tid, sharing - 1) * patch_bytes, sharing


def local_conv(dtype: str, bytes: int, block: int) -> Any:
    """y from x and w."""
    load, store, zero = LOAD[dtype], STORE[dtype], ZERO[dtype]
    gather = _gather(dtype)

    @inlined
    def four(patches: int, weights: int, row: int, length: int) -> Any:
        """Products of a row of weights with four patches."""
        s0, s1, s2, s3 = zero, zero, zero, zero
        for i in range(length):
            w = load(weights, row + i)
            s0 += w * load(patches, i)
            s1 += w * load(patches, length + i)
            s2 += w * load(patches, 2 * length + i)
            s3 += w * load(patches, 3 * length + i)
        return s0, s1, s2, s3

    def kernel(args: int, tid: int, threads: int) -> None:
        n, c, o, _, outside, taps = _sizes(args)
        length = c * taps
        patches, sharing = _slot(args, tid, threads, block * length * bytes)
        weights, y = number(args, 1), number(args, 2)
        if tid < sharing:
            begin, end = share(outside, tid, sharing)
            for position in range(begin, end):
                for first in range(0, n, block):
                    count = min(block, n - first)
                    gather(args, patches, position, first, first + count)
                    fours = count - remainder(count, 4)
                    for channel in range(o):
                        row = (position * o + channel) * length
                        for m in range(0, fours, 4):
                            s0, s1, s2, s3 = four(patches + m * length * bytes, weights, row, length)
                            target = ((first + m) * o + channel) * outside + position
                            store(y, target, s0)
                            store(y, target + o * outside, s1)
                            store(y, target + 2 * o * outside, s2)
                            store(y, target + 3 * o * outside, s3)
                        for m in range(fours, count):
                            total = zero
                            for i in range(length):
                                total += load(weights, row + i) * load(patches, m * length + i)
                            store(y, ((first + m) * o + channel) * outside + position, total)

    return kernel


def weight_grad(dtype: str, bytes: int, block: int) -> Any:
    """dw from x and dy: addresses x, dw, dy. Summed sample by sample."""
    load, store, zero = LOAD[dtype], STORE[dtype], ZERO[dtype]
    gather = _gather(dtype)

    def kernel(args: int, tid: int, threads: int) -> None:
        n, c, o, _, outside, taps = _sizes(args)
        length = c * taps
        patches, sharing = _slot(args, tid, threads, block * length * bytes)
        weights, y = number(args, 1), number(args, 2)
        if tid < sharing:
            begin, end = share(outside, tid, sharing)
            for i in range(begin * o * length, end * o * length):
                store(weights, i, zero)
            for position in range(begin, end):
                for first in range(0, n, block):
                    count = min(block, n - first)
                    gather(args, patches, position, first, first + count)
                    for channel in range(o):
                        row = (position * o + channel) * length
                        source = (first * o + channel) * outside + position
                        for m in range(count):
                            factor = load(y, source + m * o * outside)
                            for i in range(length):
                                value = load(weights, row + i) + factor * load(patches, m * length + i)
                                store(weights, row + i, value)

    return kernel


def data_grad(dtype: str, bytes: int, block: int) -> Any:
    """dx from dy and w: addresses dx, w, dy. Threads share (a few samples, channel); positions are added in order."""
    load, store, zero = LOAD[dtype], STORE[dtype], ZERO[dtype]

    @inlined
    def spread(args: int, plane: int, source: int, row: int, position: int) -> None:
        """One output's gradient times its weights, added to a plane of dx."""
        start_a, first_a, end_a = _start(args, position, 0)
        start_b, first_b, end_b = _start(args, position, 1)
        start_c, first_c, end_c = _start(args, position, 2)
        factor = load(number(args, 2), source)
        for a in range(first_a, end_a):
            for b in range(first_b, end_b):
                target = plane + ((start_a + a) * number(args, 9) + start_b + b) * number(args, 10) + start_c
                taps = row + (a * number(args, 15) + b) * number(args, 16)
                for k in range(first_c, end_c):
                    value = load(number(args, 0), target + k) + factor * load(number(args, 1), taps + k)
                    store(number(args, 0), target + k, value)

    def kernel(args: int, tid: int, threads: int) -> None:
        n, c, o, inside, outside, taps = _sizes(args)
        begin, end = share(quotient(n + block - 1, block) * c, tid, threads)
        for unit in range(begin, end):
            first = quotient(unit, c) * block
            channel, last = remainder(unit, c), min(n, first + block)
            for image in range(first, last):
                for i in range((image * c + channel) * inside, (image * c + channel + 1) * inside):
                    store(number(args, 0), i, zero)
            for position in range(outside):
                for out in range(o):
                    row = ((position * o + out) * c + channel) * taps
                    for image in range(first, last):
                        plane = (image * c + channel) * inside
                        spread(args, plane, (image * o + out) * outside + position, row, position)

    return kernel
