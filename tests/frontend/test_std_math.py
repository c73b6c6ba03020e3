"""Mathematical functions, and arithmetic with whole numbers, in the language."""

from __future__ import annotations

import numpy as np
import pytest

from netlang.diagnostics import NetError
from netlang.frontend import load
from tests.frontend.test_std import normal, results


def test_integers_are_divided_by_rounding_down() -> None:
    x = np.array([-7, -1, 0, 5, 9])
    out = results("output a = x // 4\noutput b = x % 4\noutput c = fmod(x, 4)\noutput d = 9 // x", {"x": x})
    np.testing.assert_array_equal(out["a"], x // 4)
    np.testing.assert_array_equal(out["b"], x % 4)
    np.testing.assert_array_equal(out["c"], [-3, -1, 0, 1, 1])
    np.testing.assert_array_equal(out["d"], [-2, -9, 0, 1, 1])


def test_functions_of_tensors_and_of_numbers() -> None:
    x = normal(3, 4)
    out = results("output y = sin(x) * cos(0.5) + ceil(1.2) + round(2.5)\noutput z = bit_not(cast(x, i64))", {"x": x})
    np.testing.assert_allclose(out["y"], np.sin(x) * np.cos(0.5) + 2 + 2)
    np.testing.assert_array_equal(out["z"], -1 - x.astype(np.int64))


def test_bits_are_those_of_integers() -> None:
    with pytest.raises(NetError, match="bit_and needs integer tensors, got f32"):
        load("net n() {\n  input x: f32[3]\n  output y = bit_and(x, x)\n}\n")
