"""RNN, GRU and LSTM: the layers of the standard library where they are just these, otherwise scans over its cells."""

from __future__ import annotations

from typing import Any

import numpy as np

from netlang.interchange.importing import writing as w
from netlang.interchange.importing.operator import Call, Result, operator
from netlang.interchange.importing.operators.cell_activations import ACTIVATIONS, Activations
from netlang.interchange.importing.operators.gates import gates_of, one_direction
from netlang.interchange.importing.operators.runs import Run, bidirectional, gathered, plain, written
from netlang.interchange.importing.sheet import Tensor

_COMMON: dict[str, Any] = {
    "activations": None, "activation_alpha": None, "activation_beta": None, "clip": None, "direction": "forward",
    "hidden_size": None, "layout": 0,
}  # fmt: skip
_DIRECTIONS = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}


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
        runs.append(Run(reverse, states, options, gates))
    wanted = [call.reads(place) for place in range(3)]
    if len(runs) == 2 and not any(wanted[1:]) and all(plain(r) and not any(r.states) and not r.options for r in runs):
        return [bidirectional(call, runs, batch_first)]
    made = [written(call, run, batch_first, len(runs) > 1, any(wanted[1:])) for run in runs]
    return gathered(call, made, batch_first, wanted)


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
