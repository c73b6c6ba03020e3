"""RNN, GRU and LSTM: the layers of the standard library where they are just these, otherwise scans over its cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from netlang.interchange.importing import writing as w
from netlang.interchange.importing.operator import Call, Result, operator
from netlang.interchange.importing.operators.cell_activations import ACTIVATIONS, Activations
from netlang.interchange.importing.operators.gates import Gates, gates_of, layer_weights, one_direction, step_weights
from netlang.interchange.importing.operators.movement import transposed
from netlang.interchange.importing.sheet import Tensor, Weight
from netlang.ir.types import DType

_COMMON: dict[str, Any] = {
    "activations": None, "activation_alpha": None, "activation_beta": None, "clip": None, "direction": "forward",
    "hidden_size": None, "layout": 0,
}  # fmt: skip
_DIRECTIONS = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}


@dataclass(frozen=True)
class _Run:
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


@operator("RNN", **_COMMON)
@operator("GRU", **_COMMON, linear_before_reset=0)
@operator("LSTM", **_COMMON, input_forget=0)
def recurrent(call: Call) -> list[Result | None]:
    """Outputs are Y [time, directions, batch, units], the last states [directions, batch, units], and the LSTM's last
    memories; with `layout` 1 the batch comes first."""
    attrs, batch_first = call.attrs, _one_of(call, "layout", (0, 1))
    if attrs["direction"] not in _DIRECTIONS:
        raise call.refuse(f"direction '{attrs['direction']}' is not one of {', '.join(_DIRECTIONS)}")
    reverses = _DIRECTIONS[attrs["direction"]]
    functions = _activations(call, len(reverses))
    runs = []
    for number, reverse in enumerate(reverses):
        gates = gates_of(call, number, len(reverses))
        kinds = (5, 6) if call.node.op == "LSTM" else (5,)
        states = tuple(_state(call, place, number, batch_first) for place in kinds)
        options = {**_options(call), **_functions(call, functions[number])}
        runs.append(_Run(reverse, states, options, gates))
    wanted = [call.reads(place) for place in range(3)]
    if len(runs) == 2 and not any(wanted[1:]) and all(_plain(r) and not any(r.states) and not r.options for r in runs):
        return [_bidirectional(call, runs, batch_first)]
    made = [_written(call, run, batch_first, len(runs) > 1, any(wanted[1:])) for run in runs]
    return _gathered(call, made, batch_first, wanted)


def _one_of(call: Call, attribute: str, allowed: tuple[int, ...]) -> int:
    if call.attrs[attribute] not in allowed:
        raise call.refuse(f"'{attribute}' is {call.attrs[attribute]}, not one of {allowed}")
    return int(call.attrs[attribute])


# ---- what a cell does


def _activations(call: Call, directions: int) -> list[tuple[Any, ...]]:
    """The activations of each direction, as layers of the language."""
    usual = {"RNN": ("Tanh",), "GRU": ("Sigmoid", "Tanh"), "LSTM": ("Sigmoid", "Tanh", "Tanh")}[call.node.op]
    names = call.attrs["activations"] or usual * directions
    if len(names) != len(usual) * directions:
        raise call.refuse(f"{len(names)} activations; there must be {len(usual) * directions}")
    reader = Activations(call.attrs["activation_alpha"] or (), call.attrs["activation_beta"] or ())
    found = []
    for name in names:
        if name.lower() not in ACTIVATIONS:
            raise call.refuse(f"activation '{name}' is not one of ONNX's")
        found.append(reader.layer(name.lower()))
    return [tuple(found[i : i + len(usual)]) for i in range(0, len(found), len(usual))]


def _functions(call: Call, functions: tuple[Any, ...]) -> dict[str, Any]:
    """The activations that are not those of the layer anyway."""
    words = {"RNN": ("activation",), "GRU": ("gate", "activation"), "LSTM": ("gate", "activation", "told")}
    usual = {"gate": "sigmoid", "activation": "tanh", "told": "tanh"}
    return w.besides(usual, **dict(zip(words[call.node.op], functions, strict=True)))


def _options(call: Call) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if call.node.op == "GRU" and not _one_of(call, "linear_before_reset", (0, 1)):
        found["reset_after"] = False
    if call.node.op == "LSTM" and _one_of(call, "input_forget", (0, 1)):
        found["coupled"] = True
    if call.attrs["clip"]:
        found["clip"] = np.float32(call.attrs["clip"])
    return found


def _state(call: Call, place: int, number: int, batch_first: int) -> Tensor | None:
    """The state that a direction begins at; None for zeros."""
    known = call.maybe_known(place)
    if not call.has(place) or (known is not None and not known.array.any()):
        return None
    return call.sheet.tensor(one_direction(call, place, number, batch_first), call.name(place))


# ---- the lines


def _plain(run: _Run) -> bool:
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


def _written(call: Call, run: _Run, batch_first: int, several: bool, states: bool) -> list[Tensor]:
    """All states of a direction, then its last ones."""
    name = f"{call.node.name}_" if call.node.name else ""
    side = ("_backward" if run.reverse else "_forward") if several else ""
    hints = [f"{name}{part}{side}" for part in ("hs", "h", "c")][: 1 + len(run.states)]
    (x, lead), units = _sequence(call, batch_first), run.gates.units
    around = _around(call, lead) | ({"reverse": True} if run.reverse else {})
    zeros = [x.shape[1 - lead], units]
    first = [zeros if state is None else state for state in run.states]
    if _plain(run):
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


def _cell(call: Call, run: _Run) -> Any:
    """A cell with parameters of its own, or one that is given its weights."""
    op = call.node.op.lower()
    if run.weights is None:
        return w.call(f"{op}_step", **step_weights(call, run.gates), **run.options)
    more = {} if run.gates.peephole is None else {"peepholes": True}
    return w.call(f"{op}_cell", run.gates.units, **more, **run.options)


def _bidirectional(call: Call, runs: list[_Run], batch_first: int) -> Tensor:
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


def _gathered(call: Call, made: list[list[Tensor]], batch_first: int, wanted: list[bool]) -> list[Result | None]:
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
            raised.append(call.let(w.call("reshape", part, shape), name))
        found.append(raised[0] if len(raised) == 1 else call.let(w.pipe(raised, w.call("concat", axis=axis)), name))
    return found
