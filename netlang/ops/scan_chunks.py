"""Scans that keep only every k-th state: a scan over chunks of k steps, each of them a scan (Chen et al. 2016).

    T steps = q chunks of k steps, whose body is a scan, and a scan over the T - q*k steps that are left

The scan over chunks has `checkpoint = 1`: its gradient keeps the state before each chunk and computes the chunk again.
"""

from __future__ import annotations

from dataclasses import replace

from netlang.ir.build import Builder
from netlang.ir.dims import Dim
from netlang.ir.graph import Node, Value
from netlang.ir.scan import Loop, finals, fresh_input, stacks


def chunked(make: Builder, node: Node) -> tuple[Value, ...]:
    """The results of a scan node with `checkpoint` k above 1, by chunks; for any number of steps, known or not."""
    loop = Loop.of(node)
    size = loop.checkpoint
    count = loop.length // size
    steps, left = count * size, loop.length - count * size
    plain = replace(loop, checkpoint=0)
    if count == 0:
        return plain.build(make).results
    if left == 0:
        return _chunks(make, plain, size, count)
    first, second = _part(make, plain, 0, steps), _part(make, plain, steps, loop.length)
    # The steps that are left are the last ones, so a reversed scan begins with them.
    if loop.reverse:
        rest = second.build(make)
        whole = _chunks(make, replace(first, initial=finals(rest)), size, count)
        last = whole[: len(loop.states)]
    else:
        whole = _chunks(make, first, size, count)
        rest = replace(second, initial=whole[: len(loop.states)]).build(make)
        last = finals(rest)
    pairs = zip(whole[len(loop.states) :], stacks(rest), strict=True)
    return (*last, *(make.op("concat", a, b, axis=0) for a, b in pairs))


def _part(make: Builder, loop: Loop, start: Dim, stop: Dim) -> Loop:
    """The steps from `start` to before `stop`."""
    sequences = tuple(make.op("slice", x, axis=0, start=start, stop=stop) for x in loop.sequences)
    return replace(loop, sequences=sequences, length=stop - start)


def _chunks(make: Builder, loop: Loop, size: int, count: Dim) -> tuple[Value, ...]:
    """The results of a scan over `count * size` steps, as a scan over chunks."""
    sequences = tuple(make.reshape(x, (count, size, *x.shape[1:])) for x in loop.sequences)
    taken: set[str] = set()
    states, slices, shared = (
        tuple(fresh_input(make, inner.node.name, outer, taken) for inner, outer in zip(group, types, strict=True))
        for group, types in (
            (loop.states, [v.type for v in loop.initial]),
            (loop.slices, [x.type.with_shape(x.shape[1:]) for x in sequences]),
            (loop.shared, [c.type for c in loop.constants]),
        )
    )
    chunk = replace(loop, initial=states, sequences=slices, constants=shared, length=size).build(make)
    outer = Loop(
        loop.initial,
        sequences,
        loop.constants,
        states,
        slices,
        shared,
        finals(chunk),
        stacks(chunk),
        count,
        loop.reverse,
        1,
    ).build(make)
    joined = (make.reshape(y, (count * size, *y.shape[2:])) for y in stacks(outer))
    return (*finals(outer), *joined)
