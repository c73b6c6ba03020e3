"""What a fused body asks for, in the terms of the tiled kernels: a main op and a chain of epilogue steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from netlang.backends.common.context import Context
from netlang.backends.common.epilogue import EpilogueStep
from netlang.backends.common.steps import Buffer
from netlang.ir.dims import size
from netlang.ir.graph import Graph, Node, Value

_FREE = frozenset({"reshape", "broadcast", "stop_gradient"})
_ACTIVATIONS = frozenset({"relu", "leaky_relu", "elu", "sigmoid", "tanh", "gelu", "softplus"})
POOLS = frozenset({"max_pool", "max_pool_switch", "avg_pool", "sum_pool"})
_SWAPPED: Mapping[str, str] = {"sub": "rsub", "div": "rdiv"}


@dataclass
class Chain:
    """A main node and the steps around it, as read off a fused body or a single node.

    Inputs are the values of the body (or of the node itself): `channels` and `tensors` in the order of their steps.
    `source` is what becomes the main node's first input, by the steps of the `prologue` with their own `prepared`
    operands, one number per channel each.
    """

    main: Node
    source: Value
    prologue: list[EpilogueStep] = field(default_factory=list)
    prepared: list[Value] = field(default_factory=list)
    before: list[EpilogueStep] = field(default_factory=list)
    after: list[EpilogueStep] = field(default_factory=list)
    channels: list[Value] = field(default_factory=list)
    channels_before: int = 0
    tensors: list[Value] = field(default_factory=list)
    pool: Node | None = None
    result: Value | None = None
    switch: Value | None = None

    @property
    def out_layout(self) -> str:
        """The layout of the result."""
        return self.result.type.layout if self.result else ""

    def add(self, step: EpilogueStep) -> None:
        (self.after if self.pool else self.before).append(step)


def read_chain(node: Node, main_ops: frozenset[str], channel_axis: int, *, prologue: bool = False) -> Chain | None:
    """The chain of a bare node, or of a fused node's body; None where it has something that epilogues cannot do, or a
    prologue where the kernel has none."""
    if node.body is None:
        return Chain(node, node.inputs[0], result=node.out)
    graph = node.body
    mains = [n for n in graph.nodes if n.op in main_ops]
    if len(mains) != 1 or any(stored(v).node.op != "input" for v in mains[0].inputs[1:]):
        return None
    chain = _with_prologue(mains[0], channel_axis)
    if chain is None or (chain.prologue and not prologue):
        return None
    value = mains[0].out
    while value in graph.uses:
        followers = graph.uses[value]
        if len(followers) != 1 or not _take(chain, followers[0], value, channel_axis % value.rank):
            return None
        value = followers[0].out
    return _with_results(chain, graph, value)


def _with_prologue(main: Node, channel_axis: int) -> Chain | None:
    """The chain of a main node with all steps before it; None where these are not elementwise ones with channels."""
    steps: list[Node] = []
    source = main.inputs[0]
    while stored(source).node.op != "input":
        maps = [v for v in source.node.inputs if v.type == source.type]
        if len(maps) != 1:
            return None
        steps.append(source.node)
        source = maps[0]
    before, value = Chain(main, source), source
    for node in reversed(steps):
        if not _take(before, node, value, channel_axis % value.rank) or before.tensors or before.pool:
            return None
        value = node.out
    return Chain(main, source, before.before, before.channels)


def _with_results(chain: Chain, graph: Graph, value: Value) -> Chain | None:
    chain.result = value
    if chain.pool is not None and chain.pool.op == "max_pool_switch":
        chain.switch = chain.pool.results[1]
    known = {chain.result, chain.switch}
    return chain if all(v in known for _, v in graph.outputs) else None


def _take(chain: Chain, node: Node, value: Value, channel_axis: int) -> bool:
    """Add one node to the chain; False where it does not fit."""
    if node.op == "layout":
        return True
    if node.op in POOLS:
        if chain.pool is not None:
            return False
        chain.pool, chain.channels_before = node, len(chain.channels)
        return True
    if node.op in _ACTIVATIONS:
        chain.add(EpilogueStep("apply", node.op, tuple(sorted(node.attrs.items()))))
        return True
    if node.op == "where":
        return _take_mask(chain, node, value)
    if node.op not in ("add", "sub", "mul", "div", "min", "max"):
        return False
    first = node.inputs[0] == value
    other = node.inputs[1] if first else node.inputs[0]
    return _take_operand(chain, node.op if first else _SWAPPED.get(node.op, node.op), other, value, channel_axis)


def _take_operand(chain: Chain, op: str, other: Value, value: Value, channel_axis: int) -> bool:
    constant = number_of(other)
    if constant is not None:
        chain.add(EpilogueStep("number", op, (("value", constant),)))
        return True
    origin = origin_of(stored(other))
    if origin.node.op != "input" or origin.dtype != value.dtype:
        return False
    if stored(other) == origin and other.type == value.type and chain.pool is None:
        chain.tensors.append(other)
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
    if stored(tensor).node.op != "input" or tensor.shape != value.shape:
        return False
    chain.tensors.append(tensor)
    chain.add(EpilogueStep("tensor", "mask", (("above", above), ("otherwise", constant))))
    return True


def stored(value: Value) -> Value:
    """The value that is in memory, where a body reads it through a change of layout."""
    return value.node.inputs[0] if value.node.op == "layout" else value


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


class OuterValues:
    """Where the values that a chain reads live: inputs of a body are inputs of the fused node."""

    def __init__(self, context: Context, node: Node) -> None:
        self._context = context
        self._inputs = dict(zip(node.body.inputs, node.inputs, strict=True)) if node.body else {}

    def __call__(self, value: Value) -> Buffer:
        value = stored(value)
        return self._context.buffer(self._inputs.get(value, value))


def results_of(context: Context, node: Node, chain: Chain) -> tuple[Buffer, ...]:
    """The result's buffer, and that of the positions if they are asked for."""
    if node.body is None:
        return (context.buffer(node.out),)
    found = {v: context.buffer(r) for (_, v), r in zip(node.body.outputs, node.results, strict=True)}
    assert chain.result is not None
    wanted = [chain.result] + ([chain.switch] if chain.switch in found else [])
    return tuple(found[v] for v in wanted if v is not None)
