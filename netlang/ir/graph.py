"""The graph: immutable nodes in single-assignment form.

A node names its op, its input values, its attributes and the types of its results. Nodes are never changed: a pass
builds new ones and whatever nobody refers to any more is gone. State is functional: a parameter is a leaf, and the
value it has after a call is listed in `Graph.updates`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any

from netlang.diagnostics import Span
from netlang.ir.dims import Shape, names
from netlang.ir.types import DType, TensorType

Attrs = Mapping[str, Any]
"""Attribute values: None, bool, int, float, str, DType, symbolic dims, read-only NumPy arrays, and tuples of these."""


@dataclass(frozen=True, eq=False, slots=True)
class Node:
    """One operation. Two nodes are equal only if they are the same object."""

    op: str
    inputs: tuple[Value, ...]
    attrs: Attrs
    types: tuple[TensorType, ...]
    spans: tuple[Span, ...] = ()
    """Where in the source it comes from; a node made of several keeps all of their places, the main one first."""
    name: str = ""
    """Inputs and parameters: their name. Other nodes: the layer or binding they belong to, as `stage1.conv1`."""
    body: Graph | None = None
    """The graph that a `fused` or a `scan` node carries out; what its inputs and outputs are, the op's record says."""
    origin: str = ""
    """The pass that made the node; empty for what the frontend made."""
    device: int | None = None
    """Which device the source puts it on; None where it does not say."""
    results: tuple[Value, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "results", tuple([Value(self, i) for i in range(len(self.types))]))

    def __repr__(self) -> str:
        return f"<{self.op} {self.name} {', '.join(map(str, self.types))}>"

    @property
    def out(self) -> Value:
        """The first result."""
        return self.results[0]

    def with_inputs(self, inputs: Iterable[Value]) -> Node:
        # Passes do this to half of all nodes: `replace` would take three times as long.
        given = tuple(inputs)
        return Node(self.op, given, self.attrs, self.types, self.spans, self.name, self.body, self.origin, self.device)

    def with_spans(self, spans: Iterable[Span]) -> Node:
        return replace(self, spans=tuple(spans))

    def with_types(self, types: Iterable[TensorType]) -> Node:
        return replace(self, types=tuple(types))


@dataclass(frozen=True, eq=False, slots=True)
class Value:
    """Result number `index` of a node. Every result is one object, made with its node: values are compared a lot."""

    node: Node
    index: int = 0

    @property
    def type(self) -> TensorType:
        return self.node.types[self.index]

    @property
    def shape(self) -> Shape:
        return self.type.shape

    @property
    def dtype(self) -> DType:
        return self.type.dtype

    @property
    def rank(self) -> int:
        return len(self.type.shape)


def frozen(attrs: Mapping[str, Any]) -> Attrs:
    """A read-only copy with sorted keys; lists become tuples."""
    return MappingProxyType({k: _freeze(attrs[k]) for k in sorted(attrs)})


def _freeze(value: Any) -> Any:
    return tuple(_freeze(v) for v in value) if isinstance(value, list | tuple) else value


@dataclass(frozen=True, eq=False)
class Graph:
    """A network, or the body of a node.

    `inputs` and `params` are the results of `input` and `param` nodes. A param's attrs are `role` (`weight`: trained;
    `frozen`: fixed; `buffer`: running statistics; `state`: the optimiser's) and `init` (see `netlang.ir.module`).
    `outputs` and `updates` are (name, value); an update's name is that of the parameter it replaces after the call.
    """

    name: str
    inputs: tuple[Value, ...] = ()
    params: tuple[Value, ...] = ()
    outputs: tuple[tuple[str, Value], ...] = ()
    updates: tuple[tuple[str, Value], ...] = ()
    ensures: frozenset[str] = field(default=frozenset())
    """What passes have established, for example `fused`; the pass manager checks it."""

    @property
    def roots(self) -> tuple[Value, ...]:
        return tuple(v for _, v in (*self.outputs, *self.updates))

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """All nodes, each after its inputs; inputs and params first, then depth first from the roots."""
        return tuple(topological((*self.inputs, *self.params, *self.roots)))

    @cached_property
    def uses(self) -> Mapping[Value, tuple[Node, ...]]:
        """The nodes that read a value, once for each time they read it. Outputs and updates do not count."""
        found: dict[Value, list[Node]] = {}
        for node in self.nodes:
            for value in node.inputs:
                found.setdefault(value, []).append(node)
        return {v: tuple(n) for v, n in found.items()}

    @cached_property
    def escaping(self) -> frozenset[Value]:
        """The values that leave the graph, as an output or an update."""
        return frozenset(self.roots)

    @property
    def symbols(self) -> tuple[str, ...]:
        """The names of the symbolic dimensions of the inputs, in order of appearance."""
        found: dict[str, None] = {}
        for value in self.inputs:
            for dim in value.shape:
                found.update(dict.fromkeys(sorted(names(dim))))
        return tuple(found)

    def input(self, name: str) -> Value:
        return next(v for v in self.inputs if v.node.name == name)

    def param(self, name: str) -> Value:
        return next(v for v in self.params if v.node.name == name)

    def output(self, name: str) -> Value:
        return next(v for n, v in self.outputs if n == name)

    def replace(self, **changes: Any) -> Graph:
        return replace(self, **changes)


def topological(roots: Iterable[Value]) -> Iterator[Node]:
    """The nodes that `roots` depend on, each after its inputs. Iterative: a net may be thousands of layers deep."""
    done: set[Node] = set()
    for root in roots:
        stack = [(root.node, iter(root.node.inputs))] if root.node not in done else []
        done.add(root.node)
        while stack:
            node, rest = stack[-1]
            for value in rest:
                following = value.node
                if following not in done:
                    done.add(following)
                    stack.append((following, iter(following.inputs)))
                    break
            else:
                stack.pop()
                yield node
