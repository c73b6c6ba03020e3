"""One step of a `scan`: a cell applied to stand-ins for what every step is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from netlang.frontend.calls import apply
from netlang.frontend.context import Site
from netlang.frontend.faults import Fault
from netlang.frontend.values import BlockFunction, Layer, describe, tensors_of
from netlang.ir.graph import Value
from netlang.ir.types import DType, TensorType

USAGE = "a cell goes from (slices, states) to (next states, emitted): x -> scan(cell, state = h0)"


@dataclass(frozen=True)
class Step:
    """Stand-ins for what one step is given: its number, the states, the slices."""

    number: Value
    states: tuple[Value, ...]
    slices: tuple[Value, ...]


def stand_ins(site: Site, cell: Any, sequences: Sequence[Value], axis: int, initial: Sequence[Value]) -> Step:
    """Inputs of the body, called as the cell calls its tensors where it is a block."""
    taken = {"step"}
    function = cell.function if isinstance(cell, Layer) else None
    words = function.signature.names if isinstance(function, BlockFunction) else ()

    def stand_in(place: int, type: TensorType) -> Value:
        name = words[place] if place < len(words) else f"x{place}"
        while name in taken:
            name += "_"
        taken.add(name)
        return site.builder.input(name, type)

    number = site.builder.input("step", TensorType(DType.I64, ()))
    shapes = [(*x.shape[:axis], *x.shape[axis + 1 :]) for x in sequences]
    slices = [stand_in(i, x.type.with_shape(s)) for i, (x, s) in enumerate(zip(sequences, shapes, strict=True))]
    states = [stand_in(len(slices) + i, value.type) for i, value in enumerate(initial)]
    return Step(number, tuple(states), tuple(slices))


def carried_out(site: Site, cell: Any, step: Step) -> list[Value]:
    """What the cell makes of a step. Buffers cannot be updated there: they have one value for a whole call."""
    context = site.context
    before = dict(context.updates)
    with context.within_loop(step.number):
        result = apply(context, cell, [*step.slices, *step.states], (), {}, site.span)
    if context.updates != before:
        name = next(n for n, v in context.updates.items() if before.get(n) is not v)
        context.updates = before
        raise Fault(f"a cell cannot update the buffer '{name}': it runs many times in one call")
    made = tensors_of(result)
    if made is None:
        raise Fault(f"a cell returns tensors, not {describe(result)}", hint=USAGE)
    return made


def check_states(initial: Sequence[Value], made: Sequence[Value]) -> None:
    if len(made) < len(initial):
        count = f"{len(made)} tensor{'s' if len(made) > 1 else ''}"
        raise Fault(f"the cell returns {count}, but there are {len(initial)} states", hint=USAGE)
    for i, (before, after) in enumerate(zip(initial, made, strict=False)):
        if before.type != after.type:
            which = "the state" if len(initial) == 1 else f"state {i + 1} of {len(initial)}"
            raise Fault(
                f"{which} is {before.type} at first, but the cell makes it {after.type}",
                hint="a cell returns the next states first, then what it emits",
            )
