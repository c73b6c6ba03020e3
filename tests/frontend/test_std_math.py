"""Mathematical functions, and arithmetic with whole numbers, in the language."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from netlang.diagnostics import NetError
from netlang.frontend import load
from tests.frontend.test_std import Array, normal, results


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


X = np.concatenate([np.linspace(-4, 4, 31), [0.5, -0.5, 1, -1]])
ACTIVATIONS: dict[str, Array] = {
    "mish": X * np.tanh(np.log1p(np.exp(X))),
    "selu": 1.0507009873554805 * np.where(X > 0, X, 1.6732632423543772 * np.expm1(X)),
    "celu(2)": np.where(X > 0, X, 2 * np.expm1(X / 2)),
    "softsign": X / (1 + np.abs(X)),
    "hard_sigmoid": np.clip(0.2 * X + 0.5, 0, 1),
    "hard_swish": X * np.clip(X / 6 + 0.5, 0, 1),
    "thresholded_relu(0.7)": np.where(X > 0.7, X, 0),
    "shrink(0.5, 0.25)": np.where(X < -0.5, X + 0.25, np.where(X > 0.5, X - 0.25, 0)),
    "clip(-1, 2)": np.clip(X, -1, 2),
    "clip(high = 2)": np.minimum(X, 2),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name: str) -> None:
    np.testing.assert_allclose(results(f"output y = x -> {name}", {"x": X})["y"], ACTIVATIONS[name], rtol=1e-12)


def test_what_is_no_number_and_what_is_infinite() -> None:
    x = np.array([1.0, np.nan, np.inf, -np.inf, 0.0])
    out = results("output n = isnan(x)\noutput i = isinf(x)\noutput low = max(x, -inf)", {"x": x})
    np.testing.assert_array_equal(out["n"], np.isnan(x))
    np.testing.assert_array_equal(out["i"], np.isinf(x))
    np.testing.assert_array_equal(out["low"], x)


def test_reductions_that_are_compositions() -> None:
    x = normal(3, 5, 2)
    x[1, 2] = 0
    out = results(
        "output a = prod(x, 1)\noutput b = prod(x, [0, -1], keepdims = true)\noutput c = log_sum_exp(400 * x, 1)\n"
        "output d = grad(sum(prod(x, 1)), x)\noutput e = grad(sum(log_sum_exp(x, 2)), x)\noutput f = prod(x)",
        {"x": x},
    )
    np.testing.assert_allclose(out["a"], x.prod(1))
    np.testing.assert_allclose(out["b"], x.prod((0, 2), keepdims=True))
    np.testing.assert_allclose(out["c"], special.logsumexp(400 * x, 1))
    others = [np.delete(x, i, 1).prod(1) for i in range(5)]
    np.testing.assert_allclose(out["d"], np.stack(others, 1))
    np.testing.assert_allclose(out["e"], special.softmax(x, 2))
    assert out["f"] == 0
    everywhere = results("output y = log_sum_exp(x)", {"x": np.full((2, 3), -np.inf)})
    assert everywhere["y"] == -np.inf


def test_sums_and_products_so_far() -> None:
    x = normal(3, 7)
    out = results(
        "output a = x -> cumsum\noutput b = cumsum(x, 1, exclusive = true)\noutput c = cumsum(x, 0, reverse = true)\n"
        "output d = cumsum(x, 1, exclusive = true, reverse = true)\noutput e = x -> cumprod\n"
        "output f = cumprod(x, -1, exclusive = true, reverse = true)\noutput g = cumsum(slice(x, 1, 0, 1), 1, true)",
        {"x": x},
    )
    np.testing.assert_allclose(out["a"], x.cumsum(1))
    np.testing.assert_allclose(out["b"], x.cumsum(1) - x, atol=1e-12)
    np.testing.assert_allclose(out["c"], x[::-1].cumsum(0)[::-1])
    np.testing.assert_allclose(out["d"], x[:, ::-1].cumsum(1)[:, ::-1] - x, atol=1e-12)
    np.testing.assert_allclose(out["e"], x.cumprod(1))
    np.testing.assert_allclose(out["f"], x[:, ::-1].cumprod(1)[:, ::-1] / x)
    np.testing.assert_array_equal(out["g"], np.zeros((3, 1)))


def test_products_of_integers() -> None:
    a, b = np.arange(12).reshape(2, 2, 3) - 5, np.arange(12).reshape(3, 4) * 7
    np.testing.assert_array_equal(results("output y = integer_matmul(a, b)", {"a": a, "b": b})["y"], a @ b)
