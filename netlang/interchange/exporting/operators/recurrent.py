"""Scans that ONNX has operators for: RNN, GRU and LSTM.

A scan is one of these if its body is, node for node, that of the standard library's layer of the same sizes. That layer
is elaborated and the two are compared, so nothing here says again what a cell computes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from netlang.frontend import load
from netlang.interchange.exporting.comparison import Comparison, equal
from netlang.interchange.exporting.patterns import Match, Patterns, pattern
from netlang.interchange.exporting.record import Place
from netlang.ir.dims import Dim, sym
from netlang.ir.graph import Node, Value
from netlang.ir.opdef import Array
from netlang.ir.scan import SCAN, Loop
from netlang.ir.types import DType

_GATES = {"rnn": (0,), "gru": (1, 0, 2), "lstm": (0, 3, 1, 2)}
"""Where ONNX's gates stand in ours: update, reset, candidate of ours that begin with reset; input, output, forget,
candidate of ours whose output comes last."""
_FORGET = 2
"""The forget gate's place among ONNX's."""
_ACTIVATIONS = {"tanh": "Tanh", "relu": "Relu", "sigmoid": "Sigmoid"}


@dataclass(frozen=True)
class Layer:
    """A layer of the standard library: its kind, an RNN's activation, whether sequences have lengths of their own."""

    kind: str
    activation: str
    lengths: bool


LAYERS = tuple(
    Layer(kind, activation, lengths)
    for lengths in (False, True)
    for kind, activations in (("lstm", ("tanh",)), ("gru", ("tanh",)), ("rnn", tuple(_ACTIVATIONS)))
    for activation in activations
)


@dataclass(frozen=True)
class Found:
    """What of a scan is the `input_weight`, ... and the `lengths` of a layer; what is added to its forget gate."""

    values: Mapping[str, Value]
    forget: float


@pattern("scan")
def _layer(patterns: Patterns, node: Node) -> Match | None:
    """A scan that is one of ONNX's layers. First states of zeros are left out, and lengths are taken as they came."""
    loop = Loop.of(node)
    for layer, model in _candidates(loop):
        found = _matched(layer, model, loop)
        if found is not None:
            return _match(node, loop, layer, found)
    return None


def _match(node: Node, loop: Loop, layer: Layer, found: Found) -> Match:
    return Match(_inputs(loop, found), node.results, lambda place: _written(place, loop, layer, found), layer.kind)


def _inputs(loop: Loop, found: Found) -> tuple[Value, ...]:
    """What is read: the sequence, first states that are not zero, weights, lengths."""
    first = (v for v in loop.initial if not _is_zero(v))
    return (loop.sequences[0], *first, *found.values.values())


def _candidates(loop: Loop) -> Iterator[tuple[Layer, Loop]]:
    """Layers of the sizes of a scan, as loops."""
    if not loop.slices or not loop.states or len(loop.emitted) != 1:
        return
    x, h = loop.slices[0], loop.states[0]
    sizes = (*x.shape, *h.shape[1:], loop.length)
    if x.rank != 2 or h.rank != 2 or {x.dtype, h.dtype} != {DType.F32} or not all(map(_is_named, sizes)):
        return
    for layer in LAYERS:
        if len(loop.states) == (2 if layer.kind == "lstm" else 1):
            yield layer, _standard(layer, loop.reverse, *map(str, sizes))


def _is_named(dim: Dim) -> bool:
    """Whether a size can be written as that of an input."""
    return isinstance(dim, int) or (str(dim).isidentifier() and dim == sym(str(dim)))


@lru_cache(maxsize=64)
def _standard(layer: Layer, reverse: bool, batch: str, features: str, units: str, length: str) -> Loop:
    """A layer of the standard library as a loop; an LSTM that adds 1 to its forget gate, so that there is a number."""
    given = [units]
    given += [f"activation = {layer.activation}"] if layer.kind == "rnn" else []
    given += ["forget_bias = 1"] if layer.kind == "lstm" else []
    given += ["lengths = ends"] if layer.lengths else []
    given += ["reverse = true"] if reverse else []
    lines = [f"input x: f32[{batch}, {length}, {features}]", f"input ends: i64[{batch}]"]
    lines.append(f"output hs = x -> {layer.kind}({', '.join(given)})")
    lines.append("output read = ends")
    body = "\n".join(f"  {line}" for line in lines)
    net = load(f"net layer {{\n{body}\n}}\n").net
    return Loop.of(next(node for node in net.nodes if node.op == SCAN))


def _matched(layer: Layer, model: Loop, loop: Loop) -> Found | None:
    forget: list[Array] = []

    def fits(wanted: Any, given: Any) -> bool:
        """The only 1 in an LSTM is what is added to its forget gate."""
        if layer.kind == "lstm" and isinstance(wanted, np.ndarray) and wanted.size == 1 and wanted.item() == 1:
            forget.append(given)
            return bool(given.size == 1)
        return equal(wanted, given)

    comparison = Comparison(frozenset((*model.slices, *model.shared)), fits=fits)
    pairs = comparison.pairs
    pairs.update(zip(model.states, loop.states, strict=True))
    if not all(comparison.same(a, b) for a, b in zip(model.made, loop.made, strict=True)):
        return None
    read, outside = [pairs.get(v) for v in model.shared], dict(zip(loop.shared, loop.constants, strict=True))
    sequences = [pairs.get(v) for v in model.slices]
    if sequences != list(loop.slices) or len(set(read)) < len(read) or not all(v in outside for v in read):
        return None
    found: dict[str, Value] = {}
    for inner, outer in zip(model.shared, model.constants, strict=True):
        name = outer.node.name.rsplit(".", 1)[-1] if outer.node.op == "param" else "lengths"
        found[name] = outside[pairs[inner]]
    if "lengths" in found and found["lengths"].node.op == "cast":
        found["lengths"] = found["lengths"].node.inputs[0]
    return Found(found, float(forget[0].item()) if forget else 0.0) if _steps_fit(model, loop) else None


def _steps_fit(model: Loop, loop: Loop) -> bool:
    """A second sequence is the numbers of the steps."""
    return all(
        a.node.op == b.node.op and dict(a.node.attrs) == dict(b.node.attrs)
        for a, b in zip(model.sequences[1:], loop.sequences[1:], strict=True)
    )


def _written(place: Place, loop: Loop, layer: Layer, found: Found) -> list[str]:
    called = dict(zip(_inputs(loop, found), place.inputs, strict=True))
    units = loop.states[0].shape[1]
    assert isinstance(units, int)
    order = _GATES[layer.kind]
    lengths = ""
    if "lengths" in found.values:
        given_as = found.values["lengths"]
        lengths = called[given_as] if given_as.dtype is DType.I32 else place.cast(called[given_as], DType.I32)
    weights = [_gates(place, called[found.values[name]], order) for name in ("input_weight", "state_weight")]
    given = [called[loop.sequences[0]], *weights, _biases(place, called, layer, found, units), lengths]
    given += ["" if v not in called else place.op("Unsqueeze", called[v], place.numbers([0])) for v in loop.initial]
    while not given[-1]:
        given.pop()
    made = place.ops(
        layer.kind.upper(),
        *given,
        outputs=1 + len(loop.states),
        hidden_size=units,
        direction="reverse" if loop.reverse else None,
        linear_before_reset=1 if layer.kind == "gru" else None,
        activations=[_ACTIVATIONS[layer.activation]] if layer.activation != "tanh" else None,
    )
    states = [place.op("Squeeze", name, place.numbers([0])) for name in made[1:]]
    return [*states, place.op("Squeeze", made[0], place.numbers([1]))]


def _gates(place: Place, weight: str, order: Sequence[int]) -> str:
    """A matrix or vector of all gates in ONNX's order, for the only direction."""
    if len(order) > 1:
        parts = place.ops("Split", weight, outputs=len(order), axis=0, num_outputs=len(order))
        weight = place.op("Concat", *(parts[i] for i in order), axis=0)
    return place.op("Unsqueeze", weight, place.numbers([0]))


def _biases(place: Place, called: Mapping[Value, str], layer: Layer, found: Found, units: int) -> str:
    """Those of the input and of the state, one after the other; what is added to the forget gate besides."""
    order = _GATES[layer.kind]
    names = [name for name in ("input_bias", "state_bias", "bias") if name in found.values]
    parts = [_gates(place, called[found.values[name]], order) for name in names]
    if len(parts) == 1:
        more = np.zeros((1, len(order) * units), np.float32)
        if layer.kind == "lstm":
            more[:, _FORGET * units : (_FORGET + 1) * units] = found.forget
        parts.append(place.constant(more, np.float32))
    return place.op("Concat", *parts, axis=1)


def _is_zero(value: Value) -> bool:
    """Whether a state begins at zeros."""
    node: Node = value.node.inputs[0].node if value.node.op == "broadcast" else value.node
    return node.op == "const" and not np.any(node.attrs["value"])
