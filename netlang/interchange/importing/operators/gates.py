"""The weights of recurrent layers: ONNX's rows of gates in the order of the standard library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from netlang.interchange.importing import writing as w
from netlang.interchange.importing.known import Known
from netlang.interchange.importing.operator import Call, Result
from netlang.interchange.importing.operators.movement import with_shape
from netlang.interchange.importing.sheet import Tensor, Weight, known_shape

_ORDER = {"RNN": (0,), "GRU": (1, 0, 2), "LSTM": (0, 2, 3, 1)}
"""Where the standard library's gates stand in ONNX's: reset, update, candidate of z r h; input, forget, candidate,
output of i o f c."""
_PEEPHOLES = (0, 2, 1)
"""Input, forget, output of i o f."""


@dataclass(frozen=True)
class Gates:
    """The weights of one direction, gates in the order of the standard library; what is None was not given.

    inputs     [gates * units, features]
    states     [gates * units, units]
    biases     two of [gates * units], that of inputs and that of states
    peephole   [3 * units]
    """

    op: str
    units: int
    inputs: Result
    states: Result
    biases: tuple[Result, Result] | None
    peephole: Result | None


def gates_of(call: Call, number: int, directions: int) -> Gates:
    """The weights of direction `number`. Raises Refused for sizes that do not fit."""
    op = call.node.op
    order = _ORDER[op]
    shape = known_shape(call.value(2).shape)
    if shape is None or len(shape) != 3 or shape[0] != directions or shape[1] != len(order) * shape[2]:
        expected = f"[{directions}, {len(order)} * units, units]"
        raise call.refuse(f"the weights of states must be {expected}, not {list(call.value(2).shape)}")
    units = shape[2]
    if call.attrs["hidden_size"] not in (None, units):
        raise call.refuse(f"hidden_size is {call.attrs['hidden_size']}, but the weights are for {units}")
    _check_sizes(call, directions, len(order), units)
    biases = None
    if call.has(3):
        both = one_direction(call, 3, number, 0)
        halves = [_part(call, both, half * len(order) * units, len(order) * units) for half in range(2)]
        biases = (_reordered(call, halves[0], order, units), _reordered(call, halves[1], order, units))
    peephole = None
    if op == "LSTM" and call.has(7):
        known = call.maybe_known(7)
        if known is None or known.array.any():
            peephole = _reordered(call, one_direction(call, 7, number, 0), _PEEPHOLES, units)
    inputs, states = (_reordered(call, one_direction(call, place, number, 0), order, units) for place in (1, 2))
    return Gates(op, units, inputs, states, biases, peephole)


def _check_sizes(call: Call, directions: int, gates: int, units: int) -> None:
    """Raise Refused for weights and biases that are not for so many gates of so many units."""
    rows = {1: (3, gates * units), 3: (2, 2 * gates * units), 7: (2, len(_PEEPHOLES) * units)}
    for place, (rank, wanted) in rows.items():
        if call.has(place) and (place != 7 or call.node.op == "LSTM"):
            shape = call.value(place).shape
            if len(shape) != rank or shape[0] != directions or shape[1] != wanted:
                expected = [directions, wanted, "features"][:rank]
                raise call.refuse(f"input {place} is {list(shape)}, but must be [{', '.join(map(str, expected))}]")


def one_direction(call: Call, place: int, number: int, axis: int) -> Result:
    """An input without its axis of directions."""
    value = call.value(place)
    if isinstance(value, Known):
        return Known(np.take(value.array, number, axis), value.source, value.trained)
    rest = [*value.shape[:axis], *value.shape[axis + 1 :]]
    hint = call.name(place)
    one = value if value.shape[axis] == 1 else call.let(w.call("slice", value, axis, number, number + 1), hint)
    return with_shape(call, one, rest, hint)


def layer_weights(gates: Gates) -> dict[str, Weight] | None:
    """The parameters of a cell of the standard library by their names; None where some are not known."""
    pair, given = gates.biases or (None, None), [gates.inputs, gates.states, gates.peephole, *(gates.biases or ())]
    if any(isinstance(value, Tensor) for value in given):
        return None
    inputs, states = _array(gates.inputs), _array(gates.states)
    none = np.zeros(inputs.shape[0], inputs.dtype)
    first, second = (none if half is None else _array(half) for half in pair)
    found = {"input_weight": Weight(inputs), "state_weight": Weight(states)}
    if gates.op == "GRU":
        found |= {"input_bias": Weight(first), "state_bias": Weight(second)}
    else:
        found["bias"] = Weight((first + second).astype(inputs.dtype))
    if gates.peephole is not None:
        found["peephole_weight"] = Weight(_array(gates.peephole))
    return found


def step_weights(call: Call, gates: Gates) -> dict[str, Tensor]:
    """The arguments of a step of the standard library that is given its weights."""
    tensor = call.sheet.tensor
    found = {"input_weight": tensor(gates.inputs), "state_weight": tensor(gates.states)}
    if gates.biases is not None:
        first, second = map(tensor, gates.biases)
        if gates.op == "GRU":
            found |= {"input_bias": first, "state_bias": second}
        else:
            found["bias"] = call.let(w.infix(first, "+", second), "bias")
    if gates.peephole is not None:
        found["peephole"] = tensor(gates.peephole)
    return found


def _array(value: Result | None) -> Any:
    assert isinstance(value, Known)
    return value.array


def _reordered(call: Call, value: Result, order: Sequence[int], units: int) -> Result:
    """Rows of gates in another order."""
    if tuple(order) == tuple(range(len(order))):
        return value
    if isinstance(value, Known):
        rows = value.array.reshape(len(order), units, *value.array.shape[1:])
        return Known(np.ascontiguousarray(rows[list(order)]).reshape(value.array.shape), value.source, value.trained)
    parts = [_part(call, value, gate * units, units) for gate in order]
    return call.let(w.pipe(parts, w.call("concat", axis=0)), "gates")


def _part(call: Call, value: Result, start: int, count: int) -> Result:
    if isinstance(value, Known):
        return Known(value.array[start : start + count], value.source, value.trained)
    return call.let(w.call("slice", value, 0, start, start + count), "part")
