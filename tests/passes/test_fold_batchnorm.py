"""Folding batchnorm into weights: what is folded, what is not, and that the numbers stay."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from netlang.backends.reference import evaluate
from netlang.ir.dims import sym
from netlang.ir.graph import Graph, Value
from netlang.ir.types import DType
from netlang.ir.verify import verify
from netlang.passes import fold_batchnorm
from tests.nets import Net, nodes_of, random_inputs, random_params

N = sym("N")


def batchnorm(net: Net, name: str, x: Value, role: str = "buffer") -> Value:
    make = net.line(name)
    stats = [net.param(make, f"{name}.{p}", x.shape[1]) for p in ("gamma", "beta")]
    stats += [net.param(make, f"{name}.{p}", x.shape[1], role=role) for p in ("mean", "var")]
    return make.op("batchnorm", x, *stats)


def conv_net(channels: int, bias: bool, spatial: int, dtype: DType = DType.F32, **attrs: Any) -> Graph:
    net = Net(dtype=dtype)
    x = net.input("x", N, 4, *(6,) * spatial)
    if attrs:
        make = net.line("conv")
        w = net.param(make, "conv.weight", channels, 4 // attrs.get("groups", 1), *(3,) * spatial)
        ones = (1,) * spatial
        y = make.op("conv", x, w, **{"stride": ones, "pad": ((0, 0),) * spatial, "dilation": ones, **attrs})
    else:
        y = net.conv("conv", x, channels, 3, bias=bias)
    return net.graph(y=net.line("act").op("relu", batchnorm(net, "bn", y)))


def dense_net(transposed: bool, batch: bool = False) -> Graph:
    net = Net()
    x = net.input("x", N, *((4,) if batch else ()), 5)
    if transposed:
        return net.graph(y=batchnorm(net, "bn", net.dense("fc", x, 3)))
    make = net.line("fc")
    w = net.param(make, "fc.weight", 5, 3)
    y = make.op("matmul", x, w)
    return net.graph(y=batchnorm(net, "bn", y))


FOLDED: dict[str, Callable[[], Graph]] = {
    "conv": lambda: conv_net(6, False, 2),
    "conv and bias": lambda: conv_net(6, True, 2),
    "1-D": lambda: conv_net(3, True, 1),
    "grouped": lambda: conv_net(6, False, 2, groups=2),
    "flipped": lambda: conv_net(6, False, 2, flip=True),
    "f64": lambda: conv_net(6, True, 2, DType.F64),
    "dense": lambda: dense_net(True),
    "dense, matrix the other way": lambda: dense_net(False),
}


def twice_read() -> Graph:
    net = Net()
    y = net.conv("conv", net.input("x", N, 2, 6, 6), 3, 3)
    return net.graph(y=batchnorm(net, "bn", y), z=net.line().op("relu", y))


def after_pool() -> Graph:
    net = Net()
    return net.graph(y=batchnorm(net, "bn", net.pool(net.input("x", N, 2, 6, 6))))


def batched_matmul() -> Graph:
    return dense_net(False, batch=True)


def spatial_bias() -> Graph:
    net = Net()
    y = net.conv("conv", net.input("x", N, 2, 6, 6), 3, 3, bias=False)
    y = net.line("map").add(y, net.param(net.line("map"), "map", 3, 4, 4))
    return net.graph(y=batchnorm(net, "bn", y))


SCALED: dict[str, Callable[[], Graph]] = {
    "the conv is read twice": twice_read,
    "after a pool": after_pool,
    "a batch of matrices": batched_matmul,
    "a bias that is a map": spatial_bias,
}


def check(graph: Graph) -> Graph:
    after = fold_batchnorm.run(graph)
    verify(after)
    inputs = random_inputs(graph, {"N": 3})
    params = {k: np.abs(v) + 0.1 if k.endswith(".var") else v for k, v in random_params(graph).items()}
    before, now = evaluate(graph, inputs, params)[0], evaluate(after, inputs, params)[0]
    for name in before:
        np.testing.assert_allclose(now[name], before[name], rtol=1e-4, atol=1e-5)
    assert not nodes_of(after, "batchnorm")
    return after


@pytest.mark.parametrize("name", FOLDED)
def test_folded_into_the_weights(name: str) -> None:
    after = check(FOLDED[name]())
    # Nothing is left to do per element but the linear map, one addition, and the activation.
    mapped = [n.op for n in after.nodes if any(N in t.shape for t in n.types) and n.op != "input"]
    assert mapped[1:2] == ["add"] and set(mapped[2:]) <= {"relu"} and mapped[0] in ("conv", "matmul")


@pytest.mark.parametrize("name", SCALED)
def test_otherwise_one_multiply_add_per_channel(name: str) -> None:
    after = check(SCALED[name]())
    last = after.output("y").node
    assert (last.op, last.inputs[0].node.op) == ("add", "mul")
    assert all(N not in v.shape for v in (last.inputs[1], last.inputs[0].node.inputs[1]))


def test_statistics_that_are_inputs_stay() -> None:
    net = Net()
    x = net.input("x", N, 3)
    stats = [net.input(name, 3) for name in ("gamma", "beta", "mean", "var")]
    graph = net.graph(y=net.line().op("batchnorm", x, *stats))
    assert fold_batchnorm.run(graph) is graph


def test_half_precision_stays() -> None:
    graph = conv_net(6, True, 2, DType.F16)
    assert fold_batchnorm.run(graph) is graph


def test_training_batchnorm_stays() -> None:
    net = Net()
    x = net.input("x", N, 3)
    gamma, beta = net.input("gamma", 3), net.input("beta", 3)
    graph = net.graph(y=net.line().op("batchnorm_train", x, gamma, beta))
    assert fold_batchnorm.run(graph) is graph
