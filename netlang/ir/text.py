"""The text form of a graph: what `netc ir` shows, what golden tests compare, and what `netlang.ir.parse` reads back.

    graph lenet5 {
      input %image: f32[N, 1, 32, 32]
      param %conv1.weight: f32[6, 1, 5, 5] {init = ("normal", 0.0, 0.28), role = "weight"}
      %0: f32[N, 6, 28, 28] = conv(%image, %conv1.weight) {pad = ((2, 2), (2, 2)), stride = (1, 1)} "conv1"
      output map = %0
    }

Results are numbered in the order of `Graph.nodes`; attributes that have their default are left out. `on 1` behind a
node says which device the source puts it on. The body of a
fused node or a scan stands in braces behind it and has its own numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from json import dumps
from typing import Any

import numpy as np

from netlang.diagnostics import Source, Span
from netlang.ir.graph import Graph, Node, Value
from netlang.ir.literals import literal
from netlang.ir.opdef import REQUIRED, is_registered, opdef

PLAIN_NAME = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*(?:\.[A-Za-z0-9_$]+)*")
"""Names that need no quotes."""


def print_graph(graph: Graph, spans: bool = False, *, names: bool = True, origins: bool = False) -> str:
    """The text of a graph, ending in a newline; the same graph always gives the same text.

    `spans` adds the places of the source each node comes from, `names` the layer a node belongs to, `origins` the pass
    that made it. `parse_graph` gives back whatever was printed. A graph that `verify` rejects can be printed as well.
    """
    printer = _Printer(spans, names, origins)
    lines = printer.graph(f"graph {quoted(graph.name)} {{", graph, "")
    heads = [f"source {i} {dumps(s.name, ensure_ascii=False)}" for s, i in printer.sources.items()]
    return "\n".join([*heads, *lines]) + "\n"


def quoted(name: str) -> str:
    """A name as the text form writes it: as it is where that is unambiguous, else as a string."""
    return name if PLAIN_NAME.fullmatch(name) else dumps(name, ensure_ascii=False)


@dataclass
class _Printer:
    spans: bool
    names: bool
    origins: bool
    sources: dict[Source, int] = field(default_factory=dict)

    def graph(self, head: str, graph: Graph, indent: str) -> list[str]:
        """The lines of a graph whose first line is `head`."""
        inside = indent + "  "
        out = [head]
        if graph.ensures:
            out.append(f"{inside}ensures {', '.join(map(quoted, sorted(graph.ensures)))}")
        listed = {v.node: v for v in (*graph.inputs, *graph.params)}
        labels = _labels(graph, listed)
        for value in (*graph.inputs, *graph.params):
            node = value.node
            out.append(f"{inside}{node.op} {labels[value]}: {value.type}{_attrs_text(node)}{self._place(node)}")
        for node in graph.nodes:
            if node not in listed:
                out += self._node(node, labels, inside)
        out += [f"{inside}output {quoted(name)} = {labels[value]}" for name, value in graph.outputs]
        out += [f"{inside}update {quoted(name)} = {labels[value]}" for name, value in graph.updates]
        out.append(f"{indent}}}")
        return out

    def _node(self, node: Node, labels: Mapping[Value, str], indent: str) -> list[str]:
        results = ", ".join(f"{labels[v]}: {v.type}" for v in node.results)
        inputs = ", ".join(labels[v] for v in node.inputs)
        tail = self._tail(node)
        attrs = _attrs_text(node)
        head = f"{indent}{results} = {node.op}({inputs})"
        if node.body is None:
            return [head + attrs + tail]
        name = f" {quoted(node.body.name)}" if node.body.name else ""
        lines = self.graph(f"{head}{attrs or ' {}'}{name} {{", node.body, indent)
        return [*lines[:-1], lines[-1] + tail]

    def _tail(self, node: Node) -> str:
        name = f" {dumps(node.name, ensure_ascii=False)}" if self.names and node.name else ""
        return name + self._place(node)

    def _place(self, node: Node) -> str:
        device = f" on {node.device}" if node.device is not None else ""
        spans = " @" + ", ".join(map(self._span, node.spans)) if self.spans and node.spans else ""
        return device + spans + (f" from {quoted(node.origin)}" if self.origins and node.origin else "")

    def _span(self, span: Span) -> str:
        number = self.sources.setdefault(span.source, len(self.sources))
        return f"{number}:{span.line}:{span.column}-{span.end_line}:{span.end_column}"


def _labels(graph: Graph, listed: Iterable[Node]) -> dict[Value, str]:
    """What each value is called: inputs and parameters by name, all other results by number."""
    labels = {node.out: "%" + quoted(node.name) for node in listed}
    number = 0
    for node in graph.nodes:
        for value in node.results:
            if value not in labels:
                labels[value] = f"%{number}"
                number += 1
    # A broken graph may read a result that its node does not have; it still gets a name that can be read.
    for value in (*(v for n in graph.nodes for v in n.inputs), *graph.roots):
        labels.setdefault(value, f"%{value.node.op}.result{value.index}")
    return labels


def _attrs_text(node: Node) -> str:
    """` {key = value, ...}` of the attributes that differ from their defaults; nothing where none does."""
    defaults = opdef(node.op).attrs if is_registered(node.op) else {}
    shown = [k for k in node.attrs if not same_attr(node.attrs[k], defaults.get(k, REQUIRED))]
    if not shown:
        return ""
    return " {" + ", ".join(f"{k} = {literal(node.attrs[k])}" for k in sorted(shown)) + "}"


def same_attr(a: Any, b: Any) -> bool:
    """Are two attribute values the same: equal, of the same type, and for floats and arrays the same bits?"""
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(same_attr(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, float) and isinstance(b, float):
        return a.hex() == b.hex()
    return type(a) is type(b) and bool(a == b)
