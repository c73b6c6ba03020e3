"""Figures of tensors are those that are computed exactly."""

from __future__ import annotations

import math

import ml_dtypes
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from netlang.interchange.weights.statistics import statistics


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
def test_of_finite_numbers(numbers: list[float]) -> None:
    found = statistics(np.array(numbers, np.float32))
    assert found is not None and found.odd == 0
    assert (found.least, found.most) == (min(numbers), max(numbers))
    largest = max(map(abs, numbers))
    assert math.isclose(found.mean, math.fsum(numbers) / len(numbers), rel_tol=1e-9, abs_tol=1e-12 * largest)
    assert math.isclose(found.norm, math.hypot(*numbers), rel_tol=1e-12)


def test_what_is_not_finite_is_counted() -> None:
    found = statistics(np.array([1, np.nan, np.inf, 2], np.float16))
    assert found is not None and (found.least, found.mean, found.most, found.odd) == (1, 1.5, 2, 2)
    assert statistics(np.array([np.nan])) is None and statistics(np.zeros((0, 3))) is None


def test_large_numbers_and_other_types() -> None:
    found = statistics(np.array([1e308, 1e308, -1e308]))
    assert found is not None and math.isclose(found.norm, math.sqrt(3) * 1e308) and math.isclose(found.mean, 1e308 / 3)
    for dtype in (ml_dtypes.bfloat16, np.bool_, np.int64):
        found = statistics(np.array([0, 1], dtype))
        assert found is not None and (found.mean, found.norm) == (0.5, 1)
