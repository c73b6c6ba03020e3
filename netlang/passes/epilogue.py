"""What may follow a convolution or matrix product inside its kernel: a chain of steps, each of which only one reads.

Steps, where `v` is the value of the chain:
    bias        add(v, c)  add(c, v): c is one number per channel: a body input, whose elements are the channels' in
                order, brought by reshape and broadcast nodes inside the body to a shape that is 1 but for the channel
                axis (or to the shape of v)
    affine      mul(v, c)  mul(c, v)  sub(v, c)  div(v, c) with such a c, or these and add(v, c), add(c, v) with a
                number c, a const inside the body
    residual    add(v, t)  add(t, v): t is a body input of the type of v
    activation  relu, leaky_relu, elu, sigmoid, tanh, gelu, softplus
    bound       min(v, c)  min(c, v)  max(v, c)  max(c, v) with a number c, a const inside the body
    mask        where(m, v, c) with a number c: m is a body input of the shape of v, bool, or gt(t, c'), inside the
                body, of a body input t of the type of v and a number c' (the gradient of a ReLU)
    pool        max_pool, avg_pool, sum_pool, max_pool_switch without dilation: the chain goes on with its first result
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from netlang.ir.graph import Graph, Node, Value
from netlang.ir.rewrite import single_use
from netlang.passes.partition import Partition, is_free, source

ACTIVATIONS = frozenset({"relu", "leaky_relu", "elu", "sigmoid", "tanh", "gelu", "softplus"})
POOLS = frozenset({"max_pool", "avg_pool", "sum_pool", "max_pool_switch"})

Stages = Mapping[str, tuple[tuple[int, int], ...]]
"""For every step the pairs (stage it can be taken in, stage it leads to); a chain starts in stage 0."""


@dataclass(frozen=True)
class Step:
    """One step of a chain: the node, and the node of its mask that comes along, if any."""

    name: str
    node: Node
    side: Node | None = None


def grow(partition: Partition, main: Node, channel: int, stages: Stages) -> list[Step]:
    """Join to the group of `main` the longest chain of steps that `stages` allows and that is legal; its steps.

    `channel` is the axis of the channels in the result of `main`.
    """
    steps: list[Step] = []
    value, stage = main.out, 0
    while single_use(partition.graph, value):
        node = partition.graph.uses[value][0]
        step = _step(partition.graph, node, value, channel)
        following = dict(stages.get(step.name, ())).get(stage) if step else None
        if step is None or following is None:
            break
        taken = [node] if step.side is None else [node, step.side]
        if any(len(partition.members(partition.group(n))) > 1 for n in taken):
            break
        if not partition.join(map(partition.group, (main, *taken))):
            break
        steps.append(step)
        value, stage = node.out, following
    return steps


def _step(graph: Graph, node: Node, value: Value, channel: int) -> Step | None:
    """What a node is to a chain whose value is `value`."""
    if node.op in POOLS:
        return Step("pool", node) if all(d == 1 for d in node.attrs.get("dilation", ())) else None
    if node.op in ACTIVATIONS:
        return Step("activation", node)
    if node.op == "where":
        return _mask(graph, node, value)
    if node.op not in ("add", "mul", "sub", "div", "min", "max") or node.out.type != value.type:
        return None
    left, right = node.inputs
    if node.op in ("min", "max"):
        return Step("bound", node) if is_number(right if left == value else left) else None
    if left != value and node.op not in ("add", "mul"):
        return None
    other = right if left == value else left
    if per_channel(other, value, channel):
        return Step("bias" if node.op == "add" else "affine", node)
    if is_number(other):
        return Step("affine", node)
    same = node.op == "add" and other.type == value.type and source(other) == other
    return Step("residual", node) if same else None


def _mask(graph: Graph, node: Node, value: Value) -> Step | None:
    condition, then, otherwise = node.inputs
    if then != value or not is_number(otherwise) or condition.shape != value.shape or node.out.type != value.type:
        return None
    if source(condition) != condition:
        return None
    test = condition.node
    if test.op == "gt" and single_use(graph, condition):
        tensor, threshold = test.inputs
        if is_number(threshold) and source(tensor) == tensor and tensor.type == value.type:
            return Step("mask", node, test)
    return Step("mask", node)


def is_number(value: Value) -> bool:
    """Whether a value is one constant, however often repeated."""
    return source(value).node.op == "const" and is_free(source(value).node)


def per_channel(other: Value, value: Value, channel: int) -> bool:
    """Whether `other` holds one number per channel of `value`: nothing but free nodes stands between a tensor with the
    channels' elements and a shape that is 1 but for the channel axis."""
    while other.node.op in ("broadcast", "stop_gradient") and not _only_channels(other, value, channel):
        other = other.node.inputs[0]
    if not _only_channels(other, value, channel):
        return False
    vector = source(other)
    return [d for d in vector.shape if d != 1] == [d for d in (value.shape[channel],) if d != 1]


def _only_channels(other: Value, value: Value, channel: int) -> bool:
    """Whether a shape, matched from the last axis, has the channels of `value` at their axis and else only ones."""
    from_end = value.rank - channel
    dims = [d for i, d in enumerate(other.shape) if i != other.rank - from_end]
    return (
        other.rank >= from_end
        and other.shape[other.rank - from_end] == value.shape[channel]
        and all(d == 1 for d in dims)
    )
