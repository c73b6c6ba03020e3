"""Gradients of convolutions by tiled products in the simulator."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from netlang.backends.base import Options
from netlang.backends.cuda.simulator.device import TARGET
from netlang.backends.cuda.target import CudaTarget
from netlang.passes import fuse
from tests.backends.compared import B, feed_of, graph_of, inputs_like
from tests.backends.cuda.simulated.convolutions import check, geometry, integers, normal, problem, simulated

SAME = ((1, 1), (1, 1))
NONE = ((0, 0), (0, 0))
OLD = replace(TARGET, arch="75")
CASES = {
    "3 x 3, more than one tile each way": ((1, 5, 4, 6), (33, 5, 3, 3), geometry((1, 1), SAME, (1, 1))),
    "1 x 1, by chunks": ((2, 33, 4, 4), (17, 33, 1, 1), geometry((1, 1), NONE, (1, 1))),
    "1 x 1, number by number": ((3, 5, 3, 5), (4, 5, 1, 1), geometry((1, 1), NONE, (1, 1))),
    "1 x 1 with a stride": ((2, 4, 5, 6), (9, 4, 1, 1), geometry((2, 2), NONE, (1, 1))),
    "1 x 1 with padding": ((1, 4, 2, 2), (9, 4, 1, 1), geometry((1, 1), SAME, (1, 1))),
    "strides and dilation": ((2, 3, 9, 11), (7, 3, 3, 2), geometry((2, 3), ((1, 0), (2, 1)), (2, 1))),
    "flipped": ((2, 3, 5, 4), (6, 3, 2, 3), geometry((1, 1), SAME, (1, 1), 1, True)),
    "two large groups": ((1, 20, 4, 4), (18, 10, 2, 2), geometry((1, 1), SAME, (1, 1), 2)),
    "one axis": ((3, 5, 21), (4, 5, 4), geometry((2,), ((1, 2),), (2,))),
    "one pixel": ((1, 3, 3, 3), (2, 3, 3, 3), geometry((1, 1), NONE, (1, 1))),
}


@pytest.mark.parametrize("target", [TARGET, OLD], ids=["asynchronous", "through registers"])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_weight_gradient(case: Any, target: CudaTarget) -> None:
    x, w, attrs = case
    keys = check(problem("conv_weight_grad", x, w, attrs), "weight_gradient:float32", target)
    assert keys[1].startswith("split_sum:")


@pytest.mark.parametrize(
    ("precision", "target"), [("tf32", TARGET), ("bf16", TARGET), ("f16", TARGET), ("f16", OLD)], ids=str
)
def test_weight_gradient_on_tensor_cores(precision: Any, target: CudaTarget) -> None:
    x, w, attrs = CASES["strides and dilation"]
    options = Options(precision=precision)
    check(problem("conv_weight_grad", x, w, attrs), f"weight_gradient:{precision}", target, options)


LARGE = ((3, 2, 9, 10), (3, 2, 3, 3), geometry((1, 1), SAME, (1, 1)))


def test_several_parts_of_the_pixels() -> None:
    """270 pixels are nine stages, in two parts; the last one ends in the middle of a stage."""
    x, w, attrs = LARGE
    check(problem("conv_weight_grad", x, w, attrs), "weight_gradient:")


def test_the_same_bits_in_every_run_and_in_every_tile() -> None:
    x, w, attrs = LARGE
    given = problem("conv_weight_grad", x, w, attrs, normal)
    runs = [simulated(given, target) for target in (TARGET, TARGET, replace(TARGET, arch="90", small=False))]
    (first, keys), (second, _), (third, other_keys) = runs
    assert keys[0] != other_keys[0]
    assert first["y0"].tobytes() == second["y0"].tobytes() == third["y0"].tobytes()


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_data_gradient(case: Any) -> None:
    """A product for each phase of the stride, with the weights read backwards."""
    x, w, attrs = case
    keys = check(problem("conv_data_grad", x, w, attrs), "conv:")
    assert sum(key.startswith("conv:") for key in keys) <= np.prod(attrs["stride"])


def test_a_data_gradient_of_all_phases_with_a_mask() -> None:
    """What a ReLU before the convolution makes of it: zeros where x is not above zero."""
    arrays = [integers(0, (2, 5, 3, 3)), integers(1, (5, 4, 3, 2)), integers(2, (2, 4, 5, 7))]
    dy, w, x = inputs = inputs_like(arrays)
    dx = B.op("conv_data_grad", dy, w, size=(5, 7), **geometry((2, 3), ((1, 1), (1, 0)), (1, 1)))
    zero = B.scalar(0, dx)
    graph = fuse.run(graph_of(inputs, B.op("where", B.op("gt", x, zero), dx, zero)))
    keys = check((graph, feed_of(arrays)), "conv:")
    assert [("conv:" in key, "mask" in key) for key in keys if not key.startswith("conv_pack")] == [(True, True)] * 6
