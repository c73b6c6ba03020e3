"""Pools: against PyTorch, edge cases, and what they refuse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from netlang.ir.dims import evaluate, sym
from netlang.ir.types import DType
from tests.ops.single import apply, pullback, refused, shape_of

TWO: dict[str, Any] = {"kernel": (2, 2), "stride": (2, 2), "pad": ((0, 0), (0, 0))}
MAX_TWO: dict[str, Any] = {**TWO, "dilation": (1, 1)}


@dataclass(frozen=True)
class Case:
    x: tuple[int, ...]
    attrs: dict[str, Any]


@st.composite
def cases(draw: st.DrawFn, dilated: bool = False, symmetric: bool = False) -> Case:
    rank = draw(st.integers(1, 3))
    largest = (9, 6, 4)[rank - 1]
    axes = []
    for _ in range(rank):
        size, kernel, stride = draw(st.integers(1, largest)), draw(st.integers(1, 3)), draw(st.integers(1, 3))
        dilation = draw(st.integers(1, 2)) if dilated else 1
        most = kernel // 2 if symmetric else kernel - 1
        low = draw(st.integers(0, most))
        high = low if symmetric else draw(st.integers(0, most))
        assume(size + low + high > dilation * (kernel - 1))
        axes.append((size, kernel, stride, (low, high), dilation))
    spatial, kernel_, stride_, pad, dilation_ = zip(*axes, strict=True)
    attrs = {"kernel": kernel_, "stride": stride_, "pad": pad, "ceil_mode": draw(st.booleans())}
    if dilated:
        attrs["dilation"] = dilation_
    return Case((draw(st.integers(1, 2)), draw(st.integers(1, 2)), *spatial), attrs)


def torch_pool(torch: Any, kind: str, rank: int) -> Any:
    return getattr(torch.nn.functional, f"{kind}_pool{rank}d")


def padded(torch: Any, x: Any, attrs: dict[str, Any], value: float = 0.0) -> Any:
    """PyTorch pads symmetrically only; for floor mode padding beforehand is the same."""
    return torch.nn.functional.pad(x, [side for pair in reversed(attrs["pad"]) for side in pair], value=value)


def separated(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    return rng.permutation(int(np.prod(shape))).reshape(shape) * 0.5 - 3.0


@settings(max_examples=50, deadline=None, derandomize=True)
@given(cases(dilated=True, symmetric=True), st.integers(0, 2**31))
def test_max_pool_agrees_with_torch(case: Case, seed: int) -> None:
    torch = pytest.importorskip("torch")
    rng, attrs = np.random.default_rng(seed), case.attrs
    x = separated(rng, case.x)
    tx = torch.tensor(x, requires_grad=True)
    pads = tuple(low for low, _ in attrs["pad"])
    pool = torch_pool(torch, "max", len(pads))
    expected = pool(tx, attrs["kernel"], attrs["stride"], pads, attrs["dilation"], attrs["ceil_mode"])
    (y,) = apply("max_pool", x, **attrs)
    np.testing.assert_array_equal(y, expected.detach().numpy())
    assume(np.all(np.isfinite(y)))  # a dilated window may miss the input; PyTorch then writes out of its place
    dy = rng.normal(size=y.shape)
    expected.backward(torch.tensor(dy))
    (dx,) = pullback("max_pool", (x,), (dy,), **attrs)
    np.testing.assert_allclose(dx, tx.grad.numpy(), rtol=1e-12, atol=1e-12)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(cases(dilated=True), st.integers(0, 2**31))
def test_the_switch_says_the_same_as_the_map(case: Case, seed: int) -> None:
    rng, attrs = np.random.default_rng(seed), case.attrs
    x = rng.integers(-2, 3, case.x).astype(np.float64)  # many ties
    (y,) = apply("max_pool", x, **attrs)
    kept, switch = apply("max_pool_switch", x, **attrs)
    np.testing.assert_array_equal(kept, y)
    dy = rng.normal(size=y.shape)
    (by_map,) = apply("max_pool_grad", x, y, dy, **attrs)
    (by_switch,) = apply("max_unpool", dy, switch, size=x.shape[2:], **attrs)
    np.testing.assert_array_equal(by_switch, by_map)
    (picked,) = apply("max_pool_pick", x, switch, **attrs)
    np.testing.assert_array_equal(picked, np.where(np.isfinite(y), y, 0.0))


@settings(max_examples=50, deadline=None, derandomize=True)
@given(cases(symmetric=True), st.booleans(), st.integers(0, 2**31))
def test_avg_pool_agrees_with_torch(case: Case, include: bool, seed: int) -> None:
    torch = pytest.importorskip("torch")
    rng, attrs = np.random.default_rng(seed), {**case.attrs, "count_include_pad": include}
    x = rng.normal(size=case.x)
    tx = torch.tensor(x, requires_grad=True)
    pads = tuple(low for low, _ in attrs["pad"])
    assume(len(pads) < 3 or all(n >= k for n, k in zip(case.x[2:], attrs["kernel"], strict=True)))  # PyTorch's limit
    pool = torch_pool(torch, "avg", len(pads))
    expected = pool(tx, attrs["kernel"], attrs["stride"], pads, attrs["ceil_mode"], include)
    (y,) = apply("avg_pool", x, **attrs)
    np.testing.assert_allclose(y, expected.detach().numpy(), rtol=1e-12, atol=1e-12)
    dy = rng.normal(size=y.shape)
    expected.backward(torch.tensor(dy))
    (dx,) = pullback("avg_pool", (x,), (dy,), **attrs)
    np.testing.assert_allclose(dx, tx.grad.numpy(), rtol=1e-12, atol=1e-12)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(cases(), st.integers(0, 2**31))
def test_asymmetric_padding_agrees_with_torch(case: Case, seed: int) -> None:
    torch = pytest.importorskip("torch")
    rng, attrs = np.random.default_rng(seed), {**case.attrs, "ceil_mode": False}
    kernel, stride = attrs["kernel"], attrs["stride"]
    x = rng.normal(size=case.x)
    tx = torch.tensor(x, requires_grad=True)
    average, maximum = (torch_pool(torch, kind, len(kernel)) for kind in ("avg", "max"))
    sums = average(padded(torch, tx, attrs), kernel, stride) * float(np.prod(kernel))
    squares = average(padded(torch, tx * tx, attrs), kernel, stride) * float(np.prod(kernel))
    counts = average(padded(torch, torch.ones_like(tx), attrs), kernel, stride) * float(np.prod(kernel))
    wide = padded(torch, tx, attrs, -np.inf)
    expected: dict[str, tuple[dict[str, Any], Any]] = {
        "sum_pool": ({}, sums),
        "avg_pool": ({"count_include_pad": False}, sums / counts),
        "l2_pool": ({}, squares.sqrt()),
        "max_pool": ({"dilation": (1,) * len(kernel)}, maximum(wide, kernel, stride)),
    }
    for op, (more, value) in expected.items():
        (y,) = apply(op, x, **attrs, **more)
        np.testing.assert_allclose(y, value.detach().numpy(), rtol=1e-10, atol=1e-10, err_msg=op)
        dy = rng.normal(size=y.shape)
        (wanted,) = torch.autograd.grad(value, tx, torch.tensor(dy), retain_graph=True)
        (dx,) = pullback(op, (x,), (dy,), **attrs, **more)
        np.testing.assert_allclose(dx, wanted.numpy(), rtol=1e-9, atol=1e-9, err_msg=op)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(cases(dilated=True))
def test_symbolic_sizes_give_the_same_output(case: Case) -> None:
    names = ("H", "W", "D")[: len(case.x) - 2]
    symbolic = shape_of("max_pool", (sym("N"), 3, *map(sym, names)), **case.attrs)
    sizes = {"N": 5, **dict(zip(names, case.x[2:], strict=True))}
    concrete = shape_of("max_pool", (5, 3, *case.x[2:]), **case.attrs)
    assert tuple(evaluate(d, sizes) for d in symbolic) == concrete


def test_the_gradient_goes_to_the_first_maximum() -> None:
    x = np.array([[[[1.0, 2.0], [2.0, 2.0]]]])
    (dx,) = pullback("max_pool", (x,), (np.ones((1, 1, 1, 1)),), **MAX_TWO)
    np.testing.assert_array_equal(dx, [[[[0, 1], [0, 0]]]])


def test_nan_is_the_maximum_and_padding_never_is() -> None:
    attrs = {"kernel": (2,), "stride": (2,), "pad": ((1, 1),), "dilation": (1,)}
    x = np.array([[[-np.inf, np.nan, 7.0, 1.0]]])
    y, switch = apply("max_pool_switch", x, **attrs)
    np.testing.assert_array_equal(y, [[[-np.inf, np.nan, 1.0]]])
    np.testing.assert_array_equal(switch, [[[1, 0, 0]]])
    np.testing.assert_array_equal(apply("max_pool", x, **attrs)[0], y)


def test_switches_are_one_byte_where_that_is_enough() -> None:
    x = np.random.default_rng(5).normal(size=(1, 1, 12, 12))
    for kernel, dtype in (((11, 11), np.int8), ((12, 11), np.int32)):
        attrs = {"kernel": kernel, "stride": (1, 1), "pad": ((0, 0), (0, 0)), "dilation": (1, 1)}
        y, switch = apply("max_pool_switch", x, **attrs)
        assert switch.dtype == dtype
        np.testing.assert_array_equal(apply("max_pool_pick", x, switch, **attrs)[0], y)


def test_l2_pool_has_a_finite_gradient_at_zero() -> None:
    x = np.zeros((1, 1, 4, 4))
    x[0, 0, 3, 3] = -2.0
    (dx,) = pullback("l2_pool", (x,), (np.ones((1, 1, 2, 2)),), **TWO)
    expected = np.zeros_like(x)
    expected[0, 0, 3, 3] = -1.0
    np.testing.assert_array_equal(dx, expected)


@pytest.mark.parametrize("dtype", [DType.F16, DType.BF16])
def test_half_precision_sums_in_single(dtype: DType) -> None:
    x = np.full((1, 1, 64, 64), 1.0078125, dtype.numpy)
    attrs = {"kernel": (64, 64), "stride": (1, 1), "pad": ((0, 0), (0, 0))}
    (y,) = apply("avg_pool", x, **attrs)
    assert y.dtype == dtype.numpy
    assert float(y.item()) == 1.0078125


def test_what_pools_refuse() -> None:
    refused("max_pool expects [N, C, ...spatial], got [2, 10]", "max_pool", (2, 10), **MAX_TWO)
    refused("sum_pool: kernel has 2 entries for 1 spatial dimensions", "sum_pool", (2, 3, 10), **TWO)
    refused("avg_pool: kernel 2 is larger than the padded input 1 (axis 3)", "avg_pool", (2, 3, 4, 1), **TWO)
    pad = {**TWO, "pad": ((0, 2), (0, 0))}
    refused("l2_pool: pad 2 must be smaller than the window, which spans 2", "l2_pool", (2, 3, 4, 4), **pad)
    zero = {**TWO, "stride": (0, 2)}
    refused("sum_pool: stride must be at least 1, got 0", "sum_pool", (2, 3, 4, 4), **zero)
    kinds = (DType.BOOL,)
    refused("max_pool needs numbers, got bool", "max_pool", (2, 3, 4, 4), dtypes=kinds, **MAX_TWO)
    refused(
        "sum_pool_grad: dy must be [2, 3, 2, 2], got [2, 3, 2, 3]", "sum_pool_grad", (2, 3, 2, 3), size=(4, 4), **TWO
    )
    refused(
        "max_unpool: the switch must be of an integer type, got f32",
        "max_unpool", (2, 3, 2, 2), (2, 3, 2, 2), size=(4, 4), **MAX_TWO,
    )  # fmt: skip
    refused(
        "max_pool_grad: y must be [2, 3, 2, 2], got [2, 3, 4, 4]",
        "max_pool_grad", (2, 3, 4, 4), (2, 3, 4, 4), (2, 3, 2, 2), **MAX_TWO,
    )  # fmt: skip
