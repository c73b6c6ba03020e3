"""Generated from the registry: every sample of every op, forward types and gradients of first and second order."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from netlang.ir.opdef import registered
from netlang.ir.types import DType
from tests.ops.harness import Case, build, cases, check_gradient, derivative_of, run, scalar_of

LEAVES = {"input", "param", "const", "extent"}
STRUCTURE = {"fused", "layout", "after"}
LOOPS = {"scan"}
"""Ops with a body, which a sample has not; `test_scan_gradient` is about them."""
NOT_DIFFERENTIABLE = {
    *("eq", "ne", "lt", "le", "gt", "ge", "and", "or", "not"),
    *("floor_div", "bit_and", "bit_or", "bit_xor", "bit_not", "shift_left", "shift_right"),
    *("argmax", "one_hot", "floor", "ceil", "round", "sign", "uniform", "normal", "stop_gradient", "iota"),
}


def _differentiable(op: str) -> bool:
    return registered()[op].gradient is not None


def test_every_op_without_gradient_is_listed() -> None:
    without = {name for name, record in registered().items() if record.gradient is None}
    assert without == NOT_DIFFERENTIABLE | LEAVES | STRUCTURE


def test_every_op_has_samples() -> None:
    without = {name for name, record in registered().items() if record.samples is None}
    assert without == LEAVES | STRUCTURE | LOOPS
    for name in registered().keys() - without:
        assert len(cases(lambda op, name=name: op == name)) >= 3, name  # type: ignore[misc]


def test_every_record_explains_itself() -> None:
    for name, record in registered().items():
        assert record.name == name
        assert record.summary[0] != " " and record.summary.endswith("."), name


@pytest.mark.parametrize("case", cases(), ids=str)
def test_results_have_the_inferred_types(case: Case) -> None:
    node = build(case.op, case.sample.inputs, case.sample.attrs)
    for result, type in zip(run(node.inputs, node.results, case.sample.inputs), node.types, strict=True):
        assert DType.of(result.dtype) == type.dtype
        assert result.shape == type.shape


@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16], ids=["f32", "f16", "bf16"])
@pytest.mark.parametrize("op", [n for n, r in registered().items() if r.samples])
def test_narrower_floats(op: str, dtype: type) -> None:
    """The same samples in another float type: results in that type, near those in f64."""
    tolerance = 1e-4 if dtype is np.float32 else 0.1
    for case in cases(lambda name: name == op)[:6]:
        full = case.sample.inputs
        narrow = [a.astype(dtype) if a.dtype == np.float64 else a for a in full]
        node = build(op, narrow, case.sample.attrs)
        # What the narrow inputs stand for, exactly; only the computing differs.
        wide = [a.astype(np.float64) if a.dtype == np.dtype(dtype) else a for a in narrow]
        exact = build(op, wide, case.sample.attrs)
        found = run(node.inputs, node.results, narrow)
        expected = run(exact.inputs, exact.results, wide)
        for result, type, value in zip(found, node.types, expected, strict=True):
            assert DType.of(result.dtype) == type.dtype
            np.testing.assert_allclose(result.astype(np.float64), value, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("case", cases(_differentiable), ids=str)
def test_gradient(case: Case) -> None:
    scalar = scalar_of(case)
    if scalar is not None:
        check_gradient(scalar, case.sample.inputs)


@pytest.mark.parametrize("case", cases(_differentiable), ids=str)
def test_gradient_of_gradient(case: Case) -> None:
    scalar = scalar_of(case)
    slope = None if scalar is None else derivative_of(scalar, np.random.default_rng(1))
    if slope is not None:
        check_gradient(slope, case.sample.inputs, tolerance=1e-5)


def test_every_differentiable_op_is_differentiated() -> None:
    """The samples leave something to differentiate for each op; otherwise the checks above check nothing."""
    checked = {case.op for case in cases(_differentiable) if scalar_of(case) is not None}
    assert checked == {name for name in registered() if _differentiable(name)} - LOOPS
