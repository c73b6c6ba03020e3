"""The mean of whole maps as a pool: where it is made, where not, and that it is computed with the map."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from netlang.backends.reference import evaluate
from netlang.ir.build import Builder
from netlang.ir.dims import Dim, sym
from netlang.ir.graph import Graph, Value
from netlang.ir.verify import verify
from netlang.passes import fuse, global_pool, inference_pipeline
from netlang.passes.manager import PassManager
from tests.nets import Net, kinds, nodes_of, random_inputs, random_params
from tests.passes.golden import check_golden

SAME: dict[str, Any] = {"stride": (1, 1), "pad": ((1, 1), (1, 1)), "dilation": (1, 1)}
Layer = Callable[[Builder, Value], Value]


def net(layer: Layer, *spatial: Dim, channels: int = 4) -> Graph:
    """The mean of a layer of the result of a convolution of 3 channels."""
    made = Net()
    x = made.input("x", sym("N"), 3, *(spatial or (6, 5)))
    make = made.line()
    y = layer(make, make.op("conv", x, made.param(make, "w", channels, 3, 3, 3), **SAME))
    return made.graph(y=make.op("reduce_mean", y, axes=(2, 3)))


LAYERS: Mapping[str, Layer] = {
    "nothing": lambda b, y: y,
    "relu": lambda b, y: b.op("relu", y),
    "bias": lambda b, y: b.op("tanh", b.add(y, b.const(np.arange(4.0).reshape(4, 1, 1), y.dtype))),
    "response": lambda b, y: b.op("local_response_norm", y, size=3),
    "concat": lambda b, y: b.op("concat", y, b.op("relu", y), axis=1),
}


@pytest.mark.parametrize("name", list(LAYERS))
def test_the_mean_becomes_a_pool(name: str) -> None:
    graph = net(LAYERS[name])
    after = global_pool.run(graph)
    verify(after)
    assert not nodes_of(after, "reduce_mean") and len(nodes_of(after, "avg_pool")) == 1
    inputs, params = random_inputs(graph, {"N": 3}), random_params(graph)
    before_it, after_it = (evaluate(g, inputs, params)[0]["y"] for g in (graph, after))
    np.testing.assert_allclose(after_it, before_it, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["nothing", "relu", "bias"])
def test_it_is_part_of_the_convolution(name: str) -> None:
    graph = PassManager().run(net(LAYERS[name]), inference_pipeline())
    assert kinds(graph) == ["fused.conv"]


def test_a_residual_comes_before_it() -> None:
    made = Net()
    x = made.input("x", 2, 3, 6, 5)
    make = made.line()
    y = make.op("conv", x, made.param(make, "w", 3, 3, 3, 3), **SAME)
    y = make.op("reduce_mean", make.op("relu", make.add(x, y)), axes=(2, 3))
    assert kinds(PassManager().run(made.graph(y=y), inference_pipeline())) == ["fused.conv"]


def test_a_map_that_others_read_is_left_alone() -> None:
    made = Net()
    x = made.input("x", 2, 3, 6, 5)
    make = made.line()
    y = make.op("conv", x, made.param(make, "w", 3, 3, 3, 3), **SAME)
    graph = made.graph(y=make.op("reduce_mean", y, axes=(2, 3)), z=make.op("tanh", y))
    assert global_pool.run(graph) is graph


def test_maps_of_unknown_size_and_other_means_are_left_alone() -> None:
    assert nodes_of(global_pool.run(net(LAYERS["relu"], sym("H"), 5)), "reduce_mean")
    made = Net()
    x = made.input("x", 2, 3, 6, 5)
    make = made.line()
    y = make.op("conv", x, made.param(make, "w", 3, 3, 3, 3), **SAME)
    graph = made.graph(y=make.op("reduce_mean", y, axes=(1, 2, 3)))
    assert global_pool.run(graph) is graph
    graph = made.graph(y=make.op("reduce_mean", make.op("exp", x), axes=(2, 3)))
    assert global_pool.run(graph) is graph


def test_golden(update_golden: bool) -> None:
    graph = net(LAYERS["relu"])
    check_golden("global-pool", update_golden, before=graph, after=fuse.run(global_pool.run(graph)))
