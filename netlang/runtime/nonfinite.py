"""Which layer made the loss NaN or infinite: the step again, node by node, on the reference backend."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from netlang.diagnostics import Diagnostic
from netlang.ir.graph import Graph, Node
from netlang.ir.module import LOSS
from netlang.runtime.arrays import Array

Observer = Callable[[Node, tuple[Array, ...]], None]
Replay = Callable[[Graph, Mapping[str, Array], Mapping[str, Array], Observer], None]
"""Runs a graph that was not fused and shows every node's results to the observer."""


def explain(graph: Graph, inputs: Mapping[str, Array], params: Mapping[str, Array], replay: Replay) -> Diagnostic:
    """The diagnostic for a loss that is not finite, with the place of the layer that is to blame.

    `graph` is the training step before fusion; its weights must still be those that the bad step began with.
    """
    loss = graph.output(LOSS)
    bad: dict[Node, tuple[Array, ...]] = {}

    def observe(node: Node, results: tuple[Array, ...]) -> None:
        # The body of a loop is carried out many times: the first bad numbers count.
        if node not in bad and any(not finite(r) for r in results):
            bad[node] = results

    replay(graph.replace(outputs=((LOSS, loss),), updates=()), inputs, params, observe)
    for leaf in graph.nodes:
        array = {"input": inputs, "param": params}.get(leaf.op, {}).get(leaf.name)
        if array is not None and not finite(array):
            bad[leaf] = (array,)
    if loss.node not in bad:
        return Diagnostic(
            "the loss is not finite, though the reference backend computes a finite one from the same "
            "batch and weights",
            loss.node.spans[:1],
        )
    culprit = _origin(loss.node, bad)
    return Diagnostic(f"the loss is {_kind(bad[loss.node])}: {_told(culprit, bad[culprit])}", culprit.spans)


def finite(array: Array) -> bool:
    """Whether no element is NaN or infinite."""
    return array.dtype.kind in "biu" or bool(np.isfinite(array).all())


def _origin(node: Node, bad: Mapping[Node, tuple[Array, ...]]) -> Node:
    """Follow non-finite inputs up to a node whose own inputs are all finite; in a loop, the one that went bad first."""
    while True:
        worse = next((v.node for v in node.inputs if v.node in bad and v.node.op != "const"), None)
        if worse is None:
            break
        node = worse
    while node.body is not None:
        inside = set(node.body.nodes)
        first = next((n for n in bad if n in inside), None)
        if first is None:
            break
        node = first
    return node


def _told(node: Node, results: tuple[Array, ...]) -> str:
    array = next(r for r in results if not finite(r))
    place = np.argwhere(~np.isfinite(array))[0]
    at = "[" + ", ".join(map(str, place)) + "]" if place.size else ""
    found = _kind(results)
    if node.op == "input":
        return f"input '{node.name}'{at} is {found}"
    if node.op == "param":
        return f"{node.attrs['role']} '{node.name}'{at} is already {found}"
    layer = f" in '{node.name}'" if node.name else ""
    return f"{node.op}{layer} is the first to give {found}, from finite inputs"


def _kind(results: tuple[Array, ...]) -> str:
    array = next(r for r in results if not finite(r))
    values = np.asarray(array, np.float64)
    if np.isnan(values).any():
        return "nan"
    return "inf" if (values > 0).any() and np.isinf(values.max()) else "-inf"
