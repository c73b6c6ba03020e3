"""The mean over whole maps inside the kernel that makes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from netlang.backends.cpu import Cpu
from netlang.backends.cpu.target import host
from netlang.backends.reference import Reference
from netlang.ir.build import Builder
from netlang.ir.graph import Value
from netlang.passes import fuse, global_pool
from tests.backends.cpu.tiled import assert_close, graph_of, kernels_of, normal

Values = Mapping[str, Value]
SHAPES = [(1, 1), (7, 7), (13, 13), (5, 3), (40, 37)]


@pytest.mark.parametrize("size", SHAPES)
@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("residual", [False, True])
def test_after_a_convolution(size: tuple[int, int], kernel: int, residual: bool) -> None:
    """Bias, residual, ReLU and mean are one kernel, with the same bits for any number of threads."""
    pad = kernel // 2

    def make(b: Builder, v: Values) -> Values:
        y = b.op("conv", v["x"], v["w"], stride=(1, 1), pad=((pad, pad),) * 2, dilation=(1, 1))
        y = b.add(y, b.along(v["bias"], 4, 1))
        y = b.op("relu", b.add(y, v["more"]) if residual else y)
        return {"y": b.op("reduce_mean", y, axes=(2, 3))}

    arrays: dict[str, Any] = {"x": normal(0, 3, 17, *size), "w": normal(1, 49, 17, kernel, kernel)}
    arrays |= {"bias": normal(2, 49)} | ({"more": normal(3, 3, 49, *size)} if residual else {})
    plain = graph_of(make, arrays, fused=False)
    graph = fuse.run(global_pool.run(plain))
    computing = [key for key in kernels_of(graph, host()) if not key.startswith(("pack", "winograd_weights"))]
    assert computing and not any(key.startswith("nest") for key in computing), computing
    wanted = Reference().compile(plain).run(arrays, {})["y"]
    one, two = (Cpu().compile(Cpu().prepare(graph), threads=threads).run(arrays, {})["y"] for threads in (1, 2))
    assert_close(one, wanted, "y")
    assert np.array_equal(one, two)


def test_of_blocked_maps_without_a_copy() -> None:
    """A convolution with a pool writes blocks of channels, and the mean reads them where they are."""

    def make(b: Builder, v: Values) -> Values:
        y = b.op("conv", v["x"], v["w"], stride=(1, 1), pad=((0, 0), (0, 0)), dilation=(1, 1))
        y = b.op("max_pool", y, kernel=(2, 2), stride=(2, 2), pad=((0, 0), (0, 0)), dilation=(1, 1))
        return {"y": b.op("reduce_mean", b.op("relu", y), axes=(2, 3))}

    arrays = {"x": normal(0, 2, 5, 14, 12), "w": normal(1, 64, 5, 1, 1)}
    plain = graph_of(make, arrays, fused=False)
    graph = Cpu().prepare(fuse.run(global_pool.run(plain)))
    last = graph.nodes[-2]
    assert last.attrs.get("kind") == "pool" and last.inputs[0].type.layout
    got = Cpu().compile(graph, threads=2).run(arrays, {})["y"]
    assert_close(got, Reference().compile(plain).run(arrays, {})["y"], "y")
