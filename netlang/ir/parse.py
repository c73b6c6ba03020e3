"""The parser of the text form: `parse_graph(print_graph(g))` is the same graph again.

    text    := ("source" INT STRING)* "graph" name block
    block   := "{" ["ensures" name ("," name)*] line* "}"
    line    := "input" VALUE ":" type place | "param" VALUE ":" type attrs place
             | VALUE ":" type ("," VALUE ":" type)* "=" op "(" [VALUE ("," VALUE)*] ")" [attrs] [[name] block] place
             | "output" name "=" VALUE | "update" name "=" VALUE
    place   := [STRING] ["on" INT] ["@" span ("," span)*] ["from" name]
    span    := INT ":" INT ":" INT "-" INT ":" INT          # source, line, column, end line, end column

`netlang.ops` must have been imported: nodes are completed and inferred from the records.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from netlang.diagnostics import Source, Span
from netlang.ir.build import make_node
from netlang.ir.graph import Graph, Node, Value, frozen
from netlang.ir.opdef import ShapeError, is_registered, opdef
from netlang.ir.parse_values import parse_attrs, parse_type
from netlang.ir.text import quoted
from netlang.ir.tokens import Cursor, Token
from netlang.ir.types import TensorType

_LEAVES = ("input", "param")


def parse_graph(text: str, name: str = "<ir>") -> Graph:
    """The graph a text describes. Every fault is a NetError with line and column in the text, called `name` there."""
    at = Cursor(text, name)
    parser = _Parser(at)
    while at.accept("source"):
        number = at.integer()
        parser.sources[number] = Source(at.string())
    at.expect("graph")
    graph = parser.block(at.name())
    if at.token.kind != "end":
        at.fail(f"expected the end of the text, found {at.describe()}")
    return graph


@dataclass
class _Scope:
    """The lines of one block, as far as they were read."""

    values: dict[str, Value] = field(default_factory=dict)
    inputs: list[Value] = field(default_factory=list)
    params: list[Value] = field(default_factory=list)
    outputs: list[tuple[str, Value]] = field(default_factory=list)
    updates: list[tuple[str, Value]] = field(default_factory=list)


@dataclass
class _Place:
    """What stands behind a node: its layer, its device, its spans, the pass that made it."""

    name: str = ""
    spans: tuple[Span, ...] = ()
    origin: str = ""
    device: int | None = None


class _Parser:
    def __init__(self, at: Cursor) -> None:
        self.at = at
        self.sources: dict[int, Source] = {}

    def block(self, name: str) -> Graph:
        at = self.at
        at.enter()
        at.expect("{")
        ensures = self._ensures() if at.accept("ensures") else frozenset()
        scope = _Scope()
        while not at.accept("}"):
            self._line(scope)
        at.leave()
        return Graph(
            name, tuple(scope.inputs), tuple(scope.params), tuple(scope.outputs), tuple(scope.updates), ensures
        )

    def _ensures(self) -> frozenset[str]:
        found = [self.at.name()]
        while self.at.accept(","):
            found.append(self.at.name())
        return frozenset(found)

    def _line(self, scope: _Scope) -> None:
        at = self.at
        if at.token.kind == "value":
            self._node(scope)
        elif at.at(*_LEAVES):
            self._leaf(scope, at.take().text)
        elif at.at("output", "update"):
            listed = scope.outputs if at.take().text == "output" else scope.updates
            name = at.name()
            at.expect("=")
            listed.append((name, self._read(scope)))
        else:
            at.fail(f"expected a node, an input, a param, an output or an update, found {at.describe()}")

    def _leaf(self, scope: _Scope, op: str) -> None:
        token, label = self._label()
        self.at.expect(":")
        tensor = parse_type(self.at)
        attrs = parse_attrs(self.at) if self.at.at("{") else {}
        place = self._place()
        name = self.at.unquote(token.text[1:], token) if token.text.startswith('%"') else token.text[1:]
        node = self._make_leaf(op, attrs, (tensor,), name, place, token)
        self._bind(scope, label, node.out, token)
        (scope.inputs if op == "input" else scope.params).append(node.out)

    def _node(self, scope: _Scope) -> None:
        at = self.at
        labels: list[tuple[Token, str]] = []
        types: list[TensorType] = []
        while True:
            labels.append(self._label())
            at.expect(":")
            types.append(parse_type(at))
            if not at.accept(","):
                break
        at.expect("=")
        op = at.kind("name", "an op")
        inputs = self._inputs(scope)
        attrs = parse_attrs(at) if at.at("{") else {}
        body = self._body() if self._at_body() else None
        place = self._place()
        if op.text in _LEAVES:
            node = self._make_leaf(op.text, attrs, tuple(types), place.name, place, op)
        else:
            node = self._make(op, inputs, attrs, body, place)
        node = self._declared(node, tuple(types), op)
        for value, (token, label) in zip(node.results, labels, strict=True):
            self._bind(scope, label, value, token)

    def _inputs(self, scope: _Scope) -> list[Value]:
        inputs: list[Value] = []
        self.at.expect("(")
        while not self.at.accept(")"):
            inputs.append(self._read(scope))
            if not self.at.at(")"):
                self.at.expect(",")
        return inputs

    def _at_body(self) -> bool:
        """A block follows, with or without a name before it."""
        at = self.at
        named = at.token.kind in ("name", "string") and at.following.kind == "punct" and at.following.text == "{"
        return named or at.at("{")

    def _body(self) -> Graph:
        return self.block("" if self.at.at("{") else self.at.name())

    def _place(self) -> _Place:
        at, place = self.at, _Place()
        if at.token.kind == "string":
            place.name = at.string()
        if at.accept("on"):
            place.device = at.integer()
        if at.accept("@"):
            spans = [self._span()]
            while at.accept(","):
                spans.append(self._span())
            place.spans = tuple(spans)
        if at.accept("from"):
            place.origin = at.name()
        return place

    def _span(self) -> Span:
        at, start = self.at, self.at.token
        number = at.integer()
        if number not in self.sources:
            at.fail(f"there is no source {number}", start)
        numbers = []
        for mark in (":", ":", "-", ":"):
            at.expect(mark)
            numbers.append(at.integer())
        line, column, end_line, end_column = numbers
        return Span(self.sources[number], line, column, end_line, end_column)

    def _make(self, op: Token, inputs: list[Value], attrs: dict[str, Any], body: Graph | None, place: _Place) -> Node:
        if not is_registered(op.text):
            self.at.fail(f"unknown op '{op.text}'", op)
        if (body is not None) != (opdef(op.text).body is not None):
            self.at.fail(f"{op.text} {'needs a' if body is None else 'has no'} body", op)
        try:
            return make_node(op.text, inputs, attrs, body=body, **vars(place))
        except ShapeError as fault:
            raise self.at.error(str(fault), op) from fault
        except Exception as fault:
            # A shape rule may trust its attributes to be of the right kind; those of a text need not be.
            raise self.at.error(f"{op.text} does not accept these attributes ({fault!r})", op) from fault

    def _make_leaf(
        self, op: str, attrs: dict[str, Any], types: tuple[TensorType, ...], name: str, place: _Place, token: Token
    ) -> Node:
        try:
            full = frozen(opdef(op).complete(attrs))
        except ShapeError as fault:
            raise self.at.error(str(fault), token) from fault
        return Node(op, (), full, types, place.spans, name, None, place.origin, place.device)

    def _declared(self, node: Node, types: tuple[TensorType, ...], op: Token) -> Node:
        """The node with the types the text gives: they may differ from the inferred ones in their layout only."""
        wanted = ", ".join(str(t.with_layout("")) for t in types)
        found = ", ".join(str(t.with_layout("")) for t in node.types)
        if wanted != found:
            self.at.fail(f"{op.text} gives {found}, the text says {wanted}", op)
        return node if node.types == types else node.with_types(types)

    def _label(self) -> tuple[Token, str]:
        """A value's word and its label: `%"a"` and `%a` are the same, `%"0"` and `%0` are not."""
        token = self.at.kind("value", "a value")
        name = token.text[1:]
        return token, "%" + quoted(self.at.unquote(name, token)) if name.startswith('"') else token.text

    def _bind(self, scope: _Scope, label: str, value: Value, token: Token) -> None:
        if label in scope.values:
            self.at.fail(f"{label} is defined twice", token)
        scope.values[label] = value

    def _read(self, scope: _Scope) -> Value:
        token, label = self._label()
        if label not in scope.values:
            self.at.fail(f"{label} is not defined", token)
        return scope.values[label]
