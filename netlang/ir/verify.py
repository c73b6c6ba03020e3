"""The verifier: re-runs every rule a graph must obey. The pass manager calls it after every pass."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NoReturn

from netlang.ir.dims import names
from netlang.ir.graph import Graph, Node
from netlang.ir.opdef import REQUIRED, OpDef, is_registered, opdef
from netlang.ir.types import TensorType

ROLES = ("weight", "frozen", "buffer", "state")
"""What a parameter can be; see `Graph`."""

_LEAVES = ("input", "param")
_INITS = {"constant": 2, "normal": 3, "uniform": 3, "value": 2}


class VerifyError(Exception):
    """A graph breaks a rule: an error of the compiler, never of its user. Names the pass, the graph and the node."""


Checked = dict[Node, frozenset[str]]
"""Nodes that were found in order, and the names of sizes that were known there."""


def verify(graph: Graph, stage: str = "", checked: Checked | None = None) -> None:
    """Check a graph and the bodies of its fused nodes. `stage` is the pass to blame.

    Nodes and what they read never change, so those that earlier calls have put into `checked` are not checked again.

    Raises VerifyError where a node's op, arity, attributes or result types are not what its record says (layouts may
    differ), where inputs, parameters, outputs or updates are not listed properly, or where a fused node and its body
    do not fit together.
    """
    _verify(graph, stage, None, {} if checked is None else checked)


def _verify(graph: Graph, stage: str, outer: frozenset[str] | None, checked: Checked) -> None:
    """`outer`: for a body, the sizes known where it is used."""
    check = _Check(stage, graph)
    check.leaves()
    check.lists()
    known = frozenset(graph.symbols) if outer is None else outer
    for node in graph.nodes:
        if checked.get(node) == known:
            continue
        check.node(node)
        check.symbols(node, known)
        if node.body is not None:
            _verify(node.body, stage, known, checked)
        checked[node] = known


class _Check:
    def __init__(self, stage: str, graph: Graph) -> None:
        self.stage = stage
        self.graph = graph

    def fail(self, reason: str, node: Node | None = None) -> NoReturn:
        stage = f"after {self.stage}: " if self.stage else ""
        graph = f"graph {self.graph.name}: " if self.graph.name else ""
        place = f" (from {node.spans[0]})" if node is not None and node.spans else ""
        raise VerifyError(f"{stage}{graph}{f'{node!r}{place}: ' if node is not None else ''}{reason}")

    def leaves(self) -> None:
        """Inputs and parameters are listed, each once, under names of their own."""
        taken: set[str] = set()
        listed: set[Node] = set()
        for op, values in (("input", self.graph.inputs), ("param", self.graph.params)):
            for value in values:
                node = value.node
                if node.op != op or value.index:
                    self.fail(f"is listed as {op}", node)
                if not node.name:
                    self.fail("has no name", node)
                if node.name in taken:
                    self.fail(f"the name '{node.name}' is used twice", node)
                taken.add(node.name)
                listed.add(node)
        for node in self.graph.nodes:
            if node.op in _LEAVES and node not in listed:
                self.fail(f"is used but not listed in the graph's {node.op}s", node)

    def lists(self) -> None:
        """Outputs have names of their own, updates are of parameters and keep their types, no value is out of range."""
        if twice := _repeated(name for name, _ in self.graph.outputs):
            self.fail(f"there are two outputs '{twice}'")
        if twice := _repeated(name for name, _ in self.graph.updates):
            self.fail(f"'{twice}' is updated twice")
        for value in self.graph.roots:
            if not 0 <= value.index < len(value.node.types):
                self.fail(f"has no result {value.index}, which leaves the graph", value.node)
        params = {v.node.name: v.type for v in self.graph.params}
        for name, value in self.graph.updates:
            if name not in params:
                self.fail(f"the update '{name}' is of no parameter", value.node)
            if not _alike([params[name]], [value.type]):
                self.fail(f"the update '{name}' has type {value.type}, the parameter {params[name]}", value.node)

    def node(self, node: Node) -> None:
        """Everything that one node must obey."""
        if not is_registered(node.op):
            self.fail(f"unknown op '{node.op}'", node)
        record = opdef(node.op)
        low, high = record.arity
        if len(node.inputs) < low or (high is not None and len(node.inputs) > high):
            self.fail(
                f"takes {low} to {'any number of' if high is None else high} inputs, has {len(node.inputs)}", node
            )
        for value in node.inputs:
            if not 0 <= value.index < len(value.node.types):
                self.fail(f"reads result {value.index} of {value.node!r}, which has no such result", node)
        self._attrs(node, record)
        if (node.body is not None) != (record.body is not None):
            self.fail("has a body" if node.body is not None else "has no body", node)
        if node.body is not None and (node.body.params or node.body.updates):
            self.fail("its body has parameters or updates of its own", node)
        if node.op not in _LEAVES:
            self._types(node, record)
        elif len(node.types) != 1:
            self.fail(f"has {len(node.types)} results", node)

    def _attrs(self, node: Node, record: OpDef) -> None:
        if missing := sorted(record.attrs.keys() - node.attrs.keys()):
            self.fail(f"lacks the attribute '{missing[0]}'", node)
        if unknown := sorted(node.attrs.keys() - record.attrs.keys()):
            self.fail(f"has the unknown attribute '{unknown[0]}'", node)
        for key, value in node.attrs.items():
            if value is REQUIRED:
                self.fail(f"the attribute '{key}' was never given", node)
            if isinstance(value, list):
                self.fail(f"the attribute '{key}' is a list, which can be changed", node)
        if node.op == "param":
            init = node.attrs["init"]
            if node.attrs["role"] not in ROLES:
                self.fail(f"the role {node.attrs['role']!r} is none of {', '.join(ROLES)}", node)
            if not isinstance(init, tuple) or not init or _INITS.get(init[0]) != len(init):
                self.fail(f"{init!r} is no initial value", node)

    def _types(self, node: Node, record: OpDef) -> None:
        try:
            inferred = record.types([v.type for v in node.inputs], node.attrs, node.body)
        except Exception as fault:
            # Whatever a shape rule raises here, ShapeError or worse, means that this node is wrong.
            self.fail(f"its shape rule refuses it: {fault}", node)
        if not _alike(inferred, node.types):
            self.fail(f"its shape rule gives {_text(inferred)}, the node says {_text(node.types)}", node)

    def symbols(self, node: Node, known: frozenset[str]) -> None:
        """Every symbolic dimension can be read off an input of the outermost graph."""
        rules = opdef(node.op).body
        for dim in (rules.steps(node.attrs) if rules else 1, *(d for tensor in node.types for d in tensor.shape)):
            if not isinstance(dim, int) and not names(dim) <= known:
                self.fail(f"no input tells the size of {dim}", node)


def _alike(a: Sequence[TensorType], b: Sequence[TensorType]) -> bool:
    """The same types apart from their layouts?"""
    return len(a) == len(b) and all(x.dtype == y.dtype and x.shape == y.shape for x, y in zip(a, b, strict=True))


def _text(types: Sequence[TensorType]) -> str:
    return ", ".join(map(str, types)) or "nothing"


def _repeated(items: Iterable[str]) -> str:
    seen: set[str] = set()
    for item in items:
        if item in seen:
            return item
        seen.add(item)
    return ""
