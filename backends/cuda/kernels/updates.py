"""Lowering of an optimiser's updates: one launch for all parameters that are changed in the same way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from netlang.backends.common.element import BYTES
from netlang.backends.common.nest import Nest, collapsed
from netlang.backends.common.nest_build import build_nest
from netlang.backends.common.steps import Arg, At, Buffer, Step
from netlang.backends.cuda.kernel import Kernel
from netlang.backends.cuda.lower import LoweringContext, lowering
from netlang.backends.cuda.nest_shape import NestShape, Tiling, shape_of
from netlang.backends.cuda.nest_tiling import aligned_operands
from netlang.backends.cuda.steps import Launch
from netlang.backends.cuda.tiles.table_source import table_source
from netlang.backends.cuda.updates import KIND
from netlang.ir.graph import Node, Value

_THREADS, _FEW_THREADS = 256, 64
_LEAST, _MOST = 1024, 1 << 16
"""Elements that a block takes."""


@dataclass(frozen=True)
class _Loop:
    """The loop that updates one parameter and its states."""

    nest: Nest
    inputs: frozenset[Value]
    results: frozenset[Value]


@lowering(f"fused.{KIND}")
def updates(context: LoweringContext, node: Node) -> list[Step]:
    """The launches of a node that `netlang.backends.cuda.updates` makes."""
    loops = _loops(context, node)
    _allow_in_place(context, node, loops)
    alike: dict[NestShape, list[Nest]] = {}
    steps: list[Step] = []
    for loop in loops:
        shape = _shape(context, loop.nest)
        if shape is None:
            steps += context.nest_steps(loop.nest)
        else:
            alike.setdefault(shape, []).append(loop.nest)
    return [*steps, *(_launch(context, shape, nests) for shape, nests in alike.items())]


def _loops(context: LoweringContext, node: Node) -> list[_Loop]:
    """The results that are computed together, of the same values, each group a nest of its own."""
    assert node.body is not None
    outer: dict[Value, Buffer] = dict(zip(node.body.inputs, node.inputs, strict=True))
    groups: list[tuple[set[Value], list[tuple[Value, Value]]]] = []
    for (_, value), result in zip(node.body.outputs, node.results, strict=True):
        used = _cone(value)
        joined = [group for group in groups if not used.isdisjoint(group[0])]
        groups = [group for group in groups if used.isdisjoint(group[0])]
        used.update(*(group[0] for group in joined))
        groups.append((used, [*(pair for group in joined for pair in group[1]), (value, result)]))
    found: list[_Loop] = []
    for used, targets in groups:
        nest = build_nest(context, outer, targets)
        assert nest is not None
        inputs = frozenset(v for inside, v in zip(node.body.inputs, node.inputs, strict=True) if inside in used)
        found.append(_Loop(collapsed(nest), inputs, frozenset(result for _, result in targets)))
    return found


def _cone(value: Value) -> set[Value]:
    """What a value is computed from, itself included, but for single numbers."""
    found: set[Value] = set()
    stack = [value]
    while stack:
        v = stack.pop()
        if v not in found and (v.shape or v is value):
            found.add(v)
            stack += v.node.inputs
    return found


def _allow_in_place(context: LoweringContext, node: Node, loops: Sequence[_Loop]) -> None:
    """A parameter is written over by the loop that reads it, if no other one does: they run at the same time. Nothing
    else is, as any result of the node might come to lie there."""
    changed = {v: context.graph.param(name) for name, v in context.graph.updates}
    for i, value in enumerate(node.inputs):
        reading = [loop for loop in loops if value in loop.inputs]
        if value.node.op != "param" or len(reading) != 1:
            continue
        own = any(changed.get(result) is value for result in reading[0].results)
        if own and context.writes_in_place(reading[0].nest, value):
            context.allow_in_place(i)


def _shape(context: LoweringContext, nest: Nest) -> NestShape | None:
    """The structure of a loop that can be a row of a table; None where it has sizes of its own, or is spread out."""
    strides = [o.strides for o in nest.operands]
    if len(nest.axes) != 1 or nest.numbers or any(o.offset != 0 for o in nest.operands):
        return None
    if any(s not in ((0,), (1,)) for s in strides) or not isinstance(nest.axes[0].size, int):
        return None
    vectors = aligned_operands(context, nest)
    threads = _FEW_THREADS if context.target.small else _THREADS
    return shape_of(nest, Tiling(4 if vectors else 1, 1, threads), vectors)


def _launch(context: LoweringContext, shape: NestShape, nests: Sequence[Nest]) -> Launch:
    sizes = [_size(nest) for nest in nests]
    share = sum(sizes) // (4 * (1 if context.target.small else context.target.multiprocessors))
    part = min(max(_LEAST, 1 << max(0, share - 1).bit_length()), _MOST)
    rows = [
        _row(nest, start, min(part, size - start))
        for nest, size in zip(nests, sizes, strict=True)
        for start in range(0, size, part)
    ]
    ops = "_".join(dict.fromkeys(x.op for x in shape.code.instructions if x.op not in ("load", "constant")))
    kernel = Kernel(f"updates {ops} {shape!r}", partial(table_source, shape), "p", shape.tiling.threads)
    writes: list[Buffer] = [o.buffer for nest in nests for o, _ in nest.stores]
    return Launch(kernel, (), tuple(writes), sum(sizes), grid=(len(rows), 1, 1), rows=tuple(rows))


def _size(nest: Nest) -> int:
    size = nest.axes[0].size
    assert isinstance(size, int)
    return size


def _row(nest: Nest, start: int, count: int) -> tuple[Arg, ...]:
    """The addresses of a loop's operands from an element on, and how many elements from there."""
    places: list[Arg] = [
        At(o.buffer, start * BYTES[o.dtype]) if start and o.strides == (1,) else o.buffer for o in nest.operands
    ]
    return (*places, count)
