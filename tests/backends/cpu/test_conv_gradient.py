"""The gradients of the tiled convolution against the reference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netlang.backends.cpu.target import host
from netlang.ir.build import Builder
from netlang.ir.graph import Value
from netlang.ops.windows import Windows
from tests.backends.cpu.tiled import ALL_TARGETS, check, graph_of, kernels_of, normal

Values = Mapping[str, Value]
BOUNDED = settings(
    max_examples=15, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(autouse=True)
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """The direct kernels, whatever might be faster."""
    monkeypatch.setenv("NETLANG_EXACT", "1")


@st.composite
def geometries(draw: Any) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], dict[str, Any]]:
    """Shapes of x, w and dy, and attributes for which a window fits."""
    groups = draw(st.sampled_from([1, 1, 1, 2]))
    channels = draw(st.sampled_from([1, 3, 17])) * groups
    out = draw(st.sampled_from([1, 6, 17, 33])) if groups == 1 else 32
    kernel = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    dilation = draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
    pad = tuple(draw(st.tuples(st.integers(0, 3), st.integers(0, 3))) for _ in range(2))
    span = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    size = tuple(max(1, s - sum(p) + draw(st.integers(0, 20))) for s, p in zip(span, pad, strict=True))
    stride = draw(st.tuples(st.integers(1, 3), st.integers(1, 2)))
    attrs = {"stride": stride, "pad": pad, "dilation": dilation, "groups": groups}
    windows: Any = Windows("conv", kernel, stride, pad, dilation).output(size)
    batch = draw(st.sampled_from([1, 3, 18]))
    return (batch, channels, *size), (out, channels // groups, *kernel), (batch, out, *windows), attrs


@BOUNDED
@given(geometries(), st.sampled_from(ALL_TARGETS))
def test_weight_gradient(case: Any, target: Any) -> None:
    x, w, dy, attrs = case

    def make(b: Builder, v: Values) -> Values:
        return {"dw": b.op("conv_weight_grad", v["x"], v["dy"], kernel=w[2:], flip=False, **attrs)}

    check(make, {"x": normal(0, *x), "dy": normal(1, *dy)}, target=target, tiled="weight_gradient:")


@BOUNDED
@given(geometries(), st.booleans(), st.sampled_from(ALL_TARGETS))
def test_data_gradient(case: Any, flip: bool, target: Any) -> None:
    x, w, dy, attrs = case

    def make(b: Builder, v: Values) -> Values:
        return {"dx": b.op("conv_data_grad", v["dy"], v["w"], size=x[2:], flip=flip, **attrs)}

    tiled = "conv:" if attrs["groups"] == 1 else None
    check(make, {"dy": normal(0, *dy), "w": normal(1, *w)}, target=target, tiled=tiled)


@pytest.mark.parametrize("batch", [1, 20])
def test_large_maps_are_cut_into_rows(batch: int) -> None:
    def make(b: Builder, v: Values) -> Values:
        same = {"stride": (1, 1), "pad": ((1, 1), (1, 1)), "dilation": (1, 1), "groups": 1, "flip": False}
        return {"dw": b.op("conv_weight_grad", v["x"], v["dy"], kernel=(3, 3), **same)}

    check(make, {"x": normal(0, batch, 20, 40, 33), "dy": normal(1, batch, 50, 40, 33)}, tiled="weight_gradient:")


@pytest.mark.parametrize("batch", [1, 5, 33])
@pytest.mark.parametrize("size", [3, 7, 16])
@pytest.mark.parametrize("stride", [1, 2])
def test_small_maps_of_several_images_are_read_in_place(batch: int, size: int, stride: int) -> None:
    """16 x 16 pixels make channels that are a power of two apart: these are copied."""

    def make(b: Builder, v: Values) -> Values:
        same = {"stride": (stride, stride), "pad": ((0, 0), (0, 0)), "dilation": (1, 1), "groups": 1, "flip": False}
        return {"dw": b.op("conv_weight_grad", v["x"], v["dy"], kernel=(1, 1), **same)}

    out = (size - 1) // stride + 1
    arrays = {"x": normal(0, batch, 24, size, size), "dy": normal(1, batch, 40, out, out)}
    check(make, arrays, tiled="weight_gradient:")
    used = next(key for key in kernels_of(graph_of(make, arrays), host()) if key.startswith("weight_gradient:"))
    assert f"stripped={size == 16}" in used


def test_one_dimension() -> None:
    def make(b: Builder, v: Values) -> Values:
        attrs = {"stride": (2,), "pad": ((1, 0),), "dilation": (1,), "groups": 1, "flip": False}
        dw = b.op("conv_weight_grad", v["x"], v["dy"], kernel=(4,), **attrs)
        return {"dw": dw, "dx": b.op("conv_data_grad", v["dy"], v["w"], size=(20,), **attrs)}

    check(make, {"x": normal(0, 3, 5, 20), "dy": normal(1, 3, 7, 9), "w": normal(2, 7, 5, 4)}, tiled="conv:")


def test_data_gradient_with_a_relu_mask() -> None:
    def make(b: Builder, v: Values) -> Values:
        attrs = {"stride": (1, 1), "pad": ((1, 1), (1, 1)), "dilation": (1, 1), "groups": 1, "flip": False}
        dx = b.op("conv_data_grad", v["dy"], v["w"], size=(7, 6), **attrs)
        zero = b.scalar(0, dx)
        return {"dx": b.op("where", b.op("gt", v["x"], zero), dx, zero)}

    arrays = {"dy": normal(0, 2, 9, 7, 6), "w": normal(1, 9, 18, 3, 3), "x": normal(2, 2, 18, 7, 6)}
    check(make, arrays, tiled="conv:")


@pytest.mark.parametrize("kernel", [1, 2, 3])
def test_strided_data_gradient_with_a_mask(kernel: int) -> None:
    def make(b: Builder, v: Values) -> Values:
        attrs = {"stride": (2, 3), "pad": ((1, 0), (0, 1)), "dilation": (1, 1), "groups": 1, "flip": False}
        dx = b.op("conv_data_grad", v["dy"], v["w"], size=v["x"].shape[2:], **attrs)
        zero = b.scalar(0, dx)
        return {"dx": b.op("where", b.op("gt", v["x"], zero), dx, zero)}

    out = [(9 + 1 - kernel) // 2 + 1, (23 + 1 - kernel) // 3 + 1]
    arrays = {"dy": normal(0, 2, 9, *out), "w": normal(1, 9, 18, kernel, kernel), "x": normal(2, 2, 18, 9, 23)}
    check(make, arrays, tiled="conv:")
