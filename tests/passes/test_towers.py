"""Towers: what the source puts on devices beside each other is computed in one, with the same results."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import netlang
from netlang.backends.reference import evaluate
from netlang.frontend import load
from netlang.ir.graph import Graph
from netlang.ir.parse import parse_graph
from netlang.ir.text import print_graph
from netlang.passes import cse, dce, inference_pipeline, towers
from netlang.passes.manager import PassManager
from netlang.passes.optimizer import training_step
from tests.nets import random_inputs, random_params
from tests.passes.golden import check_golden

TWO = """\
block layer(x, channels, kernel) { return x -> conv(channels, kernel, pad = same) -> relu }

net two() {
  input image: f32[N, 3, 13, 13]
  a = image -> layer(4, 5, device = 0) -> local_response_norm(3) -> maxpool(3, stride = 2)
  b = image -> layer(4, 5, device = 1) -> local_response_norm(3) -> maxpool(3, stride = 2)
  c = a -> layer(6, 3, device = 0)                     # sees its own tower
  d = b -> layer(6, 3, device = 1)
  both = (c, d) -> concat
  e = both -> layer(4, 3, device = 0) -> maxpool(2)    # sees both
  f = both -> layer(4, 3, device = 1) -> maxpool(2)
  features = (e -> flatten, f -> flatten) -> concat
  h = features -> dense(5, device = 0) -> relu -> dropout(0.5)
  i = features -> dense(5, device = 1) -> relu -> dropout(0.5)
  logits = (h, i) -> concat -> dense(3)
  output probs = softmax(logits)
}

train {
  target label: i64[N]
  loss      cross_entropy(logits, label)
  optimizer sgd(lr = 0.1)
}
"""


def joined(graph: Graph) -> Graph:
    return PassManager(verifying=True).run(graph, [cse.PASS, towers.PASS, dce.PASS])


def ops(graph: Graph) -> Counter[str]:
    return Counter(n.op for n in graph.nodes)


def assert_same_results(before: Graph, after: Graph) -> None:
    inputs, params = random_inputs(before, {"N": 2}, classes=3), random_params(before)
    wanted, changed = evaluate(before, inputs, params)
    found, also_changed = evaluate(after, inputs, params)
    for there, here in ((wanted, found), (changed, also_changed)):
        assert there.keys() == here.keys()
        for name, value in there.items():
            np.testing.assert_allclose(here[name], value, rtol=1e-4, atol=1e-5, err_msg=name)


def test_golden(update_golden: bool) -> None:
    graph = PassManager().run(load(TWO).net, [cse.PASS])
    check_golden("towers", update_golden, before=graph, after=joined(graph))


def test_two_towers_become_grouped_convolutions() -> None:
    graph = load(TWO).net
    after = joined(graph)
    convolutions = [n for n in after.nodes if n.op == "conv"]
    assert [n.attrs["groups"] for n in convolutions] == [1, 2, 1]
    assert [int(n.inputs[1].shape[0]) for n in convolutions] == [8, 12, 8]  # type: ignore[arg-type]
    assert ops(after)["matmul"] == 2
    assert ops(after)["max_pool"] == ops(graph)["max_pool"] // 2
    assert [p.node.name for p in after.params] == [p.node.name for p in graph.params]
    assert "slice" not in ops(after)
    assert_same_results(graph, after)


def test_a_training_step_has_joined_layers_and_the_same_updates() -> None:
    spec = load(TWO).train
    assert spec is not None
    after = training_step(spec)
    assert ops(after)["conv"] == 3 and ops(after)["conv_weight_grad"] == 3
    plain = spec.graph
    unmarked = parse_graph(print_graph(plain).replace(" on 0\n", "\n").replace(" on 1\n", "\n"))
    assert_same_results(training_step(replace(spec, graph=unmarked)), after)


@pytest.mark.parametrize("target", ["reference", "cpu"])
def test_a_compiled_net_computes_the_same_with_and_without_devices(target: str) -> None:
    x = np.random.default_rng(0).normal(size=(3, 3, 13, 13)).astype(np.float32)
    with_devices = netlang.compile(TWO, target=target).init(3)
    without = netlang.compile(TWO.replace(", device = 0", "").replace(", device = 1", ""), target=target).init(3)
    np.testing.assert_allclose(with_devices(x), without(x), rtol=1e-4, atol=1e-6)
    assert list(with_devices.parameters) == list(without.parameters)


def net(*lines: str) -> Graph:
    return load("net n() {\n  input x: f32[N, 4, 8, 8]\n" + "".join(f"  {line}\n" for line in lines) + "}\n").net


ALONE: dict[str, tuple[str, ...]] = {
    "other kernels": (
        "a = x -> conv(4, 3, pad = same, device = 0)", "b = x -> conv(4, 5, pad = same, device = 1)",
        "output y = (a, b) -> concat",
    ),
    "other inputs": (
        "a = relu(x) -> conv(4, 3, device = 0)", "b = tanh(x) -> conv(4, 3, device = 1)", "output y = (a, b) -> concat",
    ),
    "one after the other": (
        "a = x -> conv(4, 3, pad = same, device = 0)", "output y = a -> conv(4, 3, pad = same, device = 1)",
    ),
    "grouped already, on one map": (
        "a = x -> conv(4, 3, groups = 2, device = 0)", "b = x -> conv(4, 3, groups = 2, device = 1)",
        "output y = (a, b) -> concat",
    ),
    "one device": ("a = x -> conv(4, 3, device = 1)", "b = x -> conv(4, 3, device = 1)", "output y = (a, b) -> concat"),
    "nothing to gain": ("output y = (relu(x, device = 0), relu(x, device = 1)) -> concat",),
}  # fmt: skip


@pytest.mark.parametrize("lines", ALONE.values(), ids=list(ALONE))
def test_what_stays_as_it_is(lines: tuple[str, ...]) -> None:
    graph = PassManager().run(net(*lines), [cse.PASS])
    assert towers.run(graph) is graph


TOGETHER: dict[str, tuple[tuple[str, ...], dict[str, int]]] = {
    "towers that end apart": (
        ("output a = x -> conv(4, 3, device = 0) -> relu", "output b = x -> conv(4, 3, device = 1) -> relu"),
        {"conv": 1, "relu": 1, "slice": 2},
    ),
    "one tower is read by itself, too": (
        ("a = x -> conv(4, 3, device = 0)", "b = x -> conv(4, 3, device = 1)", "output y = (a, b) -> concat",
         "output z = b -> conv(2, 1)"),
        {"conv": 2, "concat": 2, "slice": 1},
    ),
    "joined the other way round": (
        ("a = x -> conv(4, 3, device = 0)", "b = x -> conv(4, 3, device = 1)", "output y = (b, a) -> concat"),
        {"conv": 1, "slice": 2},
    ),
    "three towers": (
        ("t = [x -> conv(2, 3, device = d) -> conv(3, 3, device = d) -> avgpool(2) for_d]",),
        {"conv": 2, "avg_pool": 1},
    ),
    "groups of groups": (
        ("a = x -> conv(4, 3, device = 0) -> conv(4, 3, groups = 2, device = 0)",
         "b = x -> conv(4, 3, device = 1) -> conv(4, 3, groups = 2, device = 1)", "output y = (a, b) -> concat"),
        {"conv": 2},
    ),
    "a layer shared by both": (
        ("c = conv(4, 3)",
         "a = x -> conv(4, 3, device = 0) -> relu -> c", "b = x -> conv(4, 3, device = 1) -> relu -> c",
         "output y = (a, b) -> concat"),
        {"conv": 2},
    ),
    "means of pixels, and numbers per tower": (
        ("a = (x -> conv(4, 3, device = 0)) * 2 -> relu(device = 0) -> global_avgpool -> dense(3, device = 0)",
         "b = (x -> conv(4, 3, device = 1)) * 2 -> relu(device = 1) -> global_avgpool -> dense(3, device = 1)",
         "output y = a + b"),
        {"conv": 1, "relu": 1, "reduce_mean": 1, "matmul": 2},
    ),
}  # fmt: skip


@pytest.mark.parametrize("lines, counts", TOGETHER.values(), ids=list(TOGETHER))
def test_what_is_joined(lines: tuple[str, ...], counts: dict[str, int]) -> None:
    if "for_d" in lines[0]:
        towers_of_three = [
            f"t{d} = x -> conv(2, 3, device = {d}) -> conv(3, 3, device = {d}) -> avgpool(2)" for d in range(3)
        ]
        lines = (*towers_of_three, "output y = (t0, t1, t2) -> concat")
    graph = PassManager().run(net(*lines), [cse.PASS])
    after = joined(graph)
    found: dict[str, Any] = {op: ops(after)[op] for op in counts}
    assert found == counts
    assert_same_results(graph, after)
    assert_same_results(graph, PassManager().run(graph, inference_pipeline()))


def test_dropout_that_is_drawn_on_a_device_keeps_each_towers_numbers() -> None:
    spec = load(TWO.replace("-> relu -> dropout(0.5)", "-> relu -> dropout(0.5, device = 0)", 1)
                .replace("-> relu -> dropout(0.5)\n", "-> relu -> dropout(0.5, device = 1)\n")).train  # fmt: skip
    assert spec is not None
    after = joined(spec.graph)
    assert ops(after)["uniform"] == 2 and ops(after)["matmul"] == 2 and ops(after)["where"] == 1
    assert_same_results(spec.graph, after)
