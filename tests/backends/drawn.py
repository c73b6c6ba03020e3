"""What tests on drawn graphs share, whichever backend runs them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from hypothesis import HealthCheck, Phase, settings

from netlang.backends.reference import evaluate
from netlang.ir.graph import Graph, Value
from netlang.ir.types import DType
from tests.drawing import Array

OWN_TYPES = ("cast", "uniform", "normal")
"""Ops about element types; the oracle computes them in their own."""
NARROW = {DType.F16: 4e-3, DType.BF16: 3e-2}


def bounded(examples: int) -> settings:
    """The same draws in every run. They are not shrunk: each attempt would compile, and they are small already."""
    return settings(
        phases=(Phase.generate,),
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


def named(prefix: str, values: Sequence[Value]) -> dict[str, Value]:
    return {f"{prefix}{i}": v for i, v in enumerate(values)}


def assert_near(
    found: Mapping[str, Array], graph: Graph, inputs: Mapping[str, Array], params: Mapping[str, Array], exact: bool
) -> None:
    """Within 1e-4 of the largest value, and of what rounding alone does to the plain evaluation in float32."""
    rounded, _ = evaluate(graph, inputs, params)
    want = rounded if exact else evaluate(graph, inputs, params, dtype=DType.F64)[0]
    assert found.keys() == want.keys()
    for name, value in graph.outputs:
        got, plain = found[name], rounded[name]
        assert (got.dtype, got.shape) == (plain.dtype, plain.shape), name
        expected = np.asarray(want[name], np.float64)
        numbers = expected[np.isfinite(expected)]
        largest = float(np.abs(numbers).max(initial=0))
        with np.errstate(invalid="ignore"):
            rounding = np.abs(np.asarray(plain, np.float64) - expected)
        slack = NARROW.get(value.dtype, 1e-4) * largest + 4 * float(rounding[np.isfinite(rounding)].max(initial=0))
        np.testing.assert_allclose(np.asarray(got, np.float64), expected, rtol=0, atol=slack, err_msg=name)
