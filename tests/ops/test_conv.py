"""Convolution and its adjoints: against PyTorch and SciPy, and what they refuse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from netlang.ir.dims import sym
from netlang.ir.opdef import opdef
from netlang.ir.types import DType, TensorType
from tests.ops.single import B, apply, pullback, refused, shape_of

PLAIN: dict[str, Any] = {"stride": (1, 1), "pad": ((0, 0), (0, 0)), "dilation": (1, 1)}


@dataclass(frozen=True)
class Case:
    x: tuple[int, ...]
    w: tuple[int, ...]
    attrs: dict[str, Any]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    rank = draw(st.integers(1, 3))
    largest = (9, 6, 4)[rank - 1]

    def per_axis(low: int, high: int) -> tuple[int, ...]:
        return tuple(draw(st.integers(low, high)) for _ in range(rank))

    spatial, kernel, stride, dilation = per_axis(1, largest), per_axis(1, 3), per_axis(1, 3), per_axis(1, 2)
    pad = tuple(zip(per_axis(0, 2), per_axis(0, 3), strict=True))
    groups, inputs, outputs = (draw(st.integers(1, n)) for n in (3, 2, 2))
    padded = [n + low + high for n, (low, high) in zip(spatial, pad, strict=True)]
    assume(all(n > d * (k - 1) for n, d, k in zip(padded, dilation, kernel, strict=True)))
    attrs = {"stride": stride, "pad": pad, "dilation": dilation, "groups": groups, "flip": draw(st.booleans())}
    batch = draw(st.integers(1, 2))
    return Case((batch, groups * inputs, *spatial), (groups * outputs, inputs, *kernel), attrs)


def torch_conv(torch: Any, x: Any, w: Any, attrs: dict[str, Any]) -> Any:
    """The same convolution; PyTorch itself pads symmetrically only and never flips."""
    functional = torch.nn.functional
    sides = [side for pair in reversed(attrs["pad"]) for side in pair]
    if attrs["flip"]:
        w = torch.flip(w, tuple(range(2, w.ndim)))
    conv = (functional.conv1d, functional.conv2d, functional.conv3d)[x.ndim - 3]
    padded = functional.pad(x, sides)
    return conv(padded, w, stride=attrs["stride"], dilation=attrs["dilation"], groups=attrs["groups"])


@settings(max_examples=60, deadline=None, derandomize=True)
@given(cases(), st.integers(0, 2**31))
def test_agrees_with_torch(case: Case, seed: int) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(seed)
    x, w = rng.normal(size=case.x), rng.normal(size=case.w)
    tx, tw = (torch.tensor(a, requires_grad=True) for a in (x, w))
    expected = torch_conv(torch, tx, tw, case.attrs)
    (y,) = apply("conv", x, w, **case.attrs)
    np.testing.assert_allclose(y, expected.detach().numpy(), rtol=1e-11, atol=1e-11)
    dy = rng.normal(size=y.shape)
    expected.backward(torch.tensor(dy))
    dx, dw = pullback("conv", (x, w), (dy,), **case.attrs)
    np.testing.assert_allclose(dx, tx.grad.numpy(), rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(dw, tw.grad.numpy(), rtol=1e-11, atol=1e-11)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(cases(), st.integers(0, 2**31))
def test_the_three_are_one_trilinear_form(case: Case, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, w = rng.normal(size=case.x), rng.normal(size=case.w)
    (y,) = apply("conv", x, w, **case.attrs)
    dy = rng.normal(size=y.shape)
    (dx,) = apply("conv_data_grad", dy, w, size=x.shape[2:], **case.attrs)
    (dw,) = apply("conv_weight_grad", x, dy, kernel=w.shape[2:], **case.attrs)
    form = np.sum(y * dy)
    np.testing.assert_allclose([np.sum(dx * x), np.sum(dw * w)], [form, form], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_flip_is_the_mathematicians_convolution(rank: int) -> None:
    signal = pytest.importorskip("scipy.signal")
    rng = np.random.default_rng(rank)
    x, w = rng.normal(size=(6, 7, 5)[:rank]), rng.normal(size=(3, 4, 2)[:rank])
    full = tuple((k - 1, k - 1) for k in w.shape)
    ones = (1,) * rank
    plain = {"stride": ones, "dilation": ones}
    (y,) = apply("conv", x[None, None], w[None, None], pad=full, flip=True, **plain)
    np.testing.assert_allclose(y[0, 0], signal.convolve(x, w, mode="full"), rtol=1e-12, atol=1e-12)
    (y,) = apply("conv", x[None, None], w[None, None], pad=((0, 0),) * rank, **plain)
    np.testing.assert_allclose(y[0, 0], signal.correlate(x, w, mode="valid"), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [DType.F16, DType.BF16, DType.F32])
def test_smaller_floats(dtype: DType) -> None:
    rng = np.random.default_rng(3)
    x, w = (rng.normal(size=s).astype(dtype.numpy) for s in ((2, 8, 6, 6), (4, 8, 3, 3)))
    (y,) = apply("conv", x, w, **PLAIN)
    (exact,) = apply("conv", x.astype(np.float64), w.astype(np.float64), **PLAIN)
    assert y.dtype == dtype.numpy
    digits = {DType.F16: 2e-3, DType.BF16: 1e-2, DType.F32: 1e-5}[dtype]
    np.testing.assert_allclose(y.astype(np.float64), exact, rtol=digits, atol=digits)


def test_large_batches_are_taken_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    x, w = rng.normal(size=(5, 2, 6, 6)), rng.normal(size=(3, 2, 3, 3))
    (y,) = apply("conv", x, w, **PLAIN)
    dy = rng.normal(size=y.shape)
    whole = pullback("conv", (x, w), (dy,), **PLAIN)
    monkeypatch.setattr("netlang.ops.conv_numpy._MOST_ELEMENTS", 700)
    np.testing.assert_allclose(apply("conv", x, w, **PLAIN)[0], y, rtol=1e-12)
    for got, expected in zip(pullback("conv", (x, w), (dy,), **PLAIN), whole, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-12)


def test_an_empty_batch_is_allowed() -> None:
    (y,) = apply("conv", np.zeros((0, 2, 4, 4)), np.ones((3, 2, 3, 3)), **PLAIN)
    assert y.shape == (0, 3, 2, 2)
    (dw,) = apply("conv_weight_grad", np.zeros((0, 2, 4, 4)), np.zeros((0, 3, 2, 2)), kernel=(3, 3), **PLAIN)
    np.testing.assert_array_equal(dw, np.zeros((3, 2, 3, 3)))


def test_symbolic_batch_and_time() -> None:
    n, t = sym("N"), sym("T")
    attrs: dict[str, Any] = {"stride": (2,), "pad": ((1, 2),), "dilation": (3,)}
    y = shape_of("conv", (n, 4, t), (8, 4, 3), **attrs)
    assert y == (n, 8, (t + 3 - 7) // 2 + 1)
    assert shape_of("conv_data_grad", y, (8, 4, 3), size=(t,), **attrs) == (n, 4, t)
    assert shape_of("conv_weight_grad", (n, 4, t), y, kernel=(3,), **attrs) == (8, 4, 3)


def test_cost_counts_multiply_adds() -> None:
    x = B.input("x", TensorType(DType.F32, (2, 6, 14, 14)))
    w = B.input("w", TensorType(DType.F32, (16, 3, 5, 5)))
    node = B.node("conv", x, w, groups=2, **PLAIN)
    cost = opdef("conv").cost([x.type, w.type], node.types, node.attrs)
    assert cost.madds == 2 * 16 * 10 * 10 * 3 * 5 * 5


def test_what_conv_refuses() -> None:
    x, w = (2, 3, 8, 8), (4, 3, 3, 3)
    refused("conv expects [N, C, ...spatial], got [2, 10]", "conv", (2, 10), (4, 3), **PLAIN)
    refused("conv expects weights [out, in/groups, kernel, kernel], got [4, 3, 3]", "conv", x, (4, 3, 3), **PLAIN)
    refused("conv: the weights are for 5 input channels, the input has 3", "conv", x, (4, 5, 3, 3), **PLAIN)
    refused("conv: 3 input channels do not divide into 2 groups", "conv", x, w, groups=2, **PLAIN)
    refused("conv: 4 output channels do not divide into 3 groups", "conv", x, (4, 1, 3, 3), groups=3, **PLAIN)
    refused("conv: groups must be at least 1, got 0", "conv", x, w, groups=0, **PLAIN)
    refused("conv: kernel 7 is larger than the padded input 5 (axis 2)", "conv", (1, 3, 5, 9), (4, 3, 7, 7), **PLAIN)
    wide: dict[str, Any] = {**PLAIN, "dilation": (1, 4)}
    message = "conv: kernel 3 with dilation 4 spans 9 and is larger than the padded input 8 (axis 3)"
    refused(message, "conv", x, w, **wide)
    refused("conv: stride has 1 entries for 2 spatial dimensions", "conv", x, w, **{**PLAIN, "stride": (1,)})
    refused("conv: stride must be at least 1, got 0", "conv", x, w, **{**PLAIN, "stride": (1, 0)})
    refused("conv: dilation must be at least 1, got -1", "conv", x, w, **{**PLAIN, "dilation": (-1, 1)})
    refused("conv: pad must not be negative, got -2", "conv", x, w, **{**PLAIN, "pad": ((0, -2), (0, 0))})
    kinds = (DType.I32, DType.I32)
    refused("conv needs floating-point tensors, got i32", "conv", x, w, dtypes=kinds, **PLAIN)


def test_what_the_adjoints_refuse() -> None:
    refused(
        "conv_data_grad: the convolution's output is [2, 4, 6, 6], got [2, 4, 5, 6]",
        "conv_data_grad", (2, 4, 5, 6), (4, 3, 3, 3), size=(8, 8), **PLAIN,
    )  # fmt: skip
    refused(
        "conv_weight_grad: the convolution's output is [2, 4, 6, 6], got [2, 4, 6, 7]",
        "conv_weight_grad", (2, 3, 8, 8), (2, 4, 6, 7), kernel=(3, 3), **PLAIN,
    )  # fmt: skip
