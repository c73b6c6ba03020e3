"""Max pools move up over what is monotone, and keep switches for their gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from netlang.backends.reference import evaluate
from netlang.ir.build import Builder
from netlang.ir.graph import Graph, Value
from netlang.ir.types import DType
from netlang.ir.verify import verify
from netlang.passes import switches
from netlang.passes.autodiff import differentiate
from netlang.passes.commute import commute
from netlang.passes.optimizer import training_step
from tests.nets import SGD, Net, lenet5, nodes_of, random_inputs, random_params, same_bits, spec


def pooled(step: Callable[[Net, Value], Value], **pool: Any) -> Graph:
    net = Net()
    x = net.input("x", 2, 3, 6, 6)
    return net.graph(y=net.pool(step(net, x), **pool))


def order(graph: Graph) -> list[str]:
    return [n.op for n in graph.nodes if n.op not in ("input", "param", "const", "reshape", "broadcast")]


def unary(op: str, **attrs: Any) -> Callable[[Net, Value], Value]:
    return lambda net, x: net.line(op).op(op, x, **attrs)


def same_result(before: Graph, after: Graph) -> None:
    verify(after)
    inputs, params = random_inputs(before, {"N": 3}), random_params(before)
    assert same_bits(evaluate(before, inputs, params)[0], evaluate(after, inputs, params)[0])


@pytest.mark.parametrize(
    ("op", "attrs"),
    [("relu", {}), ("sigmoid", {}), ("tanh", {}), ("softplus", {}), ("leaky_relu", {}), ("elu", {"alpha": 0.5})],
)
def test_monotone_activations_move_behind_the_pool(op: str, attrs: dict[str, Any]) -> None:
    before = pooled(unary(op, **attrs))
    after = commute(before)
    assert order(after) == ["max_pool", op]
    same_result(before, after)


@pytest.mark.parametrize(
    ("op", "attrs"),
    [("gelu", {}), ("neg", {}), ("abs", {}), ("leaky_relu", {"slope": -0.1}), ("elu", {"alpha": -1.0})],
)
def test_others_stay(op: str, attrs: dict[str, Any]) -> None:
    graph = pooled(unary(op, **attrs))
    assert commute(graph) is graph


def bias_of(shape: tuple[int, ...], full: bool = False) -> Callable[[Net, Value], Value]:
    def step(net: Net, x: Value) -> Value:
        make = net.line("bias")
        b = make.reshape(net.param(make, "b", 3), shape)
        return make.add(make.broadcast(b, x.shape) if full else b, x)

    return step


@pytest.mark.parametrize("shape", [(1, 3, 1, 1), (3, 1, 1)])
@pytest.mark.parametrize("full", [False, True])
def test_a_bias_per_channel_moves_too(shape: tuple[int, ...], full: bool) -> None:
    before = pooled(bias_of(shape, full))
    after = commute(before)
    assert order(after) == ["max_pool", "add"]
    same_result(before, after)


def test_an_addition_that_varies_over_the_map_stays() -> None:
    def step(net: Net, x: Value) -> Value:
        return net.line().add(x, net.param(net.line(), "p", 6))

    graph = pooled(step)
    assert commute(graph) is graph


def test_a_product_stays_for_its_factor_may_be_negative() -> None:
    def step(net: Net, x: Value) -> Value:
        make = net.line()
        return make.mul(x, make.along(net.param(make, "g", 3), 4, 1))

    graph = pooled(step)
    assert commute(graph) is graph


def test_what_others_read_or_leaves_the_graph_stays() -> None:
    net = Net()
    x = net.input("x", 2, 3, 6, 6)
    h = net.line().op("relu", x)
    twice = net.graph(y=net.pool(h), z=net.line().neg(h))
    assert commute(twice) is twice
    escaping = net.graph(y=net.pool(h), h=h)
    assert commute(escaping) is escaping


def test_windows_that_may_be_all_padding_keep_the_order() -> None:
    # Taps eight apart on a map of six: none of a window's two need hit it.
    graph = pooled(unary("relu"), pad=((5, 6), (0, 0)), dilation=(8, 1))
    assert commute(graph) is graph
    fine = pooled(unary("relu"), kernel=(3, 3), pad=((1, 1), (1, 1)))
    assert order(commute(fine)) == ["max_pool", "relu"]
    same_result(fine, commute(fine))


def test_pools_in_a_row_all_move() -> None:
    def step(net: Net, x: Value) -> Value:
        first = net.pool(net.line().op("relu", x), stride=(1, 1))
        return net.line().op("tanh", net.line().op("relu", first))

    before = pooled(step)
    after = commute(before)
    assert order(after) == ["max_pool", "max_pool", "relu", "relu", "tanh"]
    same_result(before, after)


def test_lenet5_inference_is_the_same_bit_for_bit() -> None:
    before = lenet5()
    after = switches.run(before)
    assert order(after)[:4] == ["conv", "max_pool", "add", "relu"]
    same_result(before, after)


def test_a_pool_with_a_gradient_gets_a_switch_and_both_graphs_agree() -> None:
    before = training_step(spec(lenet5(train=True, size=20), SGD))
    after = switches.run(before)
    verify(after)
    assert not nodes_of(after, "max_pool") and not nodes_of(after, "max_pool_grad")
    inputs, params = random_inputs(before, {"N": 3}), random_params(before)
    for a, b in zip(evaluate(before, inputs, params), evaluate(after, inputs, params), strict=True):
        assert same_bits(a, b)


def test_the_map_before_the_pool_is_read_by_the_pool_only() -> None:
    graph = switches.run(training_step(spec(lenet5(train=True), SGD)))
    for conv in nodes_of(graph, "conv"):
        assert [n.op for n in graph.uses[conv.out]] == ["max_pool_switch"]
        assert conv.out not in graph.escaping


def test_two_gradients_share_one_switch() -> None:
    net = Net()
    x = net.input("x", 2, 3, 6, 6)
    y = net.pool(x)
    b = Builder()
    attrs = dict(y.node.attrs)
    grads = [b.op("max_pool_grad", x, y, g, **attrs) for g in (b.neg(y), b.op("exp", y))]
    before = net.graph(y=y, one=grads[0], two=grads[1])
    after = switches.run(before)
    assert len(nodes_of(after, "max_pool_switch")) == 1 and len(nodes_of(after, "max_unpool")) == 2
    same_result(before, after)


def test_a_gradient_of_another_pool_is_left_alone() -> None:
    net = Net()
    x = net.input("x", 2, 3, 6, 6)
    y = net.pool(x)
    dx = Builder().op("max_pool_grad", net.line().neg(x), y, y, **dict(y.node.attrs))
    graph = net.graph(y=y, dx=dx)
    assert switches.run(graph) is graph


def test_gradients_agree_with_those_before_moving() -> None:
    graph = lenet5(train=True, size=20, dtype=DType.F64)
    before, after = differentiate(graph), differentiate(commute(graph))
    inputs, params = random_inputs(before, {"N": 2}), random_params(before)
    one, two = evaluate(before, inputs, params)[0], evaluate(after, inputs, params)[0]
    for name, value in one.items():
        np.testing.assert_allclose(two[name], value, rtol=1e-10, atol=1e-12)
