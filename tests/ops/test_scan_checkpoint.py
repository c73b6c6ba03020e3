"""Scans that keep every k-th state: the same results and gradients, from less memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from netlang.backends.reference import evaluate
from netlang.frontend import load
from netlang.ir.build import Builder
from netlang.ir.dims import sym
from netlang.ir.gradient import gradients
from netlang.ir.graph import Graph, Node
from netlang.ir.scan import SCAN, Loop
from netlang.ir.verify import verify
from netlang.ops.scan_chunks import chunked
from netlang.passes import memory, training_pipeline
from netlang.passes.manager import PassManager
from netlang.passes.optimizer import training_step
from netlang.runtime.samples import initial_params, random_inputs
from tests.ops.harness import Scalar, check_gradient, derivative_of, weighted_sum
from tests.ops.scans import ALL, LSTM, RNN, B, f64

Array = NDArray[Any]


def scalar(node: Node) -> Scalar:
    return Scalar(node.inputs, weighted_sum(B, node.results, np.random.default_rng(5)), tuple(range(len(node.inputs))))


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("length, every", [(4, 1), (4, 2), (5, 2), (5, 3), (2, 3), (3, 3)])
def test_the_gradient_is_the_same(name: str, reverse: bool, length: int, every: int) -> None:
    node = ALL[name].build(length, reverse=reverse)
    kept = Node(SCAN, node.inputs, {**node.attrs, "checkpoint": every}, node.types, body=node.body)
    feed = {v.node.name: a for v, a in zip(node.inputs, ALL[name].arrays(length), strict=True)}
    found = []
    for each in (node, kept):
        total = weighted_sum(B, each.results, np.random.default_rng(5))
        outputs = [*each.results, *gradients(total, node.inputs)]
        graph = Graph("g", node.inputs, (), tuple((f"y{i}", v) for i, v in enumerate(outputs)))
        verify(graph)
        found.append(evaluate(graph, feed)[0])
    for key, wanted in found[0].items():
        np.testing.assert_allclose(found[1][key], wanted, rtol=1e-10, atol=1e-12, err_msg=key)


def test_the_gradient_of_the_gradient() -> None:
    again = derivative_of(scalar(RNN.build(5, checkpoint=2)), np.random.default_rng(9))
    assert again is not None
    check_gradient(again, RNN.arrays(5), tolerance=1e-5)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("length", [0, 1, 2, 3, 7])
def test_the_length_need_not_be_known(length: int, reverse: bool) -> None:
    length_ = sym("T")
    shapes = [(2, 3), (2, 3), (length_, 2, 4), (12, 4), (12, 3), (12,)]
    given = [B.input(f"i{i}", f64(*s)) for i, s in enumerate(shapes)]  # type: ignore[arg-type]
    node = LSTM.over(given[:2], given[2:3], given[3:], length_, reverse=reverse, checkpoint=3)
    results = chunked(Builder(), node)
    feed = {f"i{i}": a for i, a in enumerate(LSTM.arrays(length))}
    total = B.sum(B.mul(results[2], results[2]), (0, 1, 2))
    plain = B.sum(B.mul(node.results[2], node.results[2]), (0, 1, 2))
    outputs = {
        "a": (*results, *gradients(total, given)),
        "b": (*node.results, *gradients(plain, given)),
    }
    found = []
    for values in outputs.values():
        graph = Graph("g", tuple(given), (), tuple((f"y{i}", v) for i, v in enumerate(values)))
        verify(graph)
        found.append(evaluate(graph, feed)[0])
    direct = LSTM.build(length, reverse=reverse)
    wanted = evaluate(Graph("g", direct.inputs, (), tuple((f"y{i}", v) for i, v in enumerate(direct.results))), feed)[0]
    for key in found[0]:
        np.testing.assert_allclose(found[0][key], found[1][key], rtol=1e-10, atol=1e-12, err_msg=key)
    for key, value in wanted.items():
        np.testing.assert_allclose(found[0][key], value, rtol=1e-12, atol=1e-13, err_msg=key)


TRAINED = """
net n() {{
  input x: f32[N, T, 16]
  hs = x -> lstm(32{more})
  output y = mean(hs, axis = 1) -> dense(2)
}}
train {{
  target label: i64[N]
  loss cross_entropy(y, label)
  optimizer sgd(lr = 0.1)
}}"""
SIZES = {"N": 8, "T": 100}


def step(more: str) -> Graph:
    spec = load(TRAINED.format(more=more)).train
    assert spec is not None
    return PassManager().run(training_step(spec), training_pipeline())


def test_a_training_step_takes_less_memory_and_gives_the_same_weights() -> None:
    plain, kept = step(""), step(", checkpoint = 10")
    peaks = [memory.plan(graph, SIZES).peak for graph in (plain, kept)]
    assert peaks[1] < 0.4 * peaks[0]
    inputs, params = random_inputs(plain, SIZES), initial_params(plain)
    wanted, found = evaluate(plain, inputs, params)[1], evaluate(kept, inputs, params)[1]
    for name, value in wanted.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-5, atol=1e-6, err_msg=name)


def test_a_step_carries_the_loop_out_once_and_its_chunks_twice() -> None:
    graph = step(", checkpoint = 10")
    outer = [Loop.of(n) for n in graph.nodes if n.op == SCAN]
    # Chunks and what is left, there and back.
    assert len(outer) == 4
    inner = [sum(n.op == SCAN for n in loop.body.nodes) for loop in outer]
    assert sorted(inner) == [0, 0, 1, 2]


def test_evaluation_keeps_nothing() -> None:
    spec = load(TRAINED.format(more=", checkpoint = 10")).train
    assert spec is not None
    (node,) = [n for n in spec.evaluation.nodes if n.op == SCAN]
    assert node.attrs["checkpoint"] == 0
