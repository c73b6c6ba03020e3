"""The verifier: sound graphs pass, and each way to break one is found and named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

import netlang.ops  # noqa: F401
from netlang.ir.build import Builder
from netlang.ir.dims import sym
from netlang.ir.gradient import gradients
from netlang.ir.graph import Graph, Node, Value, frozen
from netlang.ir.opdef import REQUIRED
from netlang.ir.parse import parse_graph
from netlang.ir.types import DType, TensorType
from netlang.ir.verify import Checked, VerifyError, verify
from tests.nets import lenet5
from tests.random_graphs import random_graph

SOUND = """
graph g {
  input %x: f32[N, 3]
  param %w: f32[4, 3] {init = ("normal", 0.0, 0.1), role = "weight"}
  %0: f32[N, 4] = matmul(%x, %w) {transpose_b = true}
  %1: f32[N, 4], %2: f32[N, 4] = fused(%0) {kind = "loop"} {
    input %a: f32[N, 4]
    %0: f32[N, 4] = exp(%a)
    %1: f32[N, 4] = neg(%0)
    output e = %0
    output n = %1
  }
  output y = %1
  output z = %2
  update w = %w
}
"""


def sound() -> Graph:
    return parse_graph(SOUND)


def node_of(graph: Graph, op: str) -> Node:
    return next(n for n in graph.nodes if n.op == op)


def with_output(graph: Graph, node: Node) -> Graph:
    return graph.replace(outputs=(("y", node.out),))


def changed(op: str, /, **changes: Any) -> Graph:
    """The sound graph with the only output of a changed node."""
    graph = sound()
    return with_output(graph, replace(node_of(graph, op), **changes))


def changed_body(change: Callable[[Graph], Graph]) -> Graph:
    graph = sound()
    node = node_of(graph, "fused")
    assert node.body is not None
    return with_output(graph, replace(node, body=change(node.body)))


def attrs_of(op: str, /, **changes: Any) -> Any:
    return frozen({**node_of(sound(), op).attrs, **changes})


def _x() -> Value:
    return Builder().input("x", TensorType(DType.F32, (sym("N"), 3)))


def _param(name: str, init: Any = ("constant", 0.0), role: str = "weight") -> Value:
    return Builder().param(name, TensorType(DType.F32, (3,)), role, init)


def _reading(*inputs: int) -> Graph:
    """The matmul with other inputs, by number: 0 is `x`, 1 is `w`."""
    graph = sound()
    leaves = (*graph.inputs, *graph.params)
    return with_output(graph, replace(node_of(graph, "matmul"), inputs=tuple(leaves[i] for i in inputs)))


def _update(*names: str) -> Graph:
    """Every name is updated with the graph's first output."""
    graph = sound()
    return graph.replace(updates=tuple((name, graph.outputs[0][1]) for name in names))


def _no_such_result() -> Graph:
    graph = sound()
    return graph.replace(outputs=(("y", Value(node_of(graph, "matmul"), 3)),))


def _unlisted() -> Graph:
    graph = sound()
    return with_output(graph, Builder().node("exp", _x()))


BROKEN: dict[str, tuple[Callable[[], Graph], str]] = {
    "unknown op": (lambda: changed("matmul", op="matmull"), "unknown op 'matmull'"),
    "arity": (lambda: _reading(0), "takes 2 to 2 inputs, has 1"),
    "wrong type": (lambda: changed("matmul", types=(TensorType(DType.F32, (3, 3)),)), "gives f32[N, 4], the node says"),
    "wrong dtype": (lambda: changed("matmul", types=(TensorType(DType.F64, (sym("N"), 4)),)), "the node says f64"),
    "too many results": (lambda: changed("matmul", types=(*node_of(sound(), "matmul").types,) * 2), "the node says"),
    "inputs that do not fit": (
        lambda: changed("matmul", attrs=attrs_of("matmul", transpose_b=False)),
        "its shape rule refuses it",
    ),
    "missing attribute": (lambda: changed("matmul", attrs=frozen({"transpose_b": True})), "lacks the attribute"),
    "unknown attribute": (lambda: changed("matmul", attrs=attrs_of("matmul", z=1)), "unknown attribute 'z'"),
    "attribute never given": (lambda: changed("fused", attrs=frozen({"kind": REQUIRED})), "'kind' was never given"),
    "attribute of the wrong kind": (lambda: changed("matmul", attrs={"transpose_a": [1], "transpose_b": True}), "list"),
    "no body": (lambda: changed("fused", body=None), "has no body"),
    "body where none belongs": (lambda: changed("matmul", body=Graph("b")), "has a body"),
    "body inputs": (lambda: changed_body(lambda b: b.replace(inputs=())), "its body's nothing"),
    "body outputs": (
        lambda: changed_body(lambda b: b.replace(outputs=b.outputs[:1])),
        "its shape rule gives f32[N, 4], the",
    ),
    "body of its own params": (lambda: changed_body(lambda b: b.replace(params=(_param("p"),))), "of its own"),
    "result that is not there": (_no_such_result, "has no result 3"),
    "input not listed": (_unlisted, "is used but not listed in the graph's inputs"),
    "param not listed": (lambda: sound().replace(params=(), updates=()), "not listed in the graph's params"),
    "param listed as input": (lambda: sound().replace(inputs=(*sound().inputs, _param("p"))), "is listed as input"),
    "name twice": (lambda: Graph("g", (_x(),), (_param("x"),)), "the name 'x' is used twice"),
    "no name": (lambda: Graph("g", (), (_param(""),)), "has no name"),
    "two outputs": (lambda: Graph("g", (x := _x(),), (), (("y", x), ("y", x))), "two outputs 'y'"),
    "update of nothing": (lambda: _update("v"), "the update 'v' is of no parameter"),
    "update of another type": (lambda: _update("w"), "the update 'w' has type f32[N, 4]"),
    "update twice": (lambda: _update("w", "w"), "'w' is updated twice"),
    "role": (lambda: Graph("g", (), (_param("p", role="wight"),)), "the role 'wight' is none of"),
    "initial value": (lambda: Graph("g", (), (_param("p", ("normal", 1.0)),)), "is no initial value"),
    "size nobody tells": (
        lambda: Graph("g", (), (), (("y", Builder().broadcast(Builder().const(0, DType.F32), (sym("M"),))),)),
        "no input tells the size of M",
    ),
}


def test_sound_graphs_pass() -> None:
    verify(sound())
    verify(lenet5(train=True))
    for seed in range(20):
        verify(random_graph(seed))


@pytest.mark.parametrize("name", BROKEN)
def test_broken_graphs_are_found(name: str) -> None:
    make, reason = BROKEN[name]
    with pytest.raises(VerifyError) as caught:
        verify(make(), "some pass")
    assert reason in str(caught.value)
    assert "after some pass" in str(caught.value)


def test_a_fault_inside_a_body_is_found() -> None:
    graph = changed_body(
        lambda b: b.replace(outputs=tuple((n, replace(v.node, op="sideways").out) for n, v in b.outputs))
    )
    with pytest.raises(VerifyError, match="sideways"):
        verify(graph)


def test_the_place_in_the_source_is_named() -> None:
    graph = lenet5()
    node = node_of(graph, "softmax")
    bad = with_output(graph, replace(node, types=(TensorType(DType.F32, ()),)))
    with pytest.raises(VerifyError, match=r"lenet5\.net:\d+:3"):
        verify(bad)


def test_layouts_may_differ() -> None:
    graph = sound()
    node = node_of(graph, "matmul")
    verify(with_output(graph, replace(node, types=(node.types[0].with_layout("c16"),))))


def test_gradients_are_sound() -> None:
    graph = lenet5(train=True)
    found = gradients(graph.output("loss"), graph.params)
    verify(graph.replace(outputs=tuple((f"g{i}", g) for i, g in enumerate(found))))


def test_what_was_checked_before_is_not_checked_again() -> None:
    graph = sound()
    checked: Checked = {}
    verify(graph, checked=checked)
    assert set(graph.nodes) < set(checked)
    bad = replace(node_of(graph, "matmul"), types=(TensorType(DType.F32, (sym("N"), 5)),))
    with pytest.raises(VerifyError):
        verify(with_output(graph, bad), checked=dict(checked))
    verify(with_output(graph, bad), checked={**checked, bad: frozenset({"N"})})


def test_a_node_is_checked_again_where_other_sizes_are_known() -> None:
    build = Builder()
    checked: Checked = {}
    x = build.input("x", TensorType(DType.F32, (sym("N"),)))
    graph = Graph("g", (x,), (), (("y", build.broadcast(build.const(1.0, DType.F32), (sym("N"),))),))
    verify(graph, checked=checked)
    with pytest.raises(VerifyError, match="no input tells the size"):
        verify(graph.replace(inputs=()), checked=checked)
