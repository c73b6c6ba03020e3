"""Convolutions in small groups and their gradients in the simulator."""

from __future__ import annotations

from typing import Any

import pytest

from netlang.backends.cuda.simulator import SimulationError
from netlang.backends.cuda.tiles import depthwise, depthwise_gradient
from netlang.ir.graph import Graph, Value
from netlang.passes import fuse
from tests.backends.compared import B, feed_of, graph_of, inputs_like
from tests.backends.cuda.simulated.convolutions import (
    OPS,
    Array,
    check,
    geometry,
    integers,
    normal,
    problem,
    simulated,
)

KERNELS = {"conv": "depthwise:", "conv_data_grad": "depthwise:", "conv_weight_grad": "depthwise_gradient:"}
SAME = ((1, 1), (1, 1))
CASES = {
    "depthwise": ((2, 3, 5, 9), (3, 1, 3, 3), geometry((1, 1), SAME, (1, 1), 3)),
    "strided": ((1, 2, 9, 11), (2, 1, 3, 5), geometry((2, 3), ((1, 0), (2, 2)), (1, 1), 2)),
    "gaps": ((1, 2, 7, 8), (2, 1, 1, 2), geometry((3, 4), ((0, 0), (1, 0)), (1, 1), 2, True)),
    "two inputs and three outputs each": ((2, 4, 6, 7), (6, 2, 3, 2), geometry((1, 1), SAME, (1, 2), 2, True)),
    "one axis": ((3, 4, 20), (8, 1, 4), geometry((2,), ((1, 2),), (2,), 4)),
    "one place": ((2, 2, 1, 1), (2, 1, 3, 3), geometry((1, 1), SAME, (1, 1), 2)),
}


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_small_groups(op: str, case: Any) -> None:
    x, w, attrs = case
    check(problem(op, x, w, attrs), KERNELS[op])


@pytest.mark.parametrize("op", OPS)
def test_groups_that_are_too_large_for_these_kernels(op: str) -> None:
    _, keys = simulated(problem(op, (1, 32, 3, 3), (32, 16, 2, 2), geometry((1, 1), SAME, (1, 1), 2)))
    assert not any(key.startswith("depthwise") for key in keys)


def test_a_weight_gradient_of_several_parts_and_kernel_rows() -> None:
    """The kernel's 3 x 33 taps are more than a thread has sums; the batch is enough for two parts."""
    attrs = geometry((1, 1), ((1, 1), (16, 16)), (1, 1), 2)
    given = problem("conv_weight_grad", (2, 2, 14, 80), (2, 1, 3, 33), attrs)
    keys = check(given, "depthwise_gradient:")
    assert keys[1].startswith("part_sums:")
    rounded = problem("conv_weight_grad", (2, 2, 14, 80), (2, 1, 3, 3), geometry((1, 1), SAME, (1, 1), 2), normal)
    (first, _), (second, _) = simulated(rounded), simulated(rounded)
    assert first["y0"].tobytes() == second["y0"].tobytes()


def fused(*results: Value, arrays: Any, inputs: Any) -> Any:
    graph: Graph = fuse.run(graph_of(inputs, *results))
    assert [n.op for n in graph.nodes if n.op not in ("input", "const")] == ["fused"]
    return graph, feed_of(arrays)


def test_what_follows_is_computed_before_anything_is_stored() -> None:
    arrays = [integers(0, (2, 3, 5, 6)), integers(1, (3, 1, 3, 3)), integers(2, (3,)), integers(3, (2, 3, 5, 6))]
    x, w, bias, other = inputs = inputs_like(arrays)
    y = B.op("conv", x, w, **geometry((1, 1), SAME, (1, 1), 3))
    y = B.op("add", y, B.op("broadcast", B.op("reshape", bias, shape=(1, 3, 1, 1)), shape=y.shape))
    y = B.op("relu", B.op("add", y, other))
    check(fused(y, arrays=arrays, inputs=inputs), "depthwise:")


@pytest.mark.parametrize("bits", [False, True], ids=["values", "bits"])
def test_a_data_gradient_with_a_mask(bits: bool) -> None:
    arrays: list[Array] = [integers(0, (2, 3, 3, 3)), integers(1, (3, 1, 3, 3)), integers(2, (2, 3, 6, 5))]
    arrays[2] = arrays[2] > 0 if bits else arrays[2]
    dy, w, x = inputs = inputs_like(arrays)
    dx = B.op("conv_data_grad", dy, w, size=(6, 5), **geometry((2, 2), SAME, (1, 1), 3))
    zero = B.scalar(0, dx)
    result = B.op("where", x if bits else B.op("gt", x, zero), dx, zero)
    check(fused(result, arrays=arrays, inputs=inputs), "depthwise:")


MISTAKES = {
    "conv": {
        "a row below the image": ("u32(row) < u32(height)", "u32(row) <= u32(height)"),
        "a column beside the image": ("< u32(width)", "<= u32(width)"),
        "a cell too many": ("index >= u32(cells)", "index > u32(cells)"),
        "a result beside the map": ("column < out_width", "column <= out_width"),
        "the channel after": ("i64(group) * i64(per_in)", "i64(group + 1) * i64(per_in)"),
    },
    "conv_weight_grad": {
        "a row below the image": ("u32(row) < u32(height)", "u32(row) <= u32(height)"),
        "a column beside the image": ("< u32(width)", "<= u32(width)"),
        "a column beside dy": ("< out_width", "<= out_width"),
        "the same image for all": ("i64(image) * x_image", "i64(0) * x_image"),
        "a lane left out": ("i32(16))", "i32(0))"),
    },
}


@pytest.mark.parametrize(("op", "name"), [(op, name) for op, found in MISTAKES.items() for name in found])
def test_a_mistake_is_found(op: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module, (right, wrong) = {"conv": depthwise, "conv_weight_grad": depthwise_gradient}[op], MISTAKES[op][name]
    source = module._source

    def mistaken(structure: Any) -> str:
        text = source(structure)
        assert right in text
        return text.replace(right, wrong)

    monkeypatch.setattr(module, "_source", mistaken)
    given = problem(op, (2, 3, 5, 6), (3, 1, 3, 3), geometry((1, 1), SAME, (1, 1), 3), positive)
    with pytest.raises((AssertionError, SimulationError)):
        check(given, KERNELS[op])


def positive(seed: int, shape: tuple[int, ...]) -> Array:
    return integers(seed, shape) + 4
