"""Merging equal nodes and removing dead ones, where fused nodes and several results are concerned."""

from __future__ import annotations

import pytest

import netlang.ops  # noqa: F401
from netlang.ir.graph import Graph
from netlang.ir.parse import parse_graph
from netlang.ir.verify import verify
from netlang.passes import cse, dce

_FUSED = """fused(%x) {kind = "loop"} {
    input %a: f32[N]
    %0: f32[N] = OP(%a)
    %1: f32[N] = neg(%0)
    output y = %0
    output z = %1
  }"""


def two_fused(first: str, second: str) -> Graph:
    a, b = _FUSED.replace("OP", first), _FUSED.replace("OP", second)
    return parse_graph(
        f"""graph g {{
  input %x: f32[N]
  %0: f32[N], %1: f32[N] = {a}
  %2: f32[N], %3: f32[N] = {b}
  %4: f32[N] = add(%1, %3)
  output y = %4
  output z = %2
}}"""
    )


@pytest.mark.parametrize(("second", "count"), [("exp", 1), ("abs", 2)])
def test_fused_nodes_are_equal_if_their_bodies_are(second: str, count: int) -> None:
    after = cse.run(two_fused("exp", second))
    verify(after)
    assert sum(n.op == "fused" for n in after.nodes) == count


def test_merging_reaches_what_reads_the_merged() -> None:
    graph = parse_graph(
        """graph g {
  input %x: f32[N]
  %0: f32[N] = exp(%x)
  %1: f32[N] = exp(%x)
  %2: f32[N] = sub(%0, %1)
  %3: f32[N] = sub(%1, %0)
  output a = %2
  output b = %3
}"""
    )
    after = cse.run(graph)
    assert after.output("a") == after.output("b")
    assert cse.run(after) is after


def test_a_dead_result_makes_what_it_read_dead_too() -> None:
    """%z is the only reader of a result of another fused node, which is itself the only reader of %y."""
    graph = parse_graph(
        """graph g {
  input %x: f32[N]
  input %y: f32[N]
  %0: f32[N], %1: f32[N] = fused(%x, %y) {kind = "loop"} {
    input %a: f32[N]
    input %b: f32[N]
    %0: f32[N] = exp(%a)
    %1: f32[N] = exp(%b)
    output p = %0
    output q = %1
  }
  %2: f32[N], %3: f32[N] = fused(%0, %1) {kind = "loop"} {
    input %a: f32[N]
    input %b: f32[N]
    %0: f32[N] = neg(%a)
    %1: f32[N] = neg(%b)
    output p = %0
    output q = %1
  }
  output r = %2
}"""
    )
    after = dce.run(graph)
    verify(after)
    assert [len(n.inputs) for n in after.nodes if n.op == "fused"] == [1, 1]
    assert [v.node.name for v in after.inputs] == ["x", "y"]
    assert dce.run(after) is after


def test_bodies_of_bodies_are_slimmed() -> None:
    graph = parse_graph(
        """graph g {
  input %x: f32[N]
  %0: f32[N] = fused(%x) {kind = "outer"} {
    input %a: f32[N]
    %0: f32[N], %1: f32[N] = fused(%a) {kind = "loop"} {
      input %b: f32[N]
      %0: f32[N] = exp(%b)
      %1: f32[N] = neg(%b)
      output p = %0
      output q = %1
    }
    output y = %1
  }
  output y = %0
}"""
    )
    after = dce.run(graph)
    verify(after)
    outer = after.output("y").node
    assert outer.body is not None
    inner = outer.body.output("y").node
    assert len(inner.types) == 1
    assert inner.body is not None
    assert [n.op for n in inner.body.nodes] == ["input", "neg"]


def test_a_graph_without_dead_parts_is_the_same_object() -> None:
    graph = two_fused("exp", "abs")
    results = [v for node in graph.nodes if node.op == "fused" for v in node.results]
    graph = graph.replace(outputs=tuple((f"y{i}", v) for i, v in enumerate(results)))
    assert dce.run(graph) is graph
