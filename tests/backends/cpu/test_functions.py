"""The float32 polynomials against NumPy's double precision, in units of the last place."""

from __future__ import annotations

from math import erf

import numpy as np
import pytest

import netlang.ops  # noqa: F401
from netlang.backends.cpu import Cpu
from tests.backends.cpu.against_reference import B, graph_of, inputs_like

FUNCTIONS = {
    "exp": (np.exp, np.linspace(-100, 88.7, 40001), 2),
    "log": (np.log, np.geomspace(1e-40, 3e38, 40001), 2),
    "tanh": (np.tanh, np.linspace(-10, 10, 40001), 3),
    "erf": (np.vectorize(erf), np.linspace(-5, 5, 40001), 3),
    "sigmoid": (lambda x: 1 / (1 + np.exp(-x)), np.linspace(-80, 20, 40001), 4),
    "softplus": (lambda x: np.log1p(np.exp(x)), np.linspace(-80, 20, 40001), 4),
    "elu": (lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))), np.linspace(-20, 2, 40001), 4),
}


@pytest.mark.parametrize("op", FUNCTIONS)
def test_error_in_units_of_the_last_place(op: str) -> None:
    function, points, allowed = FUNCTIONS[op]
    x = points.astype(np.float32)
    (value,) = inputs_like([x])
    got = Cpu().compile(graph_of([value], B.op(op, value))).run({"x0": x}, {})["y0"]
    want = function(x.astype(np.float64))
    spacing = np.spacing(np.maximum(np.abs(want), np.finfo(np.float32).tiny).astype(np.float32)).astype(np.float64)
    assert np.max(np.abs(got.astype(np.float64) - want) / spacing) <= allowed


def test_limits() -> None:
    x = np.array([0.0, -0.0, np.inf, -np.inf, 1e30, -1e30, 1e-45, 89.0, -110.0], np.float32)
    (value,) = inputs_like([x])
    ops = ("exp", "log", "tanh", "erf", "sigmoid", "softplus")
    got = Cpu().compile(graph_of([value], *(B.op(op, value) for op in ops))).run({"x0": x}, {})
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(got["y0"], np.exp(x))
        np.testing.assert_allclose(got["y1"], np.log(x), rtol=1e-6)
    np.testing.assert_array_equal(got["y2"][[2, 3, 4, 5]], [1, -1, 1, -1])
    np.testing.assert_array_equal(got["y3"][[2, 3, 4, 5]], [1, -1, 1, -1])
    np.testing.assert_array_equal(got["y4"][[2, 3]], [1, 0])
    np.testing.assert_array_equal(got["y5"][[2, 3]], [np.inf, 0])
