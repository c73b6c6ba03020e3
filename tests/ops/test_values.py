"""Values at the points where formulas break: large numbers, zeros, ties, NaN; and agreement with PyTorch."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from netlang.diagnostics import NetError
from netlang.ir.build import Builder
from netlang.ir.gradient import gradients
from netlang.ir.graph import Graph
from netlang.ir.types import DType
from netlang.ops.activations import monotone
from tests.ops.harness import Array, backward, build, forward, slope

HUGE = np.array([-1e4, -100.0, 0.0, 100.0, 1e4], np.float32)
ONES = np.ones(5, np.float32)


def test_large_arguments_neither_overflow_nor_vanish() -> None:
    np.testing.assert_array_equal(forward("sigmoid", [HUGE])[[0, 2, 4]], [0, 0.5, 1])
    assert 0 < forward("sigmoid", [np.array([-80.0], np.float32)])[0] < 1e-30
    np.testing.assert_allclose(forward("softplus", [HUGE]), [0, 3.8e-44, math.log(2), 100, 1e4], rtol=1e-6, atol=1e-44)
    np.testing.assert_array_equal(forward("elu", [HUGE])[[0, 4]], [-1, 1e4])
    for op in ("sigmoid", "softplus", "elu", "tanh", "gelu", "relu"):
        assert np.isfinite(slope(op, [HUGE], ONES)).all(), op
    assert np.isfinite(slope("elu", [HUGE], ONES, alpha=-1.0)).all()


def test_softmax_of_large_logits() -> None:
    logits = np.array([[1e4, 0, -1e4]], np.float32)
    np.testing.assert_array_equal(forward("softmax", [logits], axis=1), [[1, 0, 0]])
    np.testing.assert_array_equal(forward("log_softmax", [logits], axis=1), [[0, -1e4, -2e4]])
    target = np.array([2])
    assert forward("cross_entropy", [logits, target]).tolist() == [2e4]
    gradient = slope("cross_entropy", [logits, target], np.ones(1, np.float32))
    np.testing.assert_array_equal(gradient, [[1, 0, -1]])


def test_soft_target_of_zero_costs_nothing() -> None:
    logits = np.array([[0.0, -np.inf]])
    assert forward("cross_entropy", [logits, np.array([[1.0, 0.0]])]).tolist() == [0]


def test_hard_and_one_hot_targets_agree() -> None:
    logits = np.random.default_rng(0).standard_normal((4, 3, 2))
    target = np.random.default_rng(1).integers(0, 3, (4, 2))
    soft = np.moveaxis(np.eye(3)[target], -1, 1)
    np.testing.assert_allclose(forward("cross_entropy", [logits, target]), forward("cross_entropy", [logits, soft]))


def test_nan_is_not_lost() -> None:
    nan = np.array([np.nan, 1.0])
    for op in ("relu", "leaky_relu", "elu", "sigmoid", "tanh", "gelu", "softplus", "abs", "sqrt", "sign"):
        assert np.isnan(forward(op, [nan])[0]), op
    for op in ("max", "min", "prelu"):
        assert np.isnan(forward(op, [nan, np.zeros(2)])[0]), op
    for op in ("reduce_max", "reduce_min", "reduce_sum", "reduce_mean"):
        assert np.isnan(forward(op, [nan], axes=(0,))), op


def test_gradients_at_kinks() -> None:
    zero, one = np.zeros(1), np.ones(1)
    assert slope("relu", [zero], one) == 0
    assert slope("abs", [zero], one) == 0
    assert slope("sqrt", [zero], one) == np.inf
    assert [float(g[0]) for g in backward("max", [one, one], one) if g is not None] == [0.5, 0.5]
    assert [float(g[0]) for g in backward("min", [one, one], one) if g is not None] == [0.5, 0.5]


def test_powers_of_zero() -> None:
    base, one = np.zeros(4), np.ones(4)
    exponent = np.array([0.0, 1.0, 2.0, 0.5])
    by_base, by_exponent = backward("pow", [base, exponent], one)
    np.testing.assert_array_equal(by_base, [0, 1, 0, np.inf])
    np.testing.assert_array_equal(by_exponent, [0, 0, 0, 0])


def test_extreme_shares_its_gradient_among_ties() -> None:
    x = np.array([[1.0, 3.0, 3.0], [2.0, 0.0, 1.0]])
    found = slope("reduce_max", [x], np.array([1.0, 4.0]), axes=(1,))
    np.testing.assert_array_equal(found, [[0, 0.5, 0.5], [4, 0, 0]])
    assert forward("argmax", [x], axis=1).tolist() == [1, 0]


def test_repeated_indices_add_up() -> None:
    updates = np.array([[1.0, 2.0], [10.0, 20.0], [100.0, 200.0]])
    found = forward("scatter_add", [updates, np.array([2, 0, 2])], axis=0, size=4)
    np.testing.assert_array_equal(found, [[10, 20], [0, 0], [101, 202], [0, 0]])


@pytest.mark.parametrize("index", [-1, 4])
def test_index_out_of_range(index: int) -> None:
    indices = np.array([0, index])
    there = f"index {index} is out of range: there are 4, counted from 0"
    for op, arrays, attrs in (
        ("gather", [np.zeros((4, 2)), indices], {}),
        ("scatter_add", [np.zeros((2, 2)), indices], {"axis": 0, "size": 4}),
        ("one_hot", [indices], {"classes": 4}),
        ("cross_entropy", [np.zeros((2, 4)), indices], {}),
    ):
        with pytest.raises(NetError, match=f"{op}: {there}"):
            forward(op, arrays, **attrs)


def test_cast_truncates_and_wraps_nothing_else() -> None:
    x = np.array([-1.7, 0.0, 2.9])
    assert forward("cast", [x], dtype=DType.I32).tolist() == [-1, 0, 2]
    assert forward("cast", [x], dtype=DType.BOOL).tolist() == [True, False, True]
    assert forward("cast", [x > 0], dtype=DType.F16).dtype == np.float16


def test_monotone_ops_never_decrease() -> None:
    x = np.linspace(-4, 4, 101)
    for op, attrs in (
        ("relu", {}),
        ("leaky_relu", {"slope": 0.1}),
        ("leaky_relu", {"slope": -0.1}),
        ("elu", {"alpha": 0.5}),
        ("elu", {"alpha": -0.5}),
        ("sigmoid", {}),
        ("tanh", {}),
        ("softplus", {}),
        ("exp", {}),
        ("gelu", {"approximate": False}),
        ("abs", {}),
    ):
        assert monotone(op, attrs) == bool((np.diff(forward(op, [x], **attrs)) >= 0).all()), (op, attrs)


@pytest.mark.parametrize(
    "op", ["relu", "leaky_relu", "elu", "sigmoid", "tanh", "exp", "sqrt", "softmax", "log_softmax"]
)
def test_gradient_needs_the_result_only(op: str) -> None:
    """The pre-activation can be overwritten: the gradient reads it only through the op's own result."""
    x = np.ones((2, 3))
    node = build(op, [x], {"axis": 1} if "softmax" in op else {})
    dy = Builder().input("dy", node.out.type)
    (dx,) = gradients(node.out, [node.inputs[0]], seed=dy)
    readers = Graph("g", (*node.inputs, dy), outputs=(("dx", dx),)).uses[node.inputs[0]]
    assert readers == (node,)


def _torch_functions() -> list[Any]:
    torch = pytest.importorskip("torch")
    f = torch.nn.functional
    return [
        ("relu", f.relu, {}),
        ("leaky_relu", lambda x: f.leaky_relu(x, 0.2), {"slope": 0.2}),
        ("elu", lambda x: f.elu(x, 0.7), {"alpha": 0.7}),
        ("sigmoid", torch.sigmoid, {}),
        ("tanh", torch.tanh, {}),
        ("gelu", f.gelu, {}),
        ("gelu", lambda x: f.gelu(x, approximate="tanh"), {"approximate": True}),
        ("softplus", lambda x: f.softplus(x, threshold=1e9), {}),
        ("erf", torch.erf, {}),
        ("abs", torch.abs, {}),
        ("softmax", lambda x: torch.softmax(x, 1), {"axis": 1}),
        ("log_softmax", lambda x: torch.log_softmax(x, 0), {"axis": 0}),
        ("reduce_mean", lambda x: x.mean((0, 2)), {"axes": (0, 2)}),
        ("reduce_max", lambda x: x.amax((1, 2)), {"axes": (1, 2)}),
        ("reduce_min", lambda x: x.amin(0, keepdim=True), {"axes": (0,), "keepdims": True}),
    ]


def test_pytorch_agrees_on_one_tensor() -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.standard_normal((2, 3, 4)) * 3, np.zeros((1, 3, 4))])
    for op, function, attrs in _torch_functions():
        theirs = torch.tensor(x, requires_grad=True)
        y = function(theirs)
        dy = rng.standard_normal(y.shape)
        y.backward(torch.tensor(dy))
        np.testing.assert_allclose(forward(op, [x], **attrs), y.detach().numpy(), rtol=1e-9, atol=1e-12, err_msg=op)
        found = slope(op, [x], dy, **attrs)
        np.testing.assert_allclose(found, theirs.grad.numpy(), rtol=1e-9, atol=1e-12, err_msg=op)


def _check_pair(op: str, function: Any, arrays: list[Array], rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch")
    theirs = [torch.tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays]
    y = function(*theirs)
    dy = rng.standard_normal(y.shape)
    y.backward(torch.tensor(dy))
    np.testing.assert_allclose(forward(op, arrays), y.detach().numpy(), rtol=1e-9, atol=1e-12, err_msg=op)
    for found, tensor in zip(backward(op, arrays, dy), theirs, strict=True):
        if tensor.grad is not None:
            assert found is not None
            np.testing.assert_allclose(found, tensor.grad.numpy(), rtol=1e-9, atol=1e-12, err_msg=op)


def test_pytorch_agrees_on_two_tensors() -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    whole = [rng.integers(-1, 3, s).astype(np.float64) for s in ((4, 1, 5), (3, 5))]
    _check_pair("max", torch.maximum, whole, rng)
    _check_pair("min", torch.minimum, whole, rng)
    _check_pair("mul", torch.mul, whole, rng)
    _check_pair("pow", torch.pow, [np.abs(whole[0]), whole[1] + 1], rng)
    logits = rng.standard_normal((5, 4, 2)) * 4
    loss = torch.nn.functional.cross_entropy
    _check_pair("cross_entropy", lambda x, t: loss(x, t, reduction="none"), [logits, rng.integers(0, 4, (5, 2))], rng)
    soft = rng.random((5, 4, 2))
    _check_pair("cross_entropy", lambda x, t: loss(x, t, reduction="none"), [logits, soft], rng)
