"""Warnings: what a file says without effect."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from netlang.diagnostics import Diagnostic, Span
from netlang.frontend.faults import Reporter
from netlang.frontend.scope import Usage
from netlang.ir.graph import Graph, Value, topological


def warn(usage: Usage, graphs: Sequence[Graph], reporter: Reporter) -> None:
    """Unused bindings and block parameters, inputs and parameters that nothing computed depends on, softmax twice.

    `graphs` are all graphs of the file, in every mode.
    """
    for node in {node: None for graph in graphs for node in topological(graph.roots)}:
        if node.op == "cross_entropy" and node.inputs[0].node.op in ("softmax", "sigmoid"):
            found = node.inputs[0].node.op
            message = f"cross_entropy of what went through {found}: it takes logits, and normalises them itself"
            reporter.add(Diagnostic(message, node.spans[:1], "warning", hint=f"give it what stands before {found}"))
    silent = _unreached(graphs, reporter)
    for span, name, what in usage.unused():
        if span not in silent:
            hint = "names that begin with '_' may go unread" if what in ("binding", "parameter") else ""
            reporter.add(Diagnostic(f"{what} '{name}' is not used", (span,), "warning", hint=hint))


def _unreached(graphs: Sequence[Graph], reporter: Reporter) -> set[Span]:
    """Warn of leaves that no output depends on; the places of those warned of."""
    reached: set[tuple[str, str]] = set()
    leaves: dict[tuple[str, str], Value] = {}
    for graph in graphs:
        for value in _leaves(graph):
            leaves.setdefault((graph.name, value.node.name), value)
        reached.update((graph.name, node.name) for node in topological(graph.roots) if node.op in ("input", "param"))
        reached.update((graph.name, name) for name, _ in graph.updates)
    warned: set[Span] = set()
    for key, value in leaves.items():
        if key not in reached and value.node.spans:
            span = value.node.spans[0]
            what = "input" if value.node.op == "input" else "parameter"
            reporter.add(Diagnostic(f"nothing depends on the {what} '{value.node.name}'", (span,), "warning"))
            warned.add(span)
    return warned


def _leaves(graph: Graph) -> Iterable[Value]:
    return (*graph.inputs, *graph.params)
