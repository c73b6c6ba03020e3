"""Convolutions and their gradients in the simulator: small integers, for which every order of sums is exact."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from netlang.backends.base import Options
from netlang.backends.cuda import Cuda
from netlang.backends.cuda.simulator.device import TARGET, Simulator
from netlang.backends.cuda.target import CudaTarget
from netlang.backends.reference import Reference
from netlang.ir.graph import Graph
from netlang.ops.windows import Windows
from netlang.passes.manager import PassManager
from tests.backends.compared import B, feed_of, graph_of, inputs_like

Array = NDArray[Any]
Shape = tuple[int, ...]
Problem = tuple[Graph, dict[str, Array]]
"""A graph and what to feed it with."""
OPS = ("conv", "conv_data_grad", "conv_weight_grad")


def integers(seed: int, shape: Shape, dtype: Any = np.float32) -> Array:
    """Whole numbers from -3 to 3."""
    return np.random.default_rng(seed).integers(-3, 4, shape).astype(dtype)


def normal(seed: int, shape: Shape) -> Array:
    """float32 numbers whose sums are rounded."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def geometry(stride: Any, pad: Any, dilation: Any, groups: int = 1, flip: bool = False) -> dict[str, Any]:
    return {"stride": stride, "pad": pad, "dilation": dilation, "groups": groups, "flip": flip}


def problem(op: str, x: Shape, w: Shape, attrs: dict[str, Any], make: Any = integers, **more: Any) -> Problem:
    """One of OPS, of the convolution of these shapes."""
    y = (x[0], w[0], *Windows.of("conv", attrs, w[2:]).output(x[2:]))
    shapes = {"conv": (x, w), "conv_data_grad": (y, w), "conv_weight_grad": (x, y)}[op]
    extra: dict[str, Any] = {"conv": {}, "conv_data_grad": {"size": x[2:]}, "conv_weight_grad": {"kernel": w[2:]}}[op]
    arrays = [make(seed, shape, **more) for seed, shape in enumerate(shapes)]
    inputs = inputs_like(arrays)
    return graph_of(inputs, B.op(op, *inputs, **attrs, **extra)), feed_of(arrays)


def simulated(
    given: Problem, target: CudaTarget = TARGET, options: Options | None = None
) -> tuple[dict[str, Array], list[str]]:
    """What the simulator makes of a graph, and the keys of the kernels that it runs."""
    graph, feed = given
    backend = Cuda(options, Simulator(target))
    executable = backend.compile(PassManager().run(graph, backend.passes))
    keys = [step.kernel.key for step in (*executable.prologue, *executable.steps)]
    return executable.run(feed, {}), keys


def check(given: Problem, kernel: str, target: CudaTarget = TARGET, options: Options | None = None) -> list[str]:
    """Every element is exact, and a kernel whose key begins so takes part; returns all their keys."""
    want = Reference().compile(given[0]).run(given[1], {})
    got, keys = simulated(given, target, options)
    assert any(key.startswith(kernel) for key in keys), keys
    for name, array in want.items():
        np.testing.assert_array_equal(got[name], array, err_msg=name)
    return keys
