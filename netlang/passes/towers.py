"""towers: equal layers that the source puts on different devices become one layer, where there is one device.

Before                                              After
    %1 = conv(%image, %a.weight)  on 0                  %0 = concat(%a.weight, %b.weight) {axis = 0}
    %2 = conv(%image, %b.weight)  on 1                  %1 = conv(%image, %0)
    %3 = relu(%1)                 on 0                  %2 = relu(%1)
    %4 = relu(%2)                 on 1                  %3 = concat(%c.weight, %d.weight) {axis = 0}
    %5 = conv(%3, %c.weight)      on 0                  %4 = conv(%2, %3) {groups = 2}
    %6 = conv(%4, %d.weight)      on 1
    %7 = concat(%5, %6) {axis = 1}

Values that correspond to each other in towers 0, 1, ... are held in one, joined along axis 1: convolutions that read
the same map become one with more channels, convolutions of joined maps a grouped one, and what works on every channel
alone works on all of them. Parameters keep their names; the joined weights are made of them, in inference only once.
Local response normalisation must not look across towers: it works on the towers as if they were further samples.
Done before differentiation, so that a training step has the joined layers and its gradients are theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from netlang.ir.build import Builder
from netlang.ir.dims import size
from netlang.ir.graph import Graph, Node, Value
from netlang.ir.opdef import opdef
from netlang.ir.rewrite import replace_values, stamp
from netlang.passes.manager import Pass
from netlang.passes.tower_nodes import Members, corresponding, fixed_values, is_on_several, same

ORIGIN = "towers"
_POOLS = frozenset({"max_pool", "avg_pool", "sum_pool", "l2_pool"})
_REDUCTIONS = frozenset({"reduce_sum", "reduce_mean", "reduce_max", "reduce_min"})


def run(graph: Graph) -> Graph:
    """`graph` with the layers of towers joined; the graph itself where it has no towers with layers to join."""
    if not is_on_several(graph):
        return graph
    towers = _Towers(graph)
    for members in corresponding(graph):
        towers.join(members)
    return replace_values(graph, towers.swaps()) if towers.layers else graph


class _Towers:
    """The joined values so far, by the values that they hold."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.fixed = fixed_values(graph)
        self.joined: dict[tuple[Value, ...], Value] = {}
        self.layers = 0
        """Convolutions and dense layers that were joined: without any there is nothing to gain."""

    def join(self, members: Members) -> None:
        """Join nodes that correspond to each other, if there is a way."""
        first = members[0]
        rule = _RULES.get(first.op) or (_per_channel if "elementwise" in opdef(first.op).traits else None)
        if rule is None or len(first.results) != 1:
            return
        # What is joined is on no device more than on the others.
        found = rule(self, replace(stamp(members, ORIGIN), device=None), members)
        if found is not None:
            self.joined[tuple(m.out for m in members)] = found
            self.layers += first.op in ("conv", "matmul")

    def swaps(self) -> Mapping[Value, Value]:
        """What takes the place of the old values: of each a slice, of their concatenation all."""
        found: dict[Value, Value] = {}
        for values, whole in self.joined.items():
            if values[0].node.op == "uniform":
                continue  # The joined numbers are made of the towers' own, which stay.
            start: Any = 0
            for value in values:
                stop = start + value.shape[1]
                b = stamp([value.node], ORIGIN)
                found[value] = b.op("slice", whole, axis=1, start=start, stop=stop, step=1)
                start = stop
        for node in self.graph.nodes:
            if node.op == "concat" and node.attrs["axis"] == 1 and node.inputs in self.joined:
                found[node.out] = self.joined[node.inputs]
        return found

    def inputs(self, members: Members, place: int) -> tuple[Value, ...]:
        return tuple(m.inputs[place] for m in members)

    def whole(self, members: Members, place: int) -> Value | None:
        """The joined value of an input, if the inputs of the members are held by one."""
        return self.joined.get(self.inputs(members, place))

    def weights(self, b: Builder, members: Members, place: int, axis: int) -> Value | None:
        """Parameters, or what is computed of them, one after the other."""
        values = self.inputs(members, place)
        return b.op("concat", *values, axis=axis) if all(v in self.fixed for v in values) else None


Rule = Callable[[_Towers, Builder, Members], Value | None]


def _conv(towers: _Towers, b: Builder, members: Members) -> Value | None:
    """More channels of one map, or groups of joined maps."""
    first = members[0]
    whole = towers.whole(members, 0)
    alike = same(towers.inputs(members, 0)) and first.attrs["groups"] == 1
    weight = towers.weights(b, members, 1, 0) if alike or whole is not None else None
    if weight is None:
        return None
    if whole is None:
        return b.op("conv", first.inputs[0], weight, **first.attrs)
    return b.op("conv", whole, weight, **{**first.attrs, "groups": first.attrs["groups"] * len(members)})


def _dense(towers: _Towers, b: Builder, members: Members) -> Value | None:
    """More units that see the same features."""
    first = members[0]
    plain = first.out.rank == 2 and first.inputs[1].rank == 2 and not first.attrs["transpose_a"]
    if not plain or not same(towers.inputs(members, 0)):
        return None
    weight = towers.weights(b, members, 1, 0 if first.attrs["transpose_b"] else 1)
    return None if weight is None else b.op("matmul", first.inputs[0], weight, **first.attrs)


def _per_channel(towers: _Towers, b: Builder, members: Members) -> Value | None:
    """What is done to every element: with joined maps, numbers that are the same everywhere, and ones per channel."""
    first = members[0]
    if first.out.rank < 2 or all(towers.whole(members, i) is None for i in range(len(first.inputs))):
        return None
    operands = [_operand(towers, b, members, i) for i in range(len(first.inputs))]
    if len(operands) == 1 and operands[0] is not None:
        return _beside(b, operands[0], first)
    given = [v for v in operands if v is not None]
    return b.op(first.op, *given, **first.attrs) if len(given) == len(operands) else None


def _operand(towers: _Towers, b: Builder, members: Members, place: int) -> Value | None:
    whole, values = towers.whole(members, place), towers.inputs(members, place)
    if whole is not None:
        return whole if whole.rank == members[0].out.rank else None
    axis = 1 - (members[0].out.rank - values[0].rank)
    per_channel = axis >= 0 and values[0].shape[axis] != 1
    if per_channel:
        return b.op("concat", *values, axis=axis) if all(v in towers.fixed for v in values) else None
    return values[0] if same(values) else None


def _pool(towers: _Towers, b: Builder, members: Members) -> Value | None:
    whole = towers.whole(members, 0)
    return None if whole is None else _beside(b, whole, members[0])


def _beside(b: Builder, whole: Value, node: Node) -> Value:
    """The op on all towers. Where they are further samples (see `_response`), they stay so for it."""
    source = whole.node.inputs[0] if whole.node.op == "reshape" and whole.node.origin == ORIGIN else None
    if source is None or source.rank != whole.rank or source.shape[1] == whole.shape[1]:
        return b.op(node.op, whole, **node.attrs)
    y = b.op(node.op, source, **node.attrs)
    return b.reshape(y, (whole.shape[0], whole.shape[1], *y.shape[2:]))


def _response(towers: _Towers, b: Builder, members: Members) -> Value | None:
    whole, first = towers.whole(members, 0), members[0]
    if whole is None:
        return None
    apart = b.reshape(whole, (whole.shape[0] * len(members), *first.out.shape[1:]))
    return b.reshape(b.op(first.op, apart, **first.attrs), whole.shape)


def _reduction(towers: _Towers, b: Builder, members: Members) -> Value | None:
    """Over pixels, not over channels or samples."""
    whole, attrs = towers.whole(members, 0), members[0].attrs
    return b.op(members[0].op, whole, **attrs) if whole is not None and min(attrs["axes"], default=2) >= 2 else None


def _reshape(towers: _Towers, b: Builder, members: Members) -> Value | None:
    """A sample's towers lie one after the other, whatever the shape of a tower."""
    whole, first = towers.whole(members, 0), members[0]
    if whole is None or first.out.rank < 2 or first.out.shape[0] != whole.shape[0]:
        return None
    _, channels, *rest = first.out.shape
    return b.reshape(whole, (whole.shape[0], channels * len(members), *rest))


def _random(towers: _Towers, b: Builder, members: Members) -> Value | None:
    """The numbers that each tower would have drawn, as for dropout."""
    values: Sequence[Value] = [m.out for m in members]
    return b.op("concat", *values, axis=1) if values[0].rank >= 2 and size(values[0].shape) != 0 else None


_RULES: Mapping[str, Rule] = {
    "conv": _conv,
    "matmul": _dense,
    "local_response_norm": _response,
    "reshape": _reshape,
    "uniform": _random,
    **dict.fromkeys(_POOLS, _pool),
    **dict.fromkeys(_REDUCTIONS, _reduction),
}
"""Ops with a way of their own; elementwise ones are `_per_channel`."""

PASS = Pass("towers", run)
