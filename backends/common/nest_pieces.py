"""A nest in several pieces, each a nest of its own: what a piece stores, later ones load."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from netlang.backends.common.nest import Axis, Instruction, Nest, Operand
from netlang.ir.dims import Dim, evaluate, names

Instead = Callable[[Nest], int]
"""Appends to a piece what stands for an instruction of the whole there, and returns its position."""


def piece(
    nest: Nest,
    axes: Sequence[tuple[Axis, int | None]],
    targets: Sequence[tuple[Operand, int]],
    instead: Mapping[int, Instead],
) -> Nest:
    """The part of a nest that `targets` (what to store, and of which instruction) need.

    axes     those of the piece, each with the one of the nest that it stands for; operands that are still loaded do
             not move along others. The strides of `targets` are already those of the piece.
    instead  by instruction, what stands for it; what only it needs is no part of the piece
    """
    needed: set[int] = set()
    stack = [i for _, i in targets]
    while stack:
        i = stack.pop()
        if i not in needed:
            needed.add(i)
            stack.extend([] if i in instead else nest.instructions[i].inputs)
    out = Nest([axis for axis, _ in axes], numbers=nest.numbers)
    places = [place for _, place in axes]
    position: dict[int, int] = {}
    for i in sorted(needed):
        if i in instead:
            position[i] = instead[i](out)
        else:
            position[i] = _copied(nest, nest.instructions[i], places, position, out)
    out.stores = [(operand, position[i]) for operand, i in targets]
    return out


def _copied(nest: Nest, x: Instruction, places: Sequence[int | None], position: Mapping[int, int], out: Nest) -> int:
    if x.op in ("load", "index"):
        operand = nest.loads[x.attr("operand")]
        strides = tuple(0 if place is None else operand.strides[place] for place in places)
        assert all(s == 0 or i in places for i, s in enumerate(operand.strides))
        add = out.load if x.op == "load" else out.index
        return add(replace(operand, strides=strides))
    if x.op == "iota":
        return out.add("iota", x.dtype, axis=places.index(x.attr("axis")))
    return out.add(x.op, x.dtype, [position[i] for i in x.inputs], **dict(x.attrs))


def partial_total(reduction: Instruction, partial: Operand) -> Instead:
    """A reduction over its partial results, which an axis of the piece goes over."""
    return lambda out: out.add(reduction.op, reduction.dtype, [out.load(partial)])


def loaded(operand: Operand) -> Instead:
    """What has been stored before."""
    return lambda out: out.load(operand)


def usual(dim: Dim) -> int:
    """A size for a batch of a usual one."""
    return evaluate(dim, dict.fromkeys(names(dim), 32))
