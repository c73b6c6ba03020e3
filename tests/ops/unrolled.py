"""The oracle of scans: the same computation without one, step after step."""

from __future__ import annotations

from collections.abc import Sequence

from netlang.ir.build import Builder
from netlang.ir.graph import Node, Value
from netlang.ir.scan import Loop, copied


def unrolled(node: Node) -> tuple[Value, ...]:
    """The results of a scan with a known number of steps, at least one."""
    make, loop = Builder(), Loop.of(node)
    assert isinstance(loop.length, int) and loop.length > 0
    states: Sequence[Value] = loop.initial
    rows: dict[int, Sequence[Value]] = {}
    for t in reversed(range(loop.length)) if loop.reverse else range(loop.length):
        slices = [_row(make, x, t) for x in loop.sequences]
        given = dict(zip(loop.inside, (*states, *slices, *loop.constants), strict=True))
        made = copied(loop.made, given)
        states, rows[t] = made[: len(loop.states)], made[len(loop.states) :]
    stacks = []
    for j, value in enumerate(loop.emitted):
        pieces = [make.reshape(rows[t][j], (1, *value.shape)) for t in range(loop.length)]
        stacks.append(make.op("concat", *pieces, axis=0))
    return (*states, *stacks)


def _row(make: Builder, x: Value, t: int) -> Value:
    return make.reshape(make.op("slice", x, axis=0, start=t, stop=t + 1), x.shape[1:])
