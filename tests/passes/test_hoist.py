"""What leaves loops, what stays in them, and that results stay the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from netlang.backends.reference import evaluate
from netlang.frontend import load
from netlang.ir.graph import Graph, Node
from netlang.ir.scan import SCAN, Loop
from netlang.passes import dce, hoist, inference_pipeline, training_pipeline
from netlang.passes.autodiff import differentiate
from netlang.passes.manager import PassManager
from netlang.runtime.samples import initial_params, random_inputs
from tests.ops.scans import ALL

Array = NDArray[Any]
SIZES = {"N": 2, "T": 5}


def net(cell: str, body: str, inputs: str = "input x: f64[N, T, 3]") -> Graph:
    """A net with the output `loss`."""
    return load(f"{cell}\nnet n() {{\n{inputs}\n{body}\n}}\n").net


def hoisted(graph: Graph) -> Graph:
    return dce.PASS.run(hoist.PASS.run(graph))


def inside(graph: Graph) -> list[str]:
    """The ops in the body of the only loop."""
    return [n.op for n in loop_of(graph).body.nodes if n.op != "input"]


def loop_of(graph: Graph) -> Loop:
    (node,) = [n for n in graph.nodes if n.op == SCAN]
    return Loop.of(node)


def outside(graph: Graph, op: str) -> list[Node]:
    return [n for n in graph.nodes if n.op == op]


def feeds(graph: Graph) -> tuple[dict[str, Array], Mapping[str, Array]]:
    return random_inputs(graph, SIZES), initial_params(graph)


def check_same(graph: Graph, other: Graph) -> None:
    inputs, params = feeds(graph)
    wanted, found = evaluate(graph, inputs, params)[0], evaluate(other, inputs, params)[0]
    for name, value in wanted.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-10, atol=1e-12, err_msg=name)


LAST = "output loss = sum(hs ** 2)"
LAYERS = {
    "rnn": f"hs = x -> rnn(4)\n{LAST}",
    "gru": f"hs = x -> gru(4)\n{LAST}",
    "lstm": f"hs = x -> lstm(4)\n{LAST}",
    "backward": f"hs = x -> lstm(4, reverse = true)\n{LAST}",
    "ragged": f"hs = x -> lstm(4, lengths = ends)\n{LAST}",
}


@pytest.mark.parametrize("name", LAYERS)
def test_one_product_is_left_in_a_cell(name: str) -> None:
    inputs = "input x: f64[N, T, 3]" + ("\ninput ends: i64[N]" if name == "ragged" else "")
    graph = net("", LAYERS[name], inputs)
    after = hoisted(graph)
    assert inside(graph).count("matmul") == 2
    assert inside(after).count("matmul") == 1
    assert [str(n.inputs[0].shape[0]) for n in outside(after, "matmul")] == ["N*T"]
    check_same(graph, after)
    with_gradients = differentiate(after)
    check_same(differentiate(graph), with_gradients)
    check_same(with_gradients, PassManager().run(with_gradients, training_pipeline()))


def test_no_product_of_a_step_is_left_in_the_gradient_but_that_of_the_states() -> None:
    graph = PassManager().run(differentiate(hoisted(net("", LAYERS["lstm"]))), training_pipeline())
    forward, backward = (n for n in graph.nodes if n.op == SCAN)
    for node in (forward, backward):
        assert node.body is not None
        assert [n.op for n in node.body.nodes].count("matmul") == 1
        assert node.attrs["states"] == 2


def test_the_bias_is_part_of_the_product_of_all_rows() -> None:
    graph = PassManager().run(net("", LAYERS["lstm"]), inference_pipeline())
    assert [n.attrs["kind"] for n in outside(graph, "fused")].count("dense") == 1


TEXTBOOK = """
block cell(x, h, units) {
  z = tanh((x, h) -> concat -> dense(units))
  return z, relu(z -> dense(7)) -> dense(9) -> softmax
}"""


def test_a_product_with_a_concatenation_is_done_part_by_part() -> None:
    graph = net(TEXTBOOK, f"_h, hs = x -> scan(cell(4), state = [x.shape[0], 4])\n{LAST}")
    after = hoisted(graph)
    assert "concat" not in inside(after)
    assert inside(after).count("matmul") == 1
    check_same(graph, after)
    check_same(differentiate(graph), differentiate(after))


def test_what_is_only_emitted_is_computed_afterwards() -> None:
    graph = net(TEXTBOOK, f"_h, hs = x -> scan(cell(4), state = [x.shape[0], 4])\n{LAST}")
    after = hoisted(graph)
    assert "softmax" not in inside(after)
    assert len(outside(after, "matmul")) == 3
    assert [v.shape[-1] for v in loop_of(after).emitted] == [4]


def test_a_wide_product_that_is_emitted_narrow_stays() -> None:
    """Afterwards it would need a stack far larger than what is emitted."""
    cell = """
block cell(x, h, spread) {
  z = tanh(h + (x -> dense(4)))
  return z, exp(matmul(reshape(z, [z.shape[0], 4, 1]) * spread, 0 * spread + 1)) -> flatten -> dense(1)
}"""
    inputs = "input x: f64[N, T, 3]\ninput spread: f64[N, 4, 4]"
    body = f"_h, hs = x -> scan(cell(spread = spread), state = [x.shape[0], 4])\n{LAST}"
    graph = net(cell, body, inputs)
    assert inside(hoisted(graph)).count("matmul") == 2
    check_same(graph, hoisted(graph))


def test_draws_stay() -> None:
    cell = "block cell(x, h) { return tanh(h + exp(x * random_uniform(x))), h }"
    graph = net(cell, f"_h, hs = x -> scan(cell, state = [x.shape[0], 3])\n{LAST}")
    after = hoisted(graph)
    assert {"exp", "uniform"} <= set(inside(after))
    check_same(graph, after)


def test_a_lookup_goes_ahead() -> None:
    cell = "block cell(word, h) { return tanh(h + (word -> embedding(9, 4, dtype = f64))) }"
    graph = net(cell, f"_h, hs = w -> scan(cell, state = zero)\n{LAST}", "input w: i64[N, T]\ninput zero: f64[N, 4]")
    after = hoisted(graph)
    assert "gather" not in inside(after)
    inputs, params = feeds(graph)
    inputs["w"] = inputs["w"] % 9
    for name, value in evaluate(graph, inputs, params)[0].items():
        np.testing.assert_allclose(evaluate(after, inputs, params)[0][name], value, rtol=1e-12)


def test_a_convolution_sees_the_pictures_of_all_steps() -> None:
    cell = """
block cell(picture, h) {
  seen = picture -> conv(3, 3) -> relu -> maxpool(2) -> flatten -> dense(4)
  return tanh(seen + h)
}"""
    graph = net(cell, f"_h, hs = x -> scan(cell, state = [x.shape[0], 4])\n{LAST}", "input x: f64[N, T, 1, 6, 6]")
    after = hoisted(graph)
    assert inside(after) == ["add", "tanh"]
    check_same(graph, after)
    check_same(differentiate(graph), differentiate(after))


def test_a_loop_that_keeps_few_states_keeps_its_products() -> None:
    node = ALL["lstm"].build(4, checkpoint=2)
    graph = Graph("g", node.inputs, (), (("y", node.results[2]),))
    assert inside(hoisted(graph)).count("matmul") == 2


@pytest.mark.parametrize("name", ALL)
def test_loops_of_all_kinds(name: str) -> None:
    node = ALL[name].build(4)
    graph = Graph("g", node.inputs, (), tuple((f"y{i}", v) for i, v in enumerate(node.results)))
    feed = {v.node.name: a for v, a in zip(graph.inputs, ALL[name].arrays(4), strict=True)}
    for key, wanted in evaluate(graph, feed)[0].items():
        np.testing.assert_allclose(evaluate(hoisted(graph), feed)[0][key], wanted, rtol=1e-12, atol=1e-13)


CONV_RNN = """
block cell(x, h) { return tanh((x -> conv(3, 3, pad = same)) + (h -> conv(3, 3, pad = same, bias = false))) }
"""
FEEDBACK = """
block cell(x, h, word) {
  after = tanh(h + (x -> dense(4)) + (word -> embedding(5, 4, dtype = f64)))
  return after, argmax(after), after
}"""
LOOKING = """
block cell(x, h, places) {
  keys = tanh(matmul(places, projection_of(h)) + (x -> dense(6, bias = false) -> reshape([x.shape[0], 1, 6])))
  weights = softmax(keys -> projection(1) -> flatten)
  return tanh(h + sum(places * reshape(weights, [x.shape[0], 7, 1]), axis = 1))
}
block projection_of(h) { return h -> dense(24) -> reshape([h.shape[0], 4, 6]) }
"""
SUMMED = {
    "conv": (CONV_RNN, "cell", "[x.shape[0], 3, 6, 6]", "input x: f64[N, T, 2, 6, 6]"),
    "lookup": (FEEDBACK, "cell", "[[x.shape[0], 4], argmax(slice(x, 1, 0, 1), axis = 2) -> reshape([x.shape[0]])]", ""),
    "attention": (LOOKING, "cell(places = p)", "[x.shape[0], 4]", "input x: f64[N, T, 3]\ninput p: f64[N, 7, 4]"),
}


@pytest.mark.parametrize("name", SUMMED)
def test_the_gradients_of_all_weights_are_made_after_the_loop(name: str) -> None:
    cell, layer, state, inputs = SUMMED[name]
    results = "_h, _word, hs" if name == "lookup" else "_h, hs"
    body = f"{results} = x -> scan({layer}, state = {state})\n{LAST}"
    graph = net(cell, body, inputs or "input x: f64[N, T, 3]")
    plain, after = differentiate(graph), differentiate(hoisted(graph))
    check_same(plain, after)
    tidy = PassManager().run(after, training_pipeline())
    check_same(plain, tidy)
    backward = next(Loop.of(n) for n in tidy.nodes if n.op == SCAN and n.attrs["reverse"])
    assert len(backward.states) == 1
