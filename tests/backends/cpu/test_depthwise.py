"""Convolutions in groups that do not fill vectors: geometries, epilogues, layouts, gradients, against the reference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlang.backends.cpu import Cpu, layout
from netlang.backends.cpu.target import host
from netlang.backends.reference import Reference
from netlang.ir.build import Builder
from netlang.ir.graph import Value
from netlang.ops.windows import Windows
from tests.backends.cpu.tiled import TARGETS, assert_close, check, graph_of, kernels_of, normal

Values = Mapping[str, Value]
BOUNDED = settings(max_examples=12, deadline=None, derandomize=True)
SAME = {"stride": (1, 1), "pad": ((1, 1), (1, 1)), "dilation": (1, 1)}
KERNEL = "depthwise:DepthwiseStructure"
PHASES = "depthwise:PhasesStructure"
LANES = host().lanes(4)


@st.composite
def geometries(draw: Any) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], dict[str, Any]]:
    """Shapes of x, w and the result, and attributes for which a window fits, of groups that fill no vectors."""
    groups = draw(st.sampled_from([3, 17, 16, 2, 5, 32]))
    inner = draw(st.sampled_from([1, 1, 2, 3, 4, 8]))
    outer = draw(st.sampled_from([1, 1, 2, 3, 4, 5]))
    kernel = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    dilation = draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
    pad = tuple(draw(st.tuples(st.integers(0, 2), st.integers(0, 2))) for _ in range(2))
    span = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    size = [max(1, s - sum(p) + draw(st.integers(0, 20))) for s, p in zip(span, pad, strict=True)]
    stride = draw(st.tuples(st.integers(1, 3), st.integers(1, 2)))
    attrs = {"stride": stride, "pad": pad, "dilation": dilation, "groups": groups}
    windows: Any = Windows("conv", kernel, stride, pad, dilation).output(tuple(size))
    batch = draw(st.sampled_from([1, 3, 16]))
    x, w = (batch, groups * inner, *size), (groups * outer, inner, *kernel)
    return x, w, (batch, groups * outer, *windows), attrs


@BOUNDED
@given(geometries(), st.booleans(), st.sampled_from(TARGETS))
def test_any_geometry(case: Any, flip: bool, target: Any) -> None:
    x, w, _, attrs = case
    arrays = {"x": normal(0, *x), "w": normal(1, *w)}
    check(lambda b, v: {"y": b.op("conv", v["x"], v["w"], flip=flip, **attrs)}, arrays, target=target, tiled=KERNEL)


@BOUNDED
@given(geometries(), st.booleans(), st.sampled_from(TARGETS))
def test_data_gradient(case: Any, flip: bool, target: Any) -> None:
    x, w, dy, attrs = case

    def make(b: Builder, v: Values) -> Values:
        return {"dx": b.op("conv_data_grad", v["dy"], v["w"], size=x[2:], flip=flip, **attrs)}

    tiled = KERNEL if attrs["stride"] == (1, 1) else PHASES
    tiled = tiled if x[1] // attrs["groups"] % 8 else None
    check(make, {"dy": normal(0, *dy), "w": normal(1, *w)}, target=target, tiled=tiled)


@BOUNDED
@given(geometries(), st.sampled_from(TARGETS))
def test_weight_gradient(case: Any, target: Any) -> None:
    x, w, dy, attrs = case

    def make(b: Builder, v: Values) -> Values:
        return {"dw": b.op("conv_weight_grad", v["x"], v["dy"], kernel=w[2:], flip=False, **attrs)}

    arrays = {"x": normal(0, *x), "dy": normal(1, *dy)}
    check(make, arrays, target=target, tiled="weight_gradient:DepthwiseGradientStructure")


@pytest.mark.parametrize("kernel", [(7, 7), (31, 3), (1, 29)])
def test_large_kernels(kernel: tuple[int, int]) -> None:
    attrs = {"stride": (1, 1), "pad": tuple((k // 2, k // 2) for k in kernel), "dilation": (1, 1), "groups": 19}

    def make(b: Builder, v: Values) -> Values:
        y = b.op("conv", v["x"], v["w"], **attrs)
        return {"y": y, "dw": b.op("conv_weight_grad", v["x"], v["dy"], kernel=kernel, flip=False, **attrs)}

    arrays = {"x": normal(0, 2, 19, 32, 33), "w": normal(1, 19, 1, *kernel), "dy": normal(2, 2, 19, 32, 33)}
    check(make, arrays, tiled=KERNEL)


def test_one_dimension() -> None:
    attrs = {"stride": (2,), "pad": ((1, 2),), "dilation": (2,), "groups": 5}

    def make(b: Builder, v: Values) -> Values:
        dw = b.op("conv_weight_grad", v["x"], v["dy"], kernel=(4,), flip=False, **attrs)
        dx = b.op("conv_data_grad", v["dy"], v["w"], size=(40,), flip=False, **attrs)
        return {"y": b.op("conv", v["x"], v["w"], **attrs), "dw": dw, "dx": dx}

    arrays = {"x": normal(0, 3, 5, 40), "w": normal(1, 10, 1, 4), "dy": normal(2, 3, 10, 19)}
    check(make, arrays, tiled=KERNEL)


def depthwise(b: Builder, v: Values, **attrs: Any) -> Value:
    return b.op("conv", v["x"], v["w"], groups=v["x"].shape[1], **{**SAME, **attrs})


ACTIVATIONS: list[tuple[str, dict[str, Any]]] = [
    ("relu", {}),
    ("leaky_relu", {"slope": 0.1}),
    ("elu", {"alpha": 0.5}),
    ("sigmoid", {}),
    ("tanh", {}),
    ("gelu", {}),
    ("softplus", {}),
]


@pytest.mark.parametrize(("activation", "attrs"), ACTIVATIONS)
@pytest.mark.parametrize("target", TARGETS, ids=["host", "narrow"])
def test_epilogues(activation: str, attrs: dict[str, Any], target: Any) -> None:
    """Bias, scale of a batchnorm, residual, activation; 17 channels of 9x11."""

    def make(b: Builder, v: Values) -> Values:
        y = b.add(b.mul(depthwise(b, v), b.along(v["scale"], 4, 1)), b.along(v["bias"], 4, 1))
        return {"y": b.op(activation, b.add(y, v["more"]), **attrs)}

    arrays = {"x": normal(0, 3, 17, 9, 11), "w": normal(1, 17, 1, 3, 3), "bias": normal(2, 17)}
    arrays |= {"scale": normal(3, 17), "more": normal(4, 3, 17, 9, 11)}
    check(make, arrays, target=target, tiled=KERNEL)


@pytest.mark.parametrize("target", TARGETS, ids=["host", "narrow"])
def test_bounds(target: Any) -> None:
    """MobileNet's min(relu(x), 6), and a NaN through both."""

    def make(b: Builder, v: Values) -> Values:
        y = b.add(depthwise(b, v), b.along(v["bias"], 4, 1))
        return {"y": b.op("max", b.op("min", b.op("relu", y), b.scalar(0.6, y)), b.scalar(0.2, y))}

    x = normal(0, 2, 17, 9, 11)
    x[1, 3, 4, 4] = np.nan
    check(make, {"x": x, "w": normal(1, 17, 1, 3, 3), "bias": normal(2, 17)}, target=target, tiled=KERNEL)


@pytest.mark.parametrize("stride", [(2, 2), (3, 1)])
@pytest.mark.parametrize("kernel", [1, 2, 3])
@pytest.mark.parametrize("size", [(9, 7), (40, 33), (4, 3)])
def test_mask_of_a_gradient(stride: tuple[int, int], kernel: int, size: tuple[int, int]) -> None:
    """All phases in one kernel, some of them without taps, some without pixels."""
    attrs: dict[str, Any] = {"stride": stride, "pad": ((1, 0), (0, 1)), "dilation": (1, 1), "groups": 19}
    out: Any = Windows("conv", (kernel, kernel), stride, attrs["pad"], (1, 1)).output(size)

    def make(b: Builder, v: Values) -> Values:
        dx = b.op("conv_data_grad", v["dy"], v["w"], size=size, flip=False, **attrs)
        zero = b.scalar(0, dx)
        return {"dx": b.op("where", b.op("gt", v["x"], zero), dx, zero)}

    arrays = {"dy": normal(0, 2, 19, *out), "w": normal(1, 19, 1, kernel, kernel), "x": normal(2, 2, 19, *size)}
    check(make, arrays, tiled=PHASES)


@pytest.mark.parametrize("op", ["max_pool", "avg_pool"])
def test_pools(op: str) -> None:
    more = {"dilation": (1, 1)} if op == "max_pool" else {}

    def make(b: Builder, v: Values) -> Values:
        y = b.op("tanh", b.add(depthwise(b, v), b.along(v["bias"], 4, 1)))
        return {"y": b.op(op, y, kernel=(3, 2), stride=(2, 2), pad=((1, 0), (0, 1)), **more)}

    arrays = {"x": normal(0, 2, 19, 40, 35), "w": normal(1, 19, 1, 3, 3), "bias": normal(2, 19)}
    check(make, arrays, tiled=KERNEL)


def test_nan() -> None:
    """A NaN stays in its channel and its window."""
    x = normal(0, 1, 18, 7, 7)
    x[0, 3, 2, 2] = x[0, 17, 4, 4] = np.nan
    check(lambda b, v: {"y": b.op("relu", depthwise(b, v))}, {"x": x, "w": normal(1, 18, 1, 3, 3)}, tiled=KERNEL)


SHAPES: list[tuple[int, int, int]] = [(2 * LANES, 1, 1), (LANES, 1, 2), (2 * LANES, 4, 4), (2 * LANES, 2, 4)]


@pytest.mark.parametrize(("channels", "inner", "outer"), SHAPES)
@pytest.mark.parametrize("stride", [1, 2])
def test_between_blocked_tensors(channels: int, inner: int, outer: int, stride: int) -> None:
    """Between pointwise convolutions: the layout pass leaves nothing plain but the ends."""
    groups = channels // inner
    point = {"stride": (1, 1), "pad": ((0, 0), (0, 0)), "dilation": (1, 1)}
    attrs = {"stride": (stride, stride), "pad": ((1, 1), (1, 1)), "dilation": (1, 1), "groups": groups}

    def make(b: Builder, v: Values) -> Values:
        y = b.op("relu", b.op("conv", v["x"], v["w"], **point))
        y = b.op("relu", b.add(b.op("conv", y, v["w2"], **attrs), b.along(v["bias"], 4, 1)))
        return {"y": b.op("conv", y, v["w3"], **point)}

    arrays = {"x": normal(0, 2, 5, 9, 13), "w": normal(1, channels, 5, 1, 1), "bias": normal(4, groups * outer)}
    arrays |= {"w2": normal(2, groups * outer, inner, 3, 3), "w3": normal(3, 7, groups * outer, 1, 1)}
    graph = layout.run(graph_of(make, arrays))
    middle = [n for n in graph.nodes if n.op == "fused"]
    assert [bool(n.inputs[0].type.layout) for n in middle] == [False, True, True]
    assert any(key.startswith(KERNEL) for key in kernels_of(graph, host()))
    wanted = Reference().compile(graph_of(make, arrays)).run(arrays, {})["y"]
    one, two = (Cpu().compile(graph, threads=threads).run(arrays, {})["y"] for threads in (1, 2))
    assert_close(one, wanted, "y")
    assert np.array_equal(one, two)


@pytest.mark.parametrize("size", [(9, 13), (20, 6)])
def test_data_gradient_between_blocked_tensors(size: tuple[int, int]) -> None:
    """With a residual: blocks are read and written where they are, phases and all."""
    point = {"stride": (1, 1), "pad": ((0, 0), (0, 0)), "dilation": (1, 1)}
    attrs = {"stride": (2, 2), "pad": ((1, 1), (1, 1)), "dilation": (1, 1), "groups": 2 * LANES}

    def make(b: Builder, v: Values) -> Values:
        y = b.op("conv_data_grad", b.op("conv", v["x"], v["w"], **point), v["w2"], size=size, **attrs)
        y = b.op("relu", b.add(y, b.op("conv", v["more"], v["w"], **point)))
        return {"y": b.op("conv", y, v["w3"], **point)}

    arrays = {"x": normal(0, 2, 5, *((n + 1) // 2 for n in size)), "more": normal(1, 2, 5, *size)}
    arrays |= {
        "w": normal(2, 2 * LANES, 5, 1, 1),
        "w2": normal(3, 2 * LANES, 1, 3, 3),
        "w3": normal(4, 7, 2 * LANES, 1, 1),
    }
    graph = layout.run(graph_of(make, arrays))
    plain = [v for n in graph.nodes for v in n.results if n.op == "fused" and not v.type.layout]
    assert plain == [graph.outputs[0][1]]
    assert any(key.startswith(PHASES) for key in kernels_of(graph, host()))
    wanted = Reference().compile(graph_of(make, arrays)).run(arrays, {})["y"]
    one, two = (Cpu().compile(graph, threads=threads).run(arrays, {})["y"] for threads in (1, 2))
    assert_close(one, wanted, "y")
    assert np.array_equal(one, two)
