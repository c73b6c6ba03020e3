"""What a convolution node asks for, in the terms of the direct kernel: a two-dimensional problem and its epilogue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from netlang.backends.cpu.tiles.epilogue import EpilogueStep
from netlang.ir.dims import size
from netlang.ir.graph import Graph, Node, Value
from netlang.ir.types import DType, TensorType

_FREE = frozenset({"reshape", "broadcast", "stop_gradient"})
_ACTIVATIONS = frozenset({"relu", "leaky_relu", "elu", "sigmoid", "tanh", "gelu", "softplus"})
_POOLS: Mapping[str, str] = {"max_pool": "max", "max_pool_switch": "switch", "avg_pool": "mean", "sum_pool": "sum"}
_SWAPPED: Mapping[str, str] = {"sub": "rsub", "div": "rdiv"}


@dataclass
class Chain:
    """A main node and the steps after it, as read off a fused body or a single node.

    Inputs are the values of the body (or of the node itself): `channels` and `tensors` in the order of their steps.
    """

    main: Node
    before: list[EpilogueStep] = field(default_factory=list)
    after: list[EpilogueStep] = field(default_factory=list)
    channels: list[Value] = field(default_factory=list)
    channels_before: int = 0
    tensors: list[Value] = field(default_factory=list)
    pool: Node | None = None
    result: Value | None = None
    switch: Value | None = None

    def add(self, step: EpilogueStep) -> None:
        (self.after if self.pool else self.before).append(step)


def read_chain(node: Node, main_ops: frozenset[str], channel_axis: int) -> Chain | None:
    """The chain of a bare node, or of a fused node's body; None where it has something that epilogues cannot do."""
    if node.body is None:
        return Chain(node, result=node.out)
    graph = node.body
    mains = [n for n in graph.nodes if n.op in main_ops]
    if len(mains) != 1 or any(v.node.op != "input" for v in mains[0].inputs):
        return None
    chain = Chain(mains[0])
    value = mains[0].out
    while value in graph.uses:
        followers = graph.uses[value]
        if len(followers) != 1 or not _take(chain, followers[0], value, channel_axis % value.rank):
            return None
        value = followers[0].out
    return _with_results(chain, graph, value)


def _with_results(chain: Chain, graph: Graph, value: Value) -> Chain | None:
    chain.result = value
    if chain.pool is not None and chain.pool.op == "max_pool_switch":
        chain.switch = chain.pool.results[1]
    known = {chain.result, chain.switch}
    return chain if all(v in known for _, v in graph.outputs) else None


def _take(chain: Chain, node: Node, value: Value, channel_axis: int) -> bool:
    """Add one node to the chain; False where it does not fit."""
    if node.op in _POOLS:
        if chain.pool is not None:
            return False
        chain.pool, chain.channels_before = node, len(chain.channels)
        return True
    if node.op in _ACTIVATIONS:
        chain.add(EpilogueStep("apply", node.op, tuple(sorted(node.attrs.items()))))
        return True
    if node.op == "where":
        return _take_mask(chain, node, value)
    if node.op not in ("add", "sub", "mul", "div"):
        return False
    first = node.inputs[0] == value
    other = node.inputs[1] if first else node.inputs[0]
    return _take_operand(chain, node.op if first else _SWAPPED.get(node.op, node.op), other, value, channel_axis)


def _take_operand(chain: Chain, op: str, other: Value, value: Value, channel_axis: int) -> bool:
    constant = number_of(other)
    if constant is not None:
        chain.add(EpilogueStep("number", op, (("value", constant),)))
        return True
    origin = origin_of(other)
    if origin.node.op != "input" or origin.dtype != value.dtype:
        return False
    if other == origin and other.type == value.type and chain.pool is None:
        chain.tensors.append(origin)
        chain.add(EpilogueStep("tensor", op))
        return True
    if size(origin.shape) != value.shape[channel_axis] or not _along(other, value, channel_axis):
        return False
    chain.channels.append(origin)
    chain.add(EpilogueStep("channel", op))
    return True


def _along(other: Value, value: Value, axis: int) -> bool:
    """Whether the numbers of `other` vary along one axis of `value` alone, somewhere on the way from their origin."""
    while True:
        place = other.rank - (value.rank - axis)
        if place >= 0 and other.shape[place] == value.shape[axis] and size(other.shape) == value.shape[axis]:
            return True
        if other.node.op not in _FREE:
            return False
        other = other.node.inputs[0]


def _take_mask(chain: Chain, node: Node, value: Value) -> bool:
    condition, then, otherwise = node.inputs
    constant = number_of(otherwise)
    if then != value or constant is None or condition.shape != value.shape or chain.pool is not None:
        return False
    tensor, above = condition, 0.5
    if condition.node.op == "gt":
        tensor, limit = condition.node.inputs
        threshold = number_of(limit)
        if threshold is None or tensor.type != value.type:
            return False
        above = threshold
    if tensor.node.op != "input" or tensor.shape != value.shape:
        return False
    chain.tensors.append(tensor)
    chain.add(EpilogueStep("tensor", "mask", (("above", above), ("otherwise", constant))))
    return True


def origin_of(value: Value) -> Value:
    """The value whose elements these are, whatever their shape now."""
    while value.node.op in _FREE:
        value = value.node.inputs[0]
    return value


def number_of(value: Value) -> float | None:
    """The number that all elements are, where that is a constant."""
    origin = origin_of(value)
    if origin.node.op != "const" or origin.node.attrs["value"].size != 1:
        return None
    return float(origin.node.attrs["value"].reshape(()))


@dataclass(frozen=True)
class ConvProblem:
    """A convolution of one or two spatial axes as the kernel sees it: always two axes, stride and insertion apart.

    A gradient by the input is a convolution of dy: `insert` zeros between its elements in place of the stride, the
    weights transposed and reversed. `weight_strides` are in elements, for (group, out, in, row, column), from
    `weight_start`.
    """

    channels: int
    out_channels: int
    groups: int
    size: tuple[int, int]
    out: tuple[int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    pad: tuple[int, int]
    insert: tuple[int, int]
    weight_start: int
    weight_strides: tuple[int, int, int, int, int]


def static(type: TensorType) -> bool:
    """Whether everything but the first axis is a number, the elements are f32 and the storage is plain."""
    return type.dtype == DType.F32 and not type.layout and all(isinstance(d, int) for d in type.shape[1:])


def conv_problem(node: Node) -> ConvProblem | None:
    """The problem of a `conv` or `conv_data_grad` node; None where the direct kernel cannot carry it out."""
    x, w = node.inputs
    types = (x.type, w.type, node.out.type)
    if not all(map(static, types)) or not isinstance(w.shape[0], int) or x.rank not in (3, 4):
        return None
    a: Mapping[str, Any] = node.attrs
    backward = node.op == "conv_data_grad"
    kernel, stride, dilation = (_pair(v) for v in (w.shape[2:], a["stride"], a["dilation"]))
    low = _pair(tuple(p[0] for p in a["pad"]), 0)
    channels, out_channels = _int(x.shape[1]), _int(node.out.shape[1])
    reverse = bool(a["flip"]) != backward
    start, strides = _weight_strides(w, a["groups"], kernel, backward, reverse)
    pad = tuple(d * (k - 1) - p if backward else p for d, k, p in zip(dilation, kernel, low, strict=True))
    return ConvProblem(
        channels,
        out_channels,
        a["groups"],
        _pair(x.shape[2:]),
        _pair(node.out.shape[2:]),
        kernel,
        (1, 1) if backward else stride,
        dilation,
        (pad[0], pad[1]),
        stride if backward else (1, 1),
        start,
        strides,
    )


def _weight_strides(
    w: Value, groups: int, kernel: tuple[int, int], backward: bool, reverse: bool
) -> tuple[int, tuple[int, int, int, int, int]]:
    """Where the weights of w [O, C/groups, rows, columns] are, seen from the result's channels."""
    inner, taps = _int(w.shape[1]), kernel[0] * kernel[1]
    by_out, by_in = inner * taps, taps
    group = _int(w.shape[0]) // groups * by_out
    row, column = (-kernel[1], -1) if reverse else (kernel[1], 1)
    first, second = (by_in, by_out) if backward else (by_out, by_in)
    return (taps - 1 if reverse else 0), (group, first, second, row, column)


def _pair(values: Any, missing: int = 1) -> tuple[int, int]:
    """One or two axes as (down, across)."""
    return (missing, values[0]) if len(values) == 1 else (values[0], values[1])


def _int(dim: Any) -> int:
    assert isinstance(dim, int)
    return dim


@dataclass(frozen=True)
class PoolProblem:
    """A pool of one or two axes; `pad` is (top, left, bottom, right)."""

    kind: str
    kernel: tuple[int, int]
    stride: tuple[int, int]
    pad: tuple[int, int, int, int]
    out: tuple[int, int]
    count_pad: bool


def pool_problem(node: Node) -> PoolProblem | None:
    """The problem of a pool node; None where windows are dilated or sizes are not known."""
    a: Mapping[str, Any] = node.attrs
    if not static(node.inputs[0].type) or node.out.rank not in (3, 4) or any(d != 1 for d in a.get("dilation", (1,))):
        return None
    low, high = (_pair(tuple(p[i] for p in a["pad"]), 0) for i in (0, 1))
    return PoolProblem(
        _POOLS[node.op],
        _pair(a["kernel"]),
        _pair(a["stride"]),
        (*low, *high),
        _pair(node.out.shape[2:]),
        a.get("count_include_pad", True),
    )
