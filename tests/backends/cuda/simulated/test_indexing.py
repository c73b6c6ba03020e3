"""Gather, scatter_add, take_along, put_along, argmax, topk and resampling in the simulator."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from netlang.backends.common.steps import evaluated
from netlang.backends.cpu import Cpu
from netlang.backends.cuda.kernels import indexing
from netlang.backends.cuda.steps import Launch
from netlang.ir.build import make_node
from netlang.ir.dims import sym
from netlang.ir.types import DType, TensorType
from tests.backends.compared import Array, B, assert_same, feed_of, graph_of, inputs_like
from tests.backends.cuda.simulated.against_reference import check, compiled
from tests.backends.cuda.simulated.single_ops import check_op, check_sample, normal, samples, ties

OPS = (
    *("gather", "scatter_add", "take_along", "put_along", "scatter_along", "cumsum", "topk", "argmax"),
    *("resample", "resample_grad"),
)


@pytest.mark.parametrize("op", OPS)
def test_samples(op: str) -> None:
    for sample in samples(op):
        check_sample(op, sample)


@pytest.mark.parametrize("dtype, tolerance", [(np.float64, 1e-12), (np.float16, 4e-3), (ml_dtypes.bfloat16, 3e-2)])
@pytest.mark.parametrize("op", OPS)
def test_element_types(op: str, dtype: Any, tolerance: float) -> None:
    for sample in samples(op)[2:4]:
        check_sample(op, sample, dtype, tolerance)


@pytest.mark.parametrize("dtype", [np.bool_, np.int8, np.int32, np.int64])
def test_what_is_no_float_is_moved(dtype: Any) -> None:
    x = np.arange(24).reshape(2, 3, 4).astype(dtype)
    check_op("gather", [x, np.array([[2, 0], [1, 1]])], {"axis": 1})
    indices = np.array([[[1, 2, 0, 1]], [[0, 0, 2, 1]]], np.int32)
    check_op("take_along", [x, indices], {"axis": 1})
    check_op("scatter_along", [x, indices, (x[:, :1] == 0).astype(dtype)], {"axis": 1, "reduction": "set"})


@pytest.mark.parametrize("dtype", [np.int8, np.int32, np.int64])
def test_sums_and_maxima_of_integers(dtype: Any) -> None:
    x = np.random.default_rng(0).integers(-100, 100, (2, 5, 3)).astype(dtype)
    check_op("scatter_add", [x, np.array([1, 0, 1, 1, 2])], {"axis": 1, "size": 4})
    check_op("put_along", [x, np.abs(x.astype(np.int64)) % 4], {"axis": 1, "size": 4})
    for reduction in ("set", "add", "mul", "max", "min"):
        indices = np.abs(x[:, :4].astype(np.int64)) % 3
        check_op("scatter_along", [x, indices, x[:, 1:]], {"axis": 1, "reduction": reduction})
    check_op("cumsum", [x], {"axis": 1})
    check_op("argmax", [x], {"axis": 1, "keepdims": False})
    check_op("topk", [x], {"axis": 1, "k": 4})


@pytest.mark.parametrize("inner", [1, 3, 4, 20, 40])
def test_rows_of_every_width(inner: int) -> None:
    table, indices = normal(0, 7, inner), np.array([[3, 6, 0], [3, 3, 1]])
    check_op("gather", [table, indices], {"axis": 0})
    check_op("gather", [normal(1, 2, 4, inner), np.array([3, 0], np.int32)], {"axis": 1})


@pytest.mark.parametrize("size, count", [(3, 70), (40, 5), (300, 9), (300, 0), (2, 0)])
def test_sums_over_many_and_few_rows(size: int, count: int) -> None:
    """Wide rows: by tiles, over segments of the indices where there are few rows."""
    indices = np.random.default_rng(0).integers(0, size, (count,))
    check_op("scatter_add", [normal(0, count, 37), indices], {"axis": 0, "size": size})
    check_op("scatter_add", [normal(1, 2, count, 16), indices.astype(np.int32)], {"axis": 1, "size": size})


def test_no_more_segments_than_a_grid_can_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexing, "MOST_SEGMENTS", 2)
    indices = np.random.default_rng(0).integers(0, 3, (70,))
    inputs = inputs_like([normal(0, 70, 37), indices])
    graph = graph_of(inputs, B.op("scatter_add", *inputs, axis=0, size=3))
    launch = compiled(graph).steps[0]
    assert isinstance(launch, Launch)
    assert [evaluated(n, {}) for n in launch.grid[1:]] == [2, 1]
    check_op("scatter_add", [normal(0, 70, 37), indices], {"axis": 0, "size": 3})


def test_halves_are_added_up_in_single_precision() -> None:
    """A thousand ones and a thousandth each: half precision would stop counting at two thousand."""
    updates = np.full((64, 20), 1.001, np.float16) * 32
    got = check_op("scatter_add", [updates, np.zeros(64, np.int64)], {"axis": 0, "size": 1}, 1e-3)
    assert got["y0"].dtype == np.float16


@pytest.mark.parametrize("shape, axis", [((5, 9), 1), ((2, 70), 1), ((3, 4, 33), 1), ((6, 2), 0)])
def test_ties_and_nan(shape: tuple[int, ...], axis: int) -> None:
    """The first of equal elements is larger, NaN is larger than all: by one thread a line and by a warp a line."""
    x = ties(0, *shape)
    x.flat[1] = np.nan
    check_op("argmax", [x], {"axis": axis, "keepdims": True})
    check_op("topk", [x], {"axis": axis, "k": min(4, shape[axis])})


def test_topk_of_everything_is_a_sorted_line() -> None:
    x = ties(0, 2, 12)
    got = check_op("topk", [x], {"axis": 1, "k": 12})
    np.testing.assert_array_equal(np.sort(got["y1"], axis=1), np.tile(np.arange(12), (2, 1)))


@pytest.mark.parametrize("before, after", [(1, 5), (5, 1), (7, 7), (3, 16), (16, 3), (11, 30), (30, 11)])
@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_resampling(before: int, after: int, mode: str) -> None:
    for shape, axis in (((2, before, 3), 1), ((3, before), 1)):
        other = (*shape[:axis], after, *shape[axis + 1 :])
        check_op("resample", [normal(0, *shape)], {"axis": axis, "size": after, "mode": mode})
        check_op("resample_grad", [normal(1, *other)], {"axis": axis, "size": before, "mode": mode})


def test_sizes_known_when_it_is_called() -> None:
    """Positions are computed with 64 bits where nothing is known of the sizes."""
    n, h = sym("N"), sym("H")
    x, i = B.input("x", TensorType(DType.F32, (n, h, 3))), B.input("i", TensorType(DType.I64, (h,)))
    up, down = (B.op("resample", x, axis=1, size=2 * h, mode=mode) for mode in ("linear", "nearest"))
    back = B.op("resample_grad", up, axis=1, size=h, mode="linear")
    rows = B.op("gather", x, i, axis=1)
    sums = B.op("scatter_add", rows, i, axis=1, size=h)
    best = B.op("argmax", x, axis=1)
    graph = graph_of([x, i], up, down, back, rows, sums, best)
    for batch, height in ((1, 4), (2, 7)):
        feed = {"x": normal(0, batch, height, 3), "i": np.arange(height)[::-1] // 2}
        check(graph, {name: np.ascontiguousarray(array) for name, array in feed.items()})


def test_nothing_to_pick() -> None:
    check_op("gather", [normal(0, 3, 2), np.zeros((0,), np.int64)], {"axis": 0})
    check_op("take_along", [normal(0, 3, 0), np.zeros((3, 0), np.int64)], {"axis": 1})
    check_op("put_along", [normal(0, 3, 0), np.zeros((3, 0), np.int64)], {"axis": 1, "size": 2})
    check_op("scatter_add", [normal(0, 0, 3), np.zeros((0,), np.int64)], {"axis": 0, "size": 4})


@pytest.mark.parametrize("op, attrs", [
    ("gather", {"axis": 0}), ("take_along", {"axis": 0}), ("scatter_add", {"axis": 0, "size": 3}),
    ("put_along", {"axis": 0, "size": 3}),
])  # fmt: skip
def test_indices_out_of_range_are_moved_to_the_nearest_as_on_the_cpu(op: str, attrs: dict[str, Any]) -> None:
    along = op in ("take_along", "put_along")
    shape = (3, 20) if op in ("gather", "take_along") else (4, 20)
    indices = np.array([-7, 3, 1 << 40, 1])
    arrays: list[Array] = [normal(0, *shape), np.tile(indices[:, None], (1, 20)) if along else indices]
    inputs = inputs_like(arrays)
    graph = graph_of(inputs, *make_node(op, inputs, attrs).results)
    want = Cpu().compile(graph).run(feed_of(arrays), {})
    assert_same(compiled(graph).run(feed_of(arrays), {}), want, 1e-6)
