"""Passes on loops: results stay, the forward scan of a gradient is the forward scan, what is dead or idle goes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from netlang.backends.reference import evaluate
from netlang.ir.dims import sym
from netlang.ir.gradient import gradients
from netlang.ir.graph import Graph, Node, Value
from netlang.ir.parse import parse_graph
from netlang.ir.scan import SCAN, Loop
from netlang.passes import cse, dce, inference_pipeline, scans, training_pipeline
from netlang.passes.manager import PassManager
from tests.ops.harness import weighted_sum
from tests.ops.scans import ALL, LSTM, ODD, Array, B, Example


def with_gradients(example: Example, length: int, **options: Any) -> Graph:
    node = example.build(length, **options)
    total = weighted_sum(B, node.results, np.random.default_rng(1))
    found = gradients(total, node.inputs)
    outputs = [*node.results, *found]
    return Graph("g", node.inputs, (), tuple((f"y{i}", v) for i, v in enumerate(outputs)))


def fed(graph: Graph, arrays: Sequence[Array]) -> dict[str, Array]:
    return {v.node.name: a for v, a in zip(graph.inputs, arrays, strict=True)}


def loops(graph: Graph) -> list[Node]:
    return [n for n in graph.nodes if n.op == SCAN]


def body_text(node: Node) -> list[str]:
    assert node.body is not None
    return [n.op for n in node.body.nodes if n.op != "input"]


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("reverse", [False, True])
def test_the_pipelines_keep_results(name: str, reverse: bool) -> None:
    graph = with_gradients(ALL[name], 4, reverse=reverse)
    feed = fed(graph, ALL[name].arrays(4))
    before = evaluate(graph, feed)[0]
    for passes in (inference_pipeline(), training_pipeline()):
        after = evaluate(PassManager().run(graph, passes), feed)[0]
        for key, wanted in before.items():
            np.testing.assert_allclose(after[key], wanted, rtol=1e-10, atol=1e-12, err_msg=key)


@pytest.mark.parametrize("name", ["rnn", "lstm", "odd"])
def test_a_gradient_is_one_loop_there_and_one_back(name: str) -> None:
    graph = PassManager().run(with_gradients(ALL[name], 4), training_pipeline())
    assert [n.attrs["reverse"] for n in loops(graph)] == [False, True]


def test_the_loops_of_a_second_gradient_are_joined() -> None:
    node = LSTM.build(3)
    total = weighted_sum(B, node.results, np.random.default_rng(1))
    first = gradients(total, node.inputs)
    second = gradients(weighted_sum(B, first, np.random.default_rng(2)), node.inputs)
    graph = Graph("g", node.inputs, (), tuple((f"y{i}", v) for i, v in enumerate((*node.results, *first, *second))))
    feed = fed(graph, LSTM.arrays(3))
    before, joined = evaluate(graph, feed)[0], PassManager().run(graph, training_pipeline())
    assert len(loops(joined)) == 4 < len(loops(graph))
    for key, value in evaluate(joined, feed)[0].items():
        np.testing.assert_allclose(value, before[key], rtol=1e-9, atol=1e-11)


def test_a_loop_that_reads_the_other_is_not_joined_with_it() -> None:
    """The second one has the same states and sequences, but a constant made from the first one's result."""
    h, x, w, u, b = ALL["rnn"].build(3).inputs
    first = ALL["rnn"].over([h], [x], [w, u, b], 3)
    shifted = B.add(b, B.sum(first.results[0], (0,)))
    second = ALL["rnn"].over([h], [x], [w, u, shifted], 3)
    graph = Graph("g", (h, x, w, u, b), (), (("a", first.results[1]), ("b", second.results[1])))
    assert len(loops(scans.PASS.run(graph))) == 2


def test_a_still_state_and_a_slice_go_around() -> None:
    graph = scans.PASS.run(with_results(ODD.build(sym("T")), range(7)))
    (node,) = loops(graph)
    loop = Loop.of(node)
    assert len(loop.states) == 2
    assert len(loop.emitted) == 3
    assert graph.output("y2") == graph.inputs[2]
    assert graph.output("y5") == graph.inputs[3]


def with_results(node: Node, chosen: Any) -> Graph:
    return Graph("g", node.inputs, (), tuple((f"y{i}", node.results[i]) for i in chosen))


@pytest.mark.parametrize(
    "chosen, states, sequences, constants",
    [((0,), 2, 1, 1), ((1,), 3, 2, 1), ((2,), 1, 0, 0), ((3,), 0, 1, 1), ((4,), 0, 1, 1), ((3, 5), 0, 2, 1)],
)
def test_what_is_not_wanted_is_gone(chosen: tuple[int, ...], states: int, sequences: int, constants: int) -> None:
    graph = dce.PASS.run(with_results(ODD.build(4), chosen))
    loop = Loop.of(loops(graph)[0])
    assert (len(loop.states), len(loop.sequences), len(loop.constants)) == (states, sequences, constants)
    assert len(loop.made) == states + sum(i > 2 for i in chosen)
    feed = fed(graph, ODD.arrays(4))
    for key, wanted in evaluate(with_results(ODD.build(4), chosen), feed)[0].items():
        np.testing.assert_array_equal(evaluate(graph, feed)[0][key], wanted)


TWINS = """
graph g {
  input %h: f32[N]
  input %x: f32[T, N]
  %0: f32[N], %1: f32[N], %2: f32[T, N] = scan(%h, %h, %x, %x) {length = T, sequences = 2, states = 2} {
    input %a: f32[N]
    input %b: f32[N]
    input %p: f32[N]
    input %q: f32[N]
    %0: f32[N] = mul(%b, %p)
    %1: f32[N] = mul(%a, %q)
    %2: f32[N] = add(%0, %1)
    output s0 = %0
    output s1 = %1
    output y0 = %2
  }
  output a = %0
  output b = %1
  output y = %2
}
"""


def test_states_that_are_always_equal_are_one() -> None:
    graph = scans.PASS.run(parse_graph(TWINS))
    loop = Loop.of(loops(graph)[0])
    assert (len(loop.states), len(loop.sequences)) == (1, 1)
    assert graph.output("a") == graph.output("b")


def test_bodies_are_simplified() -> None:
    text = TWINS.replace("%2: f32[N] = add(%0, %1)", "%2: f32[N] = neg(%3)").replace(
        "%2: f32[N] = neg", "%3: f32[N] = neg(%0)\n    %2: f32[N] = neg"
    )
    graph = PassManager().run(parse_graph(text), (*inference_pipeline()[:4], dce.PASS))
    assert body_text(loops(graph)[0]) == ["mul"]


def test_equal_loops_are_one() -> None:
    one, two = (ALL["rnn"].build(3) for _ in range(2))
    other = ALL["rnn"].over([one.inputs[0]], [one.inputs[1]], one.inputs[2:], 3)
    graph = Graph("g", one.inputs, (), (("a", one.results[1]), ("b", other.results[1])))
    assert len(loops(cse.PASS.run(graph))) == 1
    apart: tuple[Value, ...] = (*one.inputs, *two.inputs)
    both = Graph("g", apart, (), (("a", one.results[1]), ("b", two.results[1])))
    assert len(loops(cse.PASS.run(both))) == 2
