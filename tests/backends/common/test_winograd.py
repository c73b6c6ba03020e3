"""Winograd's transforms: exact in fractions, and in float32 as exact as the choice counts on."""

from __future__ import annotations

from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlang.backends.base import Array
from netlang.backends.common.winograd import (
    both_axes,
    gradient_axis,
    input_axis,
    output_axis,
    weight_axis,
    weight_gradient_axis,
)
from netlang.backends.common.winograd_choice import ERROR, MOST_ERROR

TRANSFORMS = list(ERROR)
"""(m, taps)"""


class Exact:
    """Fractions: constants are the ratios of small numbers that they stand for."""

    def constant(self, value: float) -> Fraction:
        return Fraction(value).limit_denominator(24)

    def add(self, x: Any, y: Any) -> Any:
        return x + y

    def sub(self, x: Any, y: Any) -> Any:
        return x - y

    def mul(self, x: Any, y: Any) -> Any:
        return x * y

    def fma(self, x: Any, y: Any, z: Any) -> Any:
        return x * y + z


class Single(Exact):
    """Arrays of float32."""

    def constant(self, value: float) -> Any:
        return np.float32(value)


NUMBERS = st.lists(st.integers(-99, 99), min_size=11, max_size=11)


@pytest.mark.parametrize(("m", "taps"), TRANSFORMS)
@settings(max_examples=20, derandomize=True, deadline=None)
@given(numbers=NUMBERS)
def test_results_are_those_of_the_convolution(m: int, taps: int, numbers: list[int]) -> None:
    size = m + taps - 1
    d, g = list(map(Fraction, numbers[:size])), list(map(Fraction, numbers[-taps:]))
    products = [u * v for u, v in zip(weight_axis(Exact(), size, g), input_axis(Exact(), d), strict=True)]
    assert output_axis(Exact(), m, products) == [sum(d[i + k] * g[k] for k in range(taps)) for i in range(m)]


@pytest.mark.parametrize(("m", "taps"), [(4, 3), (2, 5)])
@settings(max_examples=20, derandomize=True, deadline=None)
@given(numbers=NUMBERS)
def test_gradients_by_the_weights(m: int, taps: int, numbers: list[int]) -> None:
    d, dy = list(map(Fraction, numbers[:6])), list(map(Fraction, numbers[-m:]))
    products = [u * v for u, v in zip(gradient_axis(Exact(), dy), input_axis(Exact(), d), strict=True)]
    wanted = [sum(d[i + k] * dy[i] for i in range(m)) for k in range(taps)]
    assert weight_gradient_axis(Exact(), m, products) == wanted


def convolved(x: Array, w: Array, m: int) -> Array:
    """The patches x [channels, size, size, patches] by weights w [out, channels, taps, taps]: [out, m, m, patches]."""
    size, taps = x.shape[1], w.shape[2]
    v = np.array(both_axes(partial(input_axis, Single()), (size, size), lambda i, j: x[:, i, j]))
    u = np.array(both_axes(partial(weight_axis, Single(), size), (taps, taps), lambda i, j: w[:, :, i, j]))
    products = np.einsum("ijoc,ijcn->ijon", u, v)
    assert products.dtype == np.float32
    y = both_axes(partial(output_axis, Single(), m), (size, size), lambda i, j: products[i, j])
    return np.array(y).transpose(2, 0, 1, 3)


@pytest.mark.parametrize("channels", [16, 512])
@pytest.mark.parametrize(("m", "taps"), TRANSFORMS)
def test_rounding(m: int, taps: int, channels: int) -> None:
    """Inputs after a ReLU, weights as they are drawn, whatever computes the products."""
    random, size = np.random.default_rng(channels), m + taps - 1
    x = np.maximum(random.standard_normal((channels, size, size, 20), np.float32), 0)
    w = random.standard_normal((16, channels, taps, taps), np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(x.astype(np.float64), (taps, taps), (1, 2))
    wanted = np.einsum("crsnij,ocij->orsn", windows, w.astype(np.float64), optimize=True)
    error = np.abs(convolved(x, w, m) - wanted).max() / np.abs(wanted).max()
    bound = ERROR[m, taps] * np.sqrt(channels)
    assert error <= bound <= MOST_ERROR
