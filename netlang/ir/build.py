"""Making nodes: every node of every graph is inferred and stamped here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from netlang.diagnostics import Span
from netlang.ir.dims import Dim, Shape
from netlang.ir.graph import Graph, Node, Value, frozen
from netlang.ir.opdef import opdef
from netlang.ir.types import DType, TensorType


def make_node(
    op: str,
    inputs: Sequence[Value],
    attrs: dict[str, Any],
    *,
    spans: tuple[Span, ...] = (),
    name: str = "",
    origin: str = "",
    body: Graph | None = None,
    device: int | None = None,
) -> Node:
    """A checked node. Raises ShapeError where the op does not accept its inputs."""
    record = opdef(op)
    record.check_arity(len(inputs))
    full = frozen(record.complete(attrs))
    types = record.types([v.type for v in inputs], full, body)
    return Node(op, tuple(inputs), full, types, spans, name, body, origin, device)


@dataclass(frozen=True)
class Builder:
    """Makes nodes that all carry the same source spans, layer name, origin and device."""

    spans: tuple[Span, ...] = ()
    name: str = ""
    origin: str = ""
    device: int | None = None

    def like(self, node: Node, origin: str = "") -> Builder:
        """A builder whose nodes say they come from where `node` comes from."""
        return Builder(node.spans, node.name, origin or self.origin, node.device)

    def node(self, op: str, *inputs: Value, **attrs: Any) -> Node:
        where: dict[str, Any] = {"spans": self.spans, "name": self.name, "origin": self.origin, "device": self.device}
        return make_node(op, inputs, attrs, **where)

    def op(self, op: str, *inputs: Value, **attrs: Any) -> Value:
        """The first result of a new node."""
        return self.node(op, *inputs, **attrs).out

    # The few that everybody needs, so that formulas stay readable.
    def const(self, value: Any, dtype: DType) -> Value:
        """A constant tensor (or scalar of shape [])."""
        array = np.array(value, dtype=dtype.numpy)
        array.flags.writeable = False
        return self.op("const", value=array)

    def scalar(self, value: float, like: Value) -> Value:
        """A scalar of the element type of `like`."""
        return self.const(value, like.dtype)

    def input(self, name: str, type: TensorType) -> Value:
        return Node("input", (), frozen({}), (type,), self.spans, name, None, self.origin).out

    def param(self, name: str, type: TensorType, role: str, init: tuple[Any, ...]) -> Value:
        return Node("param", (), frozen({"role": role, "init": init}), (type,), self.spans, name, None, self.origin).out

    def add(self, a: Value, b: Value) -> Value:
        return self.op("add", a, b)

    def sub(self, a: Value, b: Value) -> Value:
        return self.op("sub", a, b)

    def mul(self, a: Value, b: Value) -> Value:
        return self.op("mul", a, b)

    def div(self, a: Value, b: Value) -> Value:
        return self.op("div", a, b)

    def neg(self, a: Value) -> Value:
        return self.op("neg", a)

    def scale(self, a: Value, factor: float) -> Value:
        """`a * factor` with a constant factor."""
        return self.op("mul", a, self.scalar(factor, a))

    def sum(self, a: Value, axes: Sequence[int], keepdims: bool = False) -> Value:
        return self.op("reduce_sum", a, axes=tuple(axes), keepdims=keepdims)

    def reshape(self, a: Value, shape: Shape) -> Value:
        return a if a.shape == tuple(shape) else self.op("reshape", a, shape=tuple(shape))

    def broadcast(self, a: Value, shape: Shape) -> Value:
        return a if a.shape == tuple(shape) else self.op("broadcast", a, shape=tuple(shape))

    def sum_to(self, gradient: Value, shape: Shape) -> Value:
        """Undo broadcasting: the gradient of an input of `shape` that was broadcast to the gradient's shape."""
        if gradient.shape == shape:
            return gradient
        lead = gradient.rank - len(shape)
        axes = list(range(lead))
        axes += [lead + i for i, d in enumerate(shape) if d == 1 and gradient.shape[lead + i] != 1]
        out = self.sum(gradient, axes) if axes else gradient
        return self.reshape(out, shape)

    def along(self, vector: Value, rank: int, axis: int) -> Value:
        """Reshape a vector so that it broadcasts along `axis` of a tensor of `rank`."""
        shape: list[Dim] = [1] * rank
        shape[axis] = vector.shape[0]
        return self.reshape(vector, tuple(shape))
