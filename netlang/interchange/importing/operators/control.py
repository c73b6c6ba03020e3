"""If and Loop, as far as they are decided while a network is imported."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from netlang.diagnostics import NetError
from netlang.interchange.importing import writing as w
from netlang.interchange.importing.items import Anything
from netlang.interchange.importing.known import Known
from netlang.interchange.importing.node import OnnxGraph
from netlang.interchange.importing.operator import REQUIRED, Call, Result, operator
from netlang.interchange.importing.operators.movement import with_shape
from netlang.interchange.importing.operators.scanning import type_of, zeros_or_tensor
from netlang.interchange.importing.operators.sequences import joined
from netlang.interchange.importing.sheet import Refused, Tensor
from netlang.ir.types import DType, TensorType

_WRITTEN_OUT = 8
"""Rounds of a loop that stand in the text one after the other where it could be a scan."""
_MOST = 256
"""Rounds that are written out where it cannot."""


@operator("If", control=True, then_branch=REQUIRED, else_branch=REQUIRED)
def branches(call: Call) -> list[Anything | None]:
    """The branch that is taken; where that is known only later, both, and a choice between what they make."""
    condition = call.value(0)
    if isinstance(condition, Known):
        chosen = "then_branch" if condition.array.reshape(()).item() else "else_branch"
        return list(call.graph(call.attrs[chosen], []))
    one = with_shape(call, condition, [], "condition")
    both = [call.graph(call.attrs[name], []) for name in ("then_branch", "else_branch")]
    return [_choice(call, one, a, b) for a, b in zip(*both, strict=True)]


def _choice(call: Call, condition: Result, a: Anything, b: Anything) -> Tensor:
    first, second = call.sheet.tensor(call.result(a)), call.sheet.tensor(call.result(b))
    if first.value.type != second.value.type:
        hint = "give the condition its value, or the inputs that it depends on"
        raise call.refuse(f"the branches make {first.value.type} and {second.value.type}", hint)
    return call.let(w.call("where", condition, first, second))


@operator("Loop", control=True, body=REQUIRED)
def loop(call: Call) -> Sequence[Anything | None]:
    """A known number of rounds: few are written out one after the other, many become a scan."""
    body: OnnxGraph = call.attrs["body"]
    rounds = None if not call.has(0) else int(call.known(0, "the number of rounds").array.reshape(()))
    begins = call.maybe_known(1)
    if call.has(1) and begins is None:
        call.known(1, "whether the loop begins")
    if begins is not None and not begins.array.reshape(()).item():
        rounds = 0
    states = [call.anything(place) for place in range(2, len(call.values))]
    if rounds is not None and rounds > _WRITTEN_OUT:
        try:
            return _scanned(call, body, rounds, states)
        except (Refused, NetError):
            if rounds > _MOST:
                raise
    return _written_out(call, body, rounds, states)


# ---- round after round


def _written_out(call: Call, body: OnnxGraph, rounds: int | None, states: list[Anything]) -> list[Anything | None]:
    """Every round on the sheet. Where a round says only later whether it is the last, states stay after it."""
    stacks: list[list[Result]] = [[] for _ in body.outputs[1 + len(states) :]]
    condition, alive, number = Known(np.array(True)), None, 0
    while rounds is None or number < rounds:
        if number >= _MOST:
            raise call.refuse(f"a loop of more than {_MOST} rounds cannot be written out", "a Scan would be a loop")
        goes_on, *made = call.graph(body, [Known(np.array(number, np.int64)), condition, *states])
        following = made[: len(states)]
        for stack, part in zip(stacks, made[len(states) :], strict=True):
            stack.append(call.result(part))
        if alive is not None:
            following = [_choice(call, alive, a, b) for a, b in zip(following, states, strict=True)]
        states = following
        number += 1
        last = call.result(goes_on)
        if isinstance(last, Known):
            if not last.array.reshape(()).item():
                break
        elif rounds is None or stacks:
            raise call.refuse("how many rounds a loop makes must be known when the network is imported")
        else:
            one = with_shape(call, last, [], "alive")
            alive = one if alive is None else call.let(w.infix(alive, "and", one), "alive")
    ends = [_stacked(call, body, i, stack) for i, stack in enumerate(stacks, 1 + len(states))]
    return [*states, *ends]


def _stacked(call: Call, body: OnnxGraph, place: int, parts: list[Result]) -> Result:
    """What the rounds emitted, along a new first axis; without a round, nothing of the shape that is declared."""
    if parts:
        return joined(call, parts, 0, new_axis=True, hint=call.node.outputs[place - 1] or "emitted")
    dims = body.outputs[place].dims or ()
    return Known(np.zeros([0, *(d if isinstance(d, int) else 0 for d in dims)], np.float32))


# ---- as a scan


def _scanned(call: Call, body: OnnxGraph, rounds: int, states: list[Anything]) -> Sequence[Anything | None]:
    values = [call.result(state) for state in states]
    begins = [zeros_or_tensor(call, value, DType.F32) for value in values]
    number = TensorType(DType.I64, ())
    types: list[TensorType | Known] = [number, Known(np.array(True)), *map(type_of, values)]
    draft = call.cell(body, types)
    goes_on, *made = draft.results
    if not isinstance(goes_on, Known) or not goes_on.array.reshape(()).item():
        raise call.refuse("how many rounds a loop makes must be known when the network is imported")
    cell = draft.finish(made)
    numbers = call.let(w.call("arange", rounds), "numbers")
    hints = [name or "last" for name in call.node.outputs]
    options: dict[str, Any] = {"state": begins if len(begins) > 1 else begins[0]} if begins else {}
    run = w.pipe(numbers, w.call("scan", cell.layer, axis=0, **options))
    if not begins and len(made) == 1:
        return [call.let(run, hints[0], cell.weights)]
    spare = [] if len(made) > len(begins) else ["emitted"]
    names = [*hints, *["last"] * (len(made) - len(hints)), *spare]
    return call.sheet.several(run, names, cell.weights)[: len(made)]
