"""The lines of recurrent layers: layers and scans of the language, and their results as ONNX has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from netlang.interchange.importing import writing as w
from netlang.interchange.importing.operator import Call, Result
from netlang.interchange.importing.operators.gates import Gates, layer_weights, step_weights
from netlang.interchange.importing.operators.movement import transposed
from netlang.interchange.importing.sheet import Tensor, Weight
from netlang.ir.types import DType


@dataclass(frozen=True)
class Run:
    """One direction of a layer.

    states    tensors it begins at; None for zeros
    options   what its cell does in another way than the layer of the standard library
    gates     its weights
    """

    reverse: bool
    states: tuple[Tensor | None, ...]
    options: Mapping[str, Any]
    gates: Gates

    @property
    def weights(self) -> dict[str, Weight] | None:
        return layer_weights(self.gates)


def plain(run: Run) -> bool:
    """Whether a layer of the standard library does just this."""
    options = run.options if run.gates.op != "RNN" else {k: v for k, v in run.options.items() if k != "activation"}
    return not options and run.gates.peephole is None and run.weights is not None


def _around(call: Call, lead: int) -> dict[str, Any]:
    """The arguments of a layer that say where its sequences run and end."""
    found: dict[str, Any] = {} if lead else {"axis": 0}
    if call.has(4):
        lengths = call.tensor(4)
        node = lengths.value.node
        before = call.sheet.named(node.inputs[0]) if node.op == "cast" else None
        found["lengths"] = before if before is not None and before.dtype is DType.I64 else lengths
    return found


def _sequence(call: Call, batch_first: int) -> tuple[Tensor, int]:
    """The sequences, and whether the batch comes first in them: they are taken from before a transpose."""
    x = call.tensor(0)
    if not batch_first and x.value.node.op == "transpose" and tuple(x.value.node.attrs["perm"]) == (1, 0, 2):
        before = call.sheet.named(x.value.node.inputs[0])
        if before is not None:
            return before, 1
    return x, batch_first


def _ordered(call: Call, hs: Tensor, has: int, wanted: int) -> Tensor:
    """All states, with the batch first if it is `wanted` there; it is if `has`."""
    return hs if has == wanted else call.let(w.pipe(hs, w.call("transpose", [1, 0, 2])), hs.name)


def written(call: Call, run: Run, batch_first: int, several: bool, states: bool) -> list[Tensor]:
    """All states of a direction, then its last ones."""
    name = f"{call.node.name}_" if call.node.name else ""
    side = ("_backward" if run.reverse else "_forward") if several else ""
    hints = [f"{name}{part}{side}" for part in ("hs", "h", "c")][: 1 + len(run.states)]
    (x, lead), units = _sequence(call, batch_first), run.gates.units
    around = _around(call, lead) | ({"reverse": True} if run.reverse else {})
    zeros = [x.shape[1 - lead], units]
    first = [zeros if state is None else state for state in run.states]
    if plain(run):
        more = {"state": first[0] if len(first) == 1 else tuple(first)} if any(run.states) else {}
        layer = w.call(
            call.node.op.lower(), units, **run.options, **more, **around, **({"states": True} if states else {})
        )
        if states:
            hs, *last = call.sheet.several(w.pipe(x, layer), hints, run.weights)
        else:
            hs, last = call.let(w.pipe(x, layer), hints[0], run.weights), []
        return [_ordered(call, hs, lead, batch_first), *last]
    cell = _cell(call, run)
    begins = first[0] if len(first) == 1 else first
    run_over = w.pipe(x, w.call("scan", cell, state=begins, **around))
    *last, hs = call.sheet.several(run_over, [*hints[1:], hints[0]], run.weights)
    return [_ordered(call, hs, lead, batch_first), *last]


def _cell(call: Call, run: Run) -> Any:
    """A cell with parameters of its own, or one that is given its weights."""
    op = call.node.op.lower()
    if run.weights is None:
        return w.call(f"{op}_step", **step_weights(call, run.gates), **run.options)
    more = {} if run.gates.peephole is None else {"peepholes": True}
    return w.call(f"{op}_cell", run.gates.units, **more, **run.options)


def bidirectional(call: Call, runs: list[Run], batch_first: int) -> Tensor:
    """Both directions of a layer, side by side as ONNX has them."""
    (x, lead), units = _sequence(call, batch_first), runs[0].gates.units
    layer = w.name(call.node.op.lower())
    sides = (("forward.cell.", runs[0]), ("backward.cell.", runs[1]))
    weights = {side + key: weight for side, run in sides for key, weight in (run.weights or {}).items()}
    hint = f"{call.node.name}_hs" if call.node.name else "hs"
    both = call.let(w.pipe(x, w.call("bidirectional", layer, units, **_around(call, lead))), hint, weights)
    both = _ordered(call, both, lead, batch_first)
    apart = call.let(w.call("reshape", both, [*both.shape[:2], 2, units]), "sides")
    return transposed(call, apart, [0, 1, 2, 3] if batch_first else [0, 2, 1, 3])


def gathered(call: Call, made: list[list[Tensor]], batch_first: int, wanted: list[bool]) -> list[Result | None]:
    """The outputs, with the axis of directions that ONNX has."""
    found: list[Result | None] = []
    for number, parts in enumerate(zip(*made, strict=True)):
        if not wanted[number]:
            found.append(None)
            continue
        axis = (2 if batch_first else 1) if number == 0 else batch_first
        name = call.node.outputs[number]
        raised = []
        for part in parts:
            shape = [*part.shape[:axis], 1, *part.shape[axis:]]
            raised.append(call.let(w.call("reshape", part, shape), name if len(parts) == 1 else "side"))
        found.append(raised[0] if len(raised) == 1 else call.let(w.pipe(raised, w.call("concat", axis=axis)), name))
    return found
