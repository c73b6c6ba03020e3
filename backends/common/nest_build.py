"""From graphs of elementwise ops and reductions to loop nests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from netlang.backends.common.axes import Axes, Place, widest
from netlang.backends.common.context import Context, block_of
from netlang.backends.common.expansions import EXPANSIONS
from netlang.backends.common.nest import Axis, Nest, Operand
from netlang.backends.common.scalars import SCALAR_OPS
from netlang.backends.common.steps import Buffer
from netlang.ir.build import Builder
from netlang.ir.dims import Dim, size
from netlang.ir.graph import Node, Value
from netlang.ir.opdef import opdef
from netlang.ir.types import DType

_VIEWS = frozenset({"reshape", "broadcast", "transpose", "stop_gradient", "layout"})
_REDUCTIONS = frozenset({"reduce_sum", "reduce_mean", "reduce_max", "reduce_min"})
_CARRIED_OUT = frozenset({*SCALAR_OPS, *_VIEWS, *_REDUCTIONS, "one_hot", "const", "extent", "iota"})


def row_major(shape: Sequence[Dim]) -> tuple[Dim, ...]:
    """Strides, in elements, of a plain tensor."""
    return tuple(size(shape[i + 1 :]) for i in range(len(shape)))


def build_nest(
    context: Context, inputs: Mapping[Value, Buffer], targets: Sequence[tuple[Value, Buffer]]
) -> Nest | None:
    """The nest that computes `targets` (values and where to put them) from `inputs`, or None if it takes several.

    Where tensors have their channels in blocks, the axis of the channels becomes two: blocks, at its place, and lanes,
    the last axis of all.
    """
    nodes, targets = _expanded(inputs, targets)
    axes = Axes()
    for node in nodes:
        if node.op not in _CARRIED_OUT or not axes.visit(node):
            return None
    computed = [v for node in nodes for v in node.results]
    order = widest(axes, [v for v, _ in targets] + computed + [v for n in nodes if not _draws(n) for v in n.inputs])
    reduced = _reduced(axes, nodes)
    if order is None or reduced is None:
        return None
    kept = {c for c in order if c not in reduced}
    if any(set(axes.classes(v)) not in (kept, set(order)) for v, _ in targets):
        return None
    found = {(axes.of(v)[1], block_of(v.type)) for v in (*inputs, *(v for v, _ in targets)) if v.type.layout}
    blocked = _Blocked(None, 1)
    if found:
        (channels, lanes), *others = found
        if others or channels is None or any(n.op == "one_hot" for n in nodes):
            return None
        if lanes != context.channel_block or not _divides(lanes, channels):
            return None
        blocked = _Blocked(channels, lanes)
    return _NestBuilder(context, axes, order, reduced, inputs, blocked).build(nodes, targets)


@dataclass(frozen=True)
class _Blocked:
    """The class of the channels, if they are in blocks of so many `lanes`."""

    channels: Place | None
    lanes: int


def _divides(lanes: int, place: Place) -> bool:
    dim = place[0].shape[place[1]]
    return isinstance(dim, int) and dim % lanes == 0


def _expanded(
    inputs: Mapping[Value, Buffer], targets: Sequence[tuple[Value, Buffer]]
) -> tuple[list[Node], list[tuple[Value, Buffer]]]:
    """The nodes between inputs and targets in order, composite ops written out, and the targets among them."""
    replaced: dict[Value, Value] = {v: v for v in inputs}
    for node in _between(inputs, [v for v, _ in targets]):
        given = [replaced[v] for v in node.inputs]
        if node.op in EXPANSIONS:
            results = EXPANSIONS[node.op](Builder(node.spans, node.name), node, given)
        else:
            results = node.results if tuple(given) == node.inputs else node.with_inputs(given).results
        replaced.update(zip(node.results, results, strict=True))
    renamed = [(replaced[v], buffer) for v, buffer in targets]
    return _between(inputs, [v for v, _ in renamed]), renamed


def _between(inputs: Mapping[Value, Buffer], roots: Sequence[Value]) -> list[Node]:
    """The nodes that compute `roots` from `inputs`, each after those it needs."""
    done: dict[Node, None] = {}
    stack = [(v.node, False) for v in reversed(roots) if v not in inputs]
    while stack:
        node, ready = stack.pop()
        if ready:
            done.setdefault(node)
        elif node not in done:
            stack.append((node, True))
            stack.extend((v.node, False) for v in reversed(node.inputs) if v not in inputs)
    return list(done)


def _reduced(axes: Axes, nodes: Sequence[Node]) -> set[Place] | None:
    """The classes that are reduced; None where two reductions go over different ones."""
    found = [r for n in nodes if n.op in _REDUCTIONS and (r := axes.reduced(n))]
    if any(r != found[0] for r in found):
        return None
    return found[0] if found else set()


class _NestBuilder:
    def __init__(
        self,
        context: Context,
        axes: Axes,
        order: list[Place],
        reduced: set[Place],
        inputs: Mapping[Value, Buffer],
        blocked: _Blocked,
    ) -> None:
        self.context, self.axes, self.order, self.inputs, self.blocked = context, axes, order, inputs, blocked
        lanes, channels = blocked.lanes, blocked.channels
        self.nest = Nest(
            [Axis(v.shape[i] // (lanes if (v, i) == channels else 1), (v, i) in reduced) for v, i in order]
        )
        if channels is not None:
            self.nest.axes.append(Axis(lanes, channels in reduced, lanes=True))
        self.positions: dict[Value, int] = {}

    def build(self, nodes: Sequence[Node], targets: Sequence[tuple[Value, Buffer]]) -> Nest:
        for node in nodes:
            self.positions[node.out] = self._instruction(node)
        for value, buffer in targets:
            self.nest.stores.append((self._operand(value, buffer), self._position(value)))
        return self.nest

    def _position(self, value: Value) -> int:
        if value not in self.positions:
            self.positions[value] = self.nest.load(self._operand(value, self.inputs[value]))
        return self.positions[value]

    def _operand(self, value: Value, buffer: Buffer) -> Operand:
        own = dict(zip(self.axes.of(value), self._strides(value, buffer), strict=True))
        channels, lanes = self.blocked.channels, self.blocked.lanes
        last: tuple[Dim, ...] = ()
        if channels is not None:
            step = own.get(channels, 0)
            last = (1 if value.type.layout else step,)
            own[channels] = step * (1 if value.type.layout else lanes)
        return Operand(buffer, value.dtype.value, (*(own.get(c, 0) for c in self.order), *last))

    def _strides(self, value: Value, buffer: Buffer) -> tuple[Dim, ...]:
        """Elements between neighbours along every axis; along blocked channels, between blocks."""
        inner, lanes = value.shape[1:], block_of(value.type)
        strides = row_major((*inner, lanes))[:-1] if lanes else row_major(inner)
        return (self.context.image_elements(buffer, value.type), *strides) if value.rank else ()

    def _instruction(self, node: Node) -> int:
        dtype = node.out.dtype.value
        if node.op == "const":
            return self._constant(node)
        if node.op == "extent":
            return self.nest.number(node.attrs["dim"], dtype)
        if node.op == "iota":
            return self._iota(node)
        if node.op in _VIEWS:
            return self._position(node.inputs[0])
        if node.op in _REDUCTIONS:
            return self._reduction(node)
        if _draws(node):
            return self._random(node)
        inputs = [self._position(v) for v in node.inputs]
        if node.op == "one_hot":
            return self._one_hot(node, inputs[0])
        if node.op == "pow":
            return self._power(node, inputs)
        return self.nest.add(node.op, dtype, inputs, **{k: _plain(v) for k, v in node.attrs.items()})

    def _constant(self, node: Node) -> int:
        array, dtype = node.attrs["value"], node.out.dtype
        if array.size != 1:
            return self.nest.load(self._operand(node.out, node.out))
        return self.nest.add("constant", dtype.value, value=_number(array.item(), dtype))

    def _reduction(self, node: Node) -> int:
        position, dtype = self._position(node.inputs[0]), node.out.dtype.value
        counted = size(node.inputs[0].shape[a] for a in node.attrs["axes"])
        if not self.axes.reduced(node):
            return position
        if node.op != "reduce_mean":
            return self.nest.add(node.op, dtype, [position])
        total = self.nest.add("reduce_sum", dtype, [position])
        return self.nest.add("div", dtype, [total, self.nest.number(counted, dtype)])

    def _one_hot(self, node: Node, indices: int) -> int:
        """index == position along the new last axis."""
        of = self.axes.of(node.out)[-1]
        wide = self.nest.add("cast", "i64", [indices], dtype="i64")
        hit = self.nest.add("eq", "bool", [wide, self._place_along(of)])
        dtype = node.out.dtype.value
        return hit if dtype == "bool" else self.nest.add("cast", dtype, [hit], dtype=dtype)

    def _iota(self, node: Node) -> int:
        place, dtype = self._place_along(self.axes.of(node.out)[0]), node.out.dtype.value
        return place if dtype == "i64" else self.nest.add("cast", dtype, [place], dtype=dtype)

    def _place_along(self, of: Place | None) -> int:
        """The position along the axis of a class, i64; 0 along one of size 1."""
        if of is None:
            return self.nest.add("constant", "i64", value=0)
        return self.nest.add("iota", "i64", axis=self.order.index(of))

    def _random(self, node: Node) -> int:
        """Element i is a function of i, of seed and step, the two entries of the key, and of the stream: a number, so
        that all layers of dropout share a kernel."""
        key = self.inputs[node.inputs[0]]
        still = (0,) * len(self.nest.axes)
        index = self.nest.index(replace(self._operand(node.out, key), dtype="raw1"))
        words = [self.nest.load(Operand(key, "i64", still, offset)) for offset in (0, 1)]
        dtype = node.out.dtype.value
        stream = self.nest.number(node.attrs["stream"], "i64")
        return self.nest.add(node.op, dtype, [index, *words, stream], dtype=dtype)

    def _power(self, node: Node, inputs: list[int]) -> int:
        """Small constant exponents need no call of the C library."""
        dtype, (base, exponent) = node.out.dtype.value, inputs
        known = self.nest.instructions[exponent]
        value = known.attr("value") if known.op == "constant" else None
        if value == 1.0:
            return base
        if value == -1.0:
            return self.nest.add("div", dtype, [self.nest.add("constant", dtype, value=1.0), base])
        if value in (2.0, 3.0):
            square = self.nest.add("mul", dtype, [base, base])
            return square if value == 2.0 else self.nest.add("mul", dtype, [square, base])
        return self.nest.add("pow", dtype, inputs)


def _draws(node: Node) -> bool:
    """Whether a node makes random numbers, whose one input is a key."""
    return "random" in opdef(node.op).traits


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, DType) else value


def _number(value: Any, dtype: DType) -> float | int | bool:
    return float(value) if dtype.is_float else bool(value) if dtype == DType.BOOL else int(value)
