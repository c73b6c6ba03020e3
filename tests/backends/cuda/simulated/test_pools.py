"""Pools and their gradients in the simulator: every rank and geometry, ties, NaN, padding, nothing at all."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlang.ir.dims import sym
from netlang.ir.types import DType, TensorType
from netlang.ops.windows import Windows
from tests.backends.compared import B, feed_of, graph_of, inputs_like
from tests.backends.cuda.simulated.against_reference import check, compiled
from tests.backends.cuda.simulated.single_ops import check_op, check_sample, normal, samples, ties

OPS = (
    "max_pool", "max_pool_switch", "max_pool_grad", "max_unpool", "max_pool_pick", "sum_pool", "avg_pool", "l2_pool",
    "sum_pool_grad", "avg_pool_grad",
)  # fmt: skip
BOUNDED = settings(max_examples=15, deadline=None, derandomize=True)
TWO: dict[str, Any] = {"kernel": (2, 2), "stride": (2, 2), "pad": ((0, 0), (0, 0)), "dilation": (1, 1)}


@pytest.mark.parametrize("op", OPS)
def test_samples(op: str) -> None:
    for sample in samples(op):
        check_sample(op, sample)


@pytest.mark.parametrize("dtype, tolerance", [(np.float64, 1e-12), (np.float16, 4e-3), (ml_dtypes.bfloat16, 3e-2)])
@pytest.mark.parametrize("op", OPS)
def test_element_types(op: str, dtype: Any, tolerance: float) -> None:
    check_sample(op, samples(op)[3], dtype, tolerance)


@st.composite
def geometries(draw: Any) -> tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]:
    """Shapes of the map and of the result, and a pool's attributes."""
    rank = draw(st.integers(1, 3))
    kernel = tuple(draw(st.integers(1, 4 if rank < 3 else 2)) for _ in range(rank))
    pad = tuple((draw(st.integers(0, k - 1)), draw(st.integers(0, k - 1))) for k in kernel)
    size = tuple(max(1, k - sum(p)) + draw(st.integers(0, 6)) for k, p in zip(kernel, pad, strict=True))
    stride = tuple(draw(st.integers(1, 3)) for _ in kernel)
    attrs = {"kernel": kernel, "stride": stride, "pad": pad, "ceil_mode": draw(st.booleans())}
    batch, channels = draw(st.sampled_from([(1, 1), (2, 3)]))
    out: Any = Windows("pool", kernel, stride, pad, (1,) * rank, attrs["ceil_mode"]).output(size)
    return (batch, channels, *size), (batch, channels, *out), attrs


@BOUNDED
@given(geometries())
def test_maxima(case: Any) -> None:
    shape, out, attrs = case
    attrs = {**attrs, "dilation": (1,) * len(attrs["kernel"])}
    arrays = [ties(0, *shape), normal(1, *out)]
    x, dy = inputs_like(arrays)
    y, switch = B.node("max_pool_switch", x, **attrs).results
    back = B.op("max_unpool", dy, switch, size=shape[2:], **attrs)
    found = B.op("max_pool_grad", x, y, dy, **attrs)
    picked = B.op("max_pool_pick", x, switch, **attrs)
    got = check(graph_of([x, dy], y, switch, back, found, picked, B.op("max_pool", x, **attrs)), feed_of(arrays))
    np.testing.assert_array_equal(got["y0"], got["y4"])
    np.testing.assert_array_equal(got["y2"], got["y3"])


@BOUNDED
@given(geometries(), st.booleans())
def test_sums_and_means(case: Any, include_pad: bool) -> None:
    shape, out, attrs = case
    mean = {**attrs, "count_include_pad": include_pad}
    arrays = [normal(0, *shape), normal(1, *out)]
    x, dy = inputs_like(arrays)
    forward = [B.op("sum_pool", x, **attrs), B.op("avg_pool", x, **mean), B.op("l2_pool", x, **attrs)]
    backward = [B.op("sum_pool_grad", dy, size=shape[2:], **attrs), B.op("avg_pool_grad", dy, size=shape[2:], **mean)]
    check(graph_of([x, dy], *forward, *backward), feed_of(arrays))


@pytest.mark.parametrize("dilation", [(1, 1), (2, 3)])
def test_windows_too_large_to_be_written_out(dilation: tuple[int, int]) -> None:
    attrs = {"kernel": (6, 6), "stride": (4, 2), "pad": ((2, 1), (0, 5)), "dilation": dilation}
    out = Windows("pool", (6, 6), (4, 2), ((2, 1), (0, 5)), dilation).output((12, 17))
    arrays = [ties(0, 1, 2, 12, 17), normal(1, 1, 2, *out)]  # type: ignore[arg-type]
    x, dy = inputs_like(arrays)
    y, switch = B.node("max_pool_switch", x, **attrs).results
    back = B.op("max_unpool", dy, switch, size=(12, 17), **attrs)
    check(graph_of([x, dy], y, switch, back, B.op("max_pool_grad", x, y, dy, **attrs)), feed_of(arrays))


def test_positions_in_large_windows_take_four_bytes() -> None:
    attrs = {"kernel": (12, 12), "stride": (5, 5), "pad": ((0, 0), (0, 0)), "dilation": (1, 1)}
    x = normal(0, 1, 1, 17, 17)
    x[0, 0, 11, 11] = 9
    got = check_op("max_pool_switch", [x], attrs)
    assert got["y1"].dtype == np.int32 and got["y1"].max() == 143


@pytest.mark.parametrize("op", ["max_pool", "sum_pool", "avg_pool", "l2_pool"])
@pytest.mark.parametrize("shape", [(2, 3, 7, 6), (1, 5, 64), (3, 1, 4, 5, 6)])
def test_whole_maps(op: str, shape: tuple[int, ...]) -> None:
    window = shape[2:]
    attrs: dict[str, Any] = {"kernel": window, "stride": window, "pad": ((0, 0),) * len(window)}
    if op == "max_pool":
        attrs["dilation"] = (1,) * len(window)
    check_op(op, [normal(0, *shape)], attrs)


def test_no_images_and_no_channels() -> None:
    for shape in ((0, 3, 4, 4), (2, 0, 4, 4)):
        check_op("max_pool", [normal(0, *shape)], TWO)
        check_op("max_unpool", [normal(0, *shape), np.zeros(shape, np.int8)], {**TWO, "size": (8, 8)})


@pytest.mark.parametrize("op, want", [("max_pool", -np.inf), ("sum_pool", 0.0)])
def test_maps_without_elements_are_all_padding(op: str, want: float) -> None:
    attrs: dict[str, Any] = {"kernel": (2, 3), "stride": (1, 1), "pad": ((0, 0), (2, 2))}
    if op == "max_pool":
        attrs["dilation"] = (1, 1)
    got = check_op(op, [normal(0, 1, 2, 4, 0)], attrs)
    assert got["y0"].shape == (1, 2, 3, 2) and np.all(got["y0"] == want)


def test_sizes_known_when_it_is_called() -> None:
    n, h = sym("N"), sym("H")
    x = B.input("x", TensorType(DType.F32, (n, 2, h, 6)))
    attrs = {"kernel": (3, 3), "stride": (2, 2), "pad": ((1, 1), (1, 1)), "dilation": (1, 1)}
    graph = graph_of([x], B.op("max_pool", x, **attrs))
    for shape in ((1, 2, 5, 6), (3, 2, 8, 6)):
        check(graph, {"x": ties(1, *shape)})


def test_a_map_that_lies_in_another_and_a_result_that_does() -> None:
    """Channels are taken out of a map, pooled, and joined with others: neither is copied."""
    arrays = [normal(0, 2, 5, 4, 6), normal(1, 2, 2, 2, 3)]
    x, other = inputs_like(arrays)
    whole = B.op("max_pool", x, **{**TWO, "stride": (1, 1), "kernel": (1, 1)})
    part = B.op("slice", whole, axis=1, start=1, stop=4, step=1)
    joined = graph_of([x, other], B.op("concat", other, B.op("max_pool", part, **TWO), axis=1))
    assert len(compiled(joined).steps) == 3  # two pools and a copy of `other`
    check(joined, feed_of(arrays))
    mean = B.op("avg_pool", part, kernel=(4, 6), stride=(4, 6), pad=((0, 0), (0, 0)))
    tail = B.op("sum_pool", B.op("concat", mean, mean, axis=1), kernel=(1, 1), stride=(1, 1), pad=((0, 0), (0, 0)))
    check(graph_of([x, other], tail), feed_of(arrays))
