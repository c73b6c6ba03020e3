"""The chain rule: values against finite differences, and what the derived graph looks like."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from netlang.backends.reference import evaluate
from netlang.ir.build import Builder
from netlang.ir.dims import sym
from netlang.ir.gradient import ORIGIN, adjoints, gradients
from netlang.ir.graph import Graph, Value, topological
from netlang.ir.opdef import ShapeError
from netlang.ir.text import print_graph
from netlang.ir.types import DType
from netlang.passes import fuse
from netlang.passes.autodiff import differentiate
from tests.nets import Array, Net, lenet5, random_inputs, random_params, span, tensor

F64 = DType.F64


def value_of(outputs: Sequence[Value], inputs: dict[Value, Array]) -> list[Array]:
    graph = Graph("test", tuple(inputs), (), tuple((str(i), v) for i, v in enumerate(outputs)))
    found, _ = evaluate(graph, {v.node.name: a for v, a in inputs.items()})
    return [found[str(i)] for i in range(len(outputs))]


def x_input(*shape: int) -> tuple[Builder, Value, Array]:
    b = Builder((span(1),), "layer")
    return b, b.input("x", tensor(*shape, dtype=F64)), np.random.default_rng(0).normal(size=shape)


def test_chain() -> None:
    b, x, at = x_input(3)
    y = b.sum(b.op("tanh", b.mul(x, x)), (0,))
    (dx,) = value_of(gradients(y, [x]), {x: at})
    np.testing.assert_allclose(dx, (1 - np.tanh(at**2) ** 2) * 2 * at)


def test_fan_out_sums_all_readers() -> None:
    b, x, at = x_input(4)
    y = b.sum(b.add(b.mul(x, x), b.add(b.op("exp", x), x)), (0,))
    (dx,) = value_of(gradients(y, [x]), {x: at})
    np.testing.assert_allclose(dx, 2 * at + np.exp(at) + 1)


def test_broadcasting_is_summed_back() -> None:
    b, x, at = x_input(1, 3)
    wide = b.input("wide", tensor(2, 5, 3, dtype=F64))
    given = np.random.default_rng(1).normal(size=(2, 5, 3))
    y = b.sum(b.mul(x, wide), (0, 1, 2))
    (dx,) = value_of(gradients(y, [x]), {x: at, wide: given})
    np.testing.assert_allclose(dx, given.sum((0, 1))[None])


def test_gradient_of_a_gradient() -> None:
    b, x, at = x_input(3)
    y = b.sum(b.mul(b.mul(x, x), b.op("sigmoid", x)), (0,))
    (first,) = gradients(y, [x])
    (second,) = gradients(b.sum(first, (0,)), [x])
    (third,) = gradients(b.sum(second, (0,)), [x])
    found = value_of([second, third], {x: at})
    s = 1 / (1 + np.exp(-at))
    d1, d2 = s * (1 - s), s * (1 - s) * (1 - 2 * s)
    d3 = d1 * ((1 - 2 * s) ** 2 - 2 * d1)
    np.testing.assert_allclose(found[0], 2 * s + 4 * at * d1 + at**2 * d2)
    np.testing.assert_allclose(found[1], 6 * d1 + 6 * at * d2 + at**2 * d3)


def test_by_intermediate_values_and_by_itself() -> None:
    b, x, at = x_input(3)
    h = b.op("exp", x)
    y = b.sum(b.mul(h, h), (0,))
    dh, dx, dy = value_of(gradients(y, [h, x, y]), {x: at})
    np.testing.assert_allclose(dh, 2 * np.exp(at))
    np.testing.assert_allclose(dx, 2 * np.exp(2 * at))
    assert dy == 1


def test_seed_weighs_a_tensor() -> None:
    b, x, at = x_input(2, 3)
    seed = b.input("seed", tensor(2, 3, dtype=F64))
    weights = np.arange(6.0).reshape(2, 3)
    (dx,) = value_of(gradients(b.mul(x, x), [x], seed=seed), {x: at, seed: weights})
    np.testing.assert_allclose(dx, 2 * at * weights)


def test_unreached_values_have_zeros_and_no_adjoint() -> None:
    b, x, at = x_input(2, 3)
    other = b.input("other", tensor(4, dtype=F64))
    y = b.sum(b.add(x, b.op("stop_gradient", b.mul(x, x))), (0, 1))
    blocked = b.sum(b.op("stop_gradient", x), (0, 1))
    assert adjoints(y, [other]) == [None]
    assert adjoints(blocked, [x]) == [None]
    zero, one = value_of(gradients(y, [other, x]), {x: at, other: np.ones(4)})
    assert np.array_equal(zero, np.zeros(4)) and np.array_equal(one, np.ones((2, 3)))


def test_symbolic_batch() -> None:
    b = Builder()
    x = b.input("x", tensor(sym("N"), 2, dtype=F64))
    y = b.op("reduce_mean", b.mul(x, x), axes=(0, 1))
    (dx,) = value_of(gradients(y, [x]), {x: np.ones((5, 2))})
    np.testing.assert_allclose(dx, np.full((5, 2), 0.2))


def test_only_needed_gradients_are_derived() -> None:
    net = Net(dtype=F64)
    x = net.input("x", 2, 3, 6, 6)
    w = net.param(net.line("a"), "w", 4, 3, 3, 3)
    y = net.line("a").op("conv", x, w, stride=(1, 1), pad=((0, 0), (0, 0)), dilation=(1, 1))
    loss = net.line("loss").sum(y, (0, 1, 2, 3))
    ops = {node.op for node in topological(gradients(loss, [w]))}
    assert "conv_weight_grad" in ops and "conv_data_grad" not in ops


def test_gradient_nodes_say_where_they_come_from() -> None:
    graph = differentiate(lenet5(train=True))
    made = [node for node in graph.nodes if node.origin == ORIGIN]
    assert made and all(node.spans for node in made)
    (weight_grad,) = {v.node for n, v in graph.outputs if n == "grad.conv2.weight"}
    assert weight_grad.op == "conv_weight_grad"
    assert weight_grad.name == "conv2" and weight_grad.spans == graph.param("conv2.weight").node.spans


def test_the_derived_graph_is_always_the_same() -> None:
    assert print_graph(differentiate(lenet5(train=True))) == print_graph(differentiate(lenet5(train=True)))


def test_deep_chains_do_not_exhaust_the_stack() -> None:
    b, x, at = x_input(1)
    y = x
    for _ in range(5000):
        y = b.neg(y)
    (dx,) = value_of(gradients(b.sum(y, (0,)), [x]), {x: at})
    assert dx == 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda b, x: gradients(x, [x]), r"needs a scalar to differentiate, got \[2, 3\]"),
        (lambda b, x: gradients(b.op("argmax", b.reshape(x, (6,)), axis=0), [x]), "floating-point tensors, got i64"),
        (lambda b, x: gradients(b.sum(x, (0, 1)), [b.input("i", tensor(2, dtype=DType.I64))]), "by floating-point"),
        (lambda b, x: gradients(x, [x], seed=b.sum(x, (0,))), r"the seed of a gradient must be f64\[2, 3\]"),
    ],
)
def test_what_cannot_be_differentiated_is_refused(make: object, message: str) -> None:
    b, x, _ = x_input(2, 3)
    assert callable(make)
    with pytest.raises(ShapeError, match=message):
        make(b, x)


def test_a_fused_graph_is_refused_instead_of_given_zeros() -> None:
    graph = fuse.run(lenet5(train=True))
    with pytest.raises(AssertionError, match="before it is fused"):
        differentiate(graph)


def test_lenet5_against_finite_differences() -> None:
    graph = differentiate(lenet5(train=True, size=20, dtype=F64))
    params, inputs = random_params(graph), random_inputs(graph, {"N": 2})
    found, _ = evaluate(graph, inputs, params)
    rng = np.random.default_rng(5)
    for name, value in params.items():
        along = rng.normal(size=value.shape)
        step = 1e-6
        ahead, _ = evaluate(graph, inputs, {**params, name: value + step * along})
        behind, _ = evaluate(graph, inputs, {**params, name: value - step * along})
        numeric = float(ahead["loss"] - behind["loss"]) / (2 * step)
        np.testing.assert_allclose((found[f"grad.{name}"] * along).sum(), numeric, rtol=1e-5, atol=1e-7, err_msg=name)
