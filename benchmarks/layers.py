"""A net as the layers that every framework has: what the peers are built from, so that all compute the same.

The bias of a convolution or a dense layer is part of it, dropout is one layer again, and a reshape that keeps the batch
is `flatten`. Nothing else is put together or taken apart: what a peer fuses is its own business.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from netlang.ir.graph import Node, Value


@dataclass(frozen=True)
class Layer:
    """One layer. `params` says which parameter of the net plays which part: weight, bias, mean, var."""

    kind: str
    output: Value
    sources: tuple[Value, ...]
    params: Mapping[str, str] = field(default_factory=dict)
    attrs: Mapping[str, Any] = field(default_factory=dict)


def layers(root: Value) -> list[Layer]:
    """The layers that `root` depends on, each after its sources. Raises ValueError for an op the peers do not have."""
    found: dict[Value, Layer] = {}
    ordered: dict[Value, Layer] = {}
    stack = [root]
    while stack:
        value = stack[-1]
        if value not in found:
            found[value] = _layer(value)
        waiting = [s for s in found[value].sources if s not in ordered]
        if waiting:
            stack += waiting
        else:
            ordered[stack.pop()] = found[value]
    return list(ordered.values())


def parameter(value: Value) -> str | None:
    """The parameter that a value is, perhaps reshaped."""
    node = value.node
    while node.op in ("reshape", "broadcast"):
        node = node.inputs[0].node
    return node.name if node.op == "param" else None


def _layer(value: Value) -> Layer:
    node = value.node
    found = next((layer for match in _MATCHES for layer in match(node)), None) if value.index == 0 else None
    if found is None:
        raise ValueError(f"the peers have no layer for '{node.op}' ({node.name})")
    return Layer(found.kind, value, found.sources, found.params, found.attrs)


def _with_weight(node: Node) -> Iterator[Layer]:
    """A convolution or dense layer, with its bias or without."""
    bias = None
    if node.op == "add" and (bias := parameter(node.inputs[1])) is not None:
        node = node.inputs[0].node
    if node.op not in ("conv", "matmul") or (weight := parameter(node.inputs[1])) is None:
        return
    if node.attrs.get("flip") or node.attrs.get("transpose_a") or node.attrs.get("transpose_b") is False:
        raise ValueError(f"the peers have no {node.op} with {dict(node.attrs)}")
    params = {"weight": weight} | ({"bias": bias} if bias else {})
    kind = "dense" if node.op == "matmul" else "conv"
    yield Layer(kind, node.out, node.inputs[:1], params, node.attrs)


def _batchnorm(node: Node) -> Iterator[Layer]:
    if node.op in ("batchnorm", "batchnorm_train"):
        weight, bias = (parameter(v) or "" for v in node.inputs[1:3])
        params = {
            "weight": weight,
            "bias": bias,
            "mean": f"{node.name}.running_mean",
            "var": f"{node.name}.running_var",
        }
        yield Layer("batchnorm", node.out, node.inputs[:1], params, node.attrs)


def _dropout(node: Node) -> Iterator[Layer]:
    """where(uniform >= rate, x / (1 - rate), 0)"""
    if node.op == "where" and node.inputs[0].node.op == "ge":
        drawn, rate = (v.node for v in node.inputs[0].node.inputs)
        if drawn.op == "uniform" and rate.op == "const":
            x = node.inputs[1].node.inputs[0]
            yield Layer("dropout", node.out, (x,), {}, {"rate": float(rate.attrs["value"])})


def _lstm(node: Node) -> Iterator[Layer]:
    """The last state of the standard library's layer over [N, T, features], from zero states; gates i, f, g, o."""
    if node.op != "scan" or node.body is None or node.attrs["reverse"]:
        return
    ops = [n.op for n in node.body.nodes]
    parts = {"weight": "input_weight", "state_weight": "state_weight", "bias": "bias"}
    params = {part: f"{node.name}.cell.{name}" for part, name in parts.items()}
    given = {v.node.name for v in node.inputs if v.node.op == "param"}
    turned = node.inputs[node.attrs["states"]].node
    gated = given == set(params.values()) and (ops.count("sigmoid"), ops.count("tanh")) == (3, 2)
    if gated and turned.op == "transpose" and turned.attrs["perm"] == (1, 0, 2):
        yield Layer("lstm", node.out, turned.inputs, params, {"units": node.out.shape[1]})


def _global_average(node: Node) -> Iterator[Layer]:
    if node.op == "reduce_mean" and node.attrs["axes"] == (2, 3) and not node.attrs["keepdims"]:
        yield Layer("global_average", node.out, node.inputs)


def _flatten(node: Node) -> Iterator[Layer]:
    if node.op == "reshape" and len(node.out.shape) == 2 and node.out.shape[0] == node.inputs[0].shape[0]:
        yield Layer("flatten", node.out, node.inputs)


def _plain(node: Node) -> Iterator[Layer]:
    if node.op in ("input", "relu", "add", "concat", "max_pool", "avg_pool", "softmax"):
        yield Layer(node.op, node.out, node.inputs, {}, node.attrs)


_MATCHES = (_with_weight, _batchnorm, _dropout, _lstm, _global_average, _flatten, _plain)
