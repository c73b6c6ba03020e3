"""Gradients of convolutions by tiled products in the simulator."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from netlang.backends.base import Options
from netlang.backends.cuda.kernels import split_sums
from netlang.backends.cuda.simulator import Memory, SimulationError, run
from netlang.backends.cuda.simulator.device import TARGET
from netlang.backends.cuda.target import CudaTarget
from netlang.backends.cuda.tiles import weight_gradient
from netlang.backends.cuda.tiles.part_sums import part_sums
from netlang.passes import fuse
from tests.backends.compared import B, feed_of, graph_of, inputs_like
from tests.backends.cuda.simulated.convolutions import Array, check, geometry, integers, normal, problem, simulated

SAME = ((1, 1), (1, 1))
NONE = ((0, 0), (0, 0))
OLD = replace(TARGET, arch="75")
CASES = {
    "3 x 3, more than one tile each way": ((1, 5, 4, 6), (33, 5, 3, 3), geometry((1, 1), SAME, (1, 1))),
    "1 x 1, by chunks": ((2, 33, 4, 4), (17, 33, 1, 1), geometry((1, 1), NONE, (1, 1))),
    "1 x 1, number by number": ((3, 5, 3, 5), (4, 5, 1, 1), geometry((1, 1), NONE, (1, 1))),
    "1 x 1 with a stride": ((2, 4, 5, 6), (9, 4, 1, 1), geometry((2, 2), NONE, (1, 1))),
    "1 x 1 with a stride and a wide result": ((2, 4, 7, 4), (9, 4, 1, 1), geometry((2, 1), NONE, (1, 1))),
    "1 x 1 with padding behind": ((1, 4, 3, 4), (2, 4, 1, 1), geometry((1, 1), ((0, 1), (0, 0)), (1, 1))),
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
    check(problem("conv_weight_grad", x, w, attrs), "weight_gradient:float32", target)


@pytest.mark.parametrize(
    ("precision", "target"), [("tf32", TARGET), ("bf16", TARGET), ("f16", TARGET), ("f16", OLD)], ids=str
)
@pytest.mark.parametrize("name", ["strides and dilation", "1 x 1, by chunks"])
def test_weight_gradient_on_tensor_cores(name: str, precision: Any, target: CudaTarget) -> None:
    x, w, attrs = CASES[name]
    options = Options(precision=precision)
    check(problem("conv_weight_grad", x, w, attrs), f"weight_gradient:{precision}", target, options)


LARGE = ((3, 2, 9, 10), (3, 2, 3, 3), geometry((1, 1), SAME, (1, 1)))


@pytest.mark.parametrize(("few", "adding"), [(16, "part_sums:"), (2000, "split_sum:")])
def test_several_parts_of_the_pixels(few: int, adding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """270 pixels are nine stages, in two parts; the last one ends in the middle of a stage."""
    x, w, attrs = LARGE
    monkeypatch.setattr(split_sums, "_FEW", few)
    assert check(problem("conv_weight_grad", x, w, attrs), "weight_gradient:")[1].startswith(adding)


def test_the_same_bits_in_every_run_and_in_every_tile() -> None:
    x, w, attrs = LARGE
    given = problem("conv_weight_grad", x, w, attrs, normal)
    runs = [simulated(given, target) for target in (TARGET, TARGET, replace(TARGET, arch="90", small=False))]
    (first, keys), (second, _), (third, other_keys) = runs
    assert keys[0] != other_keys[0]
    assert first["y0"].tobytes() == second["y0"].tobytes() == third["y0"].tobytes()


def test_many_parts_are_added_up_in_slices() -> None:
    """Eleven parts by eight warps: some have one part, some two; 70 results are more than two blocks' worth."""
    memory, (count, parts) = Memory(), (70, 11)
    source, out = memory.allocate(parts * count * 4), memory.allocate(count * 4)
    numbers = integers(0, (parts, count))
    memory.view(source, np.float32, numbers.shape)[...] = numbers
    for slices in (1, 8):
        kernel = part_sums(32 * slices)
        run(kernel.source(), (source, out, count, parts), (3, 1, 1), kernel.threads, memory, kernel.shared)
        np.testing.assert_array_equal(memory.view(out, np.float32, (count,)), numbers.sum(0))


MISTAKES = {
    "a row below the image": ("< u32(height)", "<= u32(height)"),
    "a column beside the image": ("< u32(width)", "<= u32(width)"),
    "a pixel too many": ("< u32(total)", "<= u32(total)"),
    "the image before": ("i64(image) * a_image", "i64(image - 1) * a_image"),
    "an output channel too many": ("row <= a_last", "row <= i32(a_last + 1)"),
    "a weight too many": ("column <= b_last", "column <= i32(b_last + 1)"),
    "a tap of the next row": ("i32(row + down)", "i32(row + across)"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right, wrong = MISTAKES[name]
    source = weight_gradient._source

    def mistaken(structure: Any) -> str:
        text = source(structure)
        assert right in text
        return text.replace(right, wrong)

    monkeypatch.setattr(weight_gradient, "_source", mistaken)
    given = problem("conv_weight_grad", (2, 3, 5, 3), (5, 3, 3, 3), geometry((1, 1), SAME, (1, 1)), positive)
    with pytest.raises((AssertionError, SimulationError)):
        check(given, "weight_gradient:")


def positive(seed: int, shape: tuple[int, ...]) -> Array:
    return integers(seed, shape) + 4


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_data_gradient(case: Any) -> None:
    """A product for each phase of the stride, with the weights read backwards."""
    x, w, attrs = case
    keys = check(problem("conv_data_grad", x, w, attrs), "conv")
    # In one launch each, or in parts that a second one adds up.
    assert 1 <= sum(key.startswith(("conv:", "conv_parts:")) for key in keys) <= np.prod(attrs["stride"])


def test_a_data_gradient_of_all_phases_with_a_mask() -> None:
    """What a ReLU before the convolution makes of it: zeros where x is not above zero."""
    arrays = [integers(0, (2, 5, 3, 3)), integers(1, (5, 4, 3, 2)), integers(2, (2, 4, 5, 7))]
    dy, w, x = inputs = inputs_like(arrays)
    dx = B.op("conv_data_grad", dy, w, size=(5, 7), **geometry((2, 3), ((1, 1), (1, 0)), (1, 1)))
    zero = B.scalar(0, dx)
    graph = fuse.run(graph_of(inputs, B.op("where", B.op("gt", x, zero), dx, zero)))
    keys = check((graph, feed_of(arrays)), "conv:")
    assert [("conv:" in key, "mask" in key) for key in keys if not key.startswith("conv_pack")] == [(True, True)] * 6


def test_parts_of_a_concatenation_are_written_and_read_where_they_lie() -> None:
    arrays = [integers(0, (2, 3, 4, 5)), integers(1, (3, 1, 3, 3)), integers(2, (4, 3, 3, 3))]
    x, w1, w2 = inputs = inputs_like(arrays)
    same = geometry((1, 1), SAME, (1, 1))
    small, large = B.op("conv", x, w1, **{**same, "groups": 3}), B.op("conv", x, w2, **same)
    whole = B.op("relu", B.op("concat", small, large, axis=1))
    first, rest = (B.op("slice", whole, axis=1, start=a, stop=b) for a, b in ((0, 3), (3, 7)))
    results = [
        whole,
        B.op("conv_weight_grad", x, first, kernel=(3, 3), **{**same, "groups": 3}),
        B.op("conv_weight_grad", rest, x, kernel=(3, 3), **same),
    ]
    keys = check((graph_of(inputs, *results), feed_of(arrays)), "weight_gradient:")
    assert not any("copy" in key for key in keys), keys
