"""Batch normalisation: against PyTorch, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlang.ir.dims import sym
from netlang.ir.gradient import adjoints
from netlang.ir.types import DType, TensorType
from tests.ops.harness import build, run
from tests.ops.single import B, apply, pullback, refused, seeded_sum, shape_of

SHAPES = st.tuples(st.integers(2, 4), st.integers(1, 3)).flatmap(
    lambda lead: st.lists(st.integers(1, 4), max_size=3).map(lambda rest: (*lead, *rest))
)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(SHAPES, st.integers(0, 2**31))
def test_training_agrees_with_torch(shape: tuple[int, ...], seed: int) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(seed)
    arrays = rng.normal(2.0, 3.0, shape), rng.normal(size=shape[1]), rng.normal(size=shape[1])
    x, gamma, beta = (torch.tensor(a, requires_grad=True) for a in arrays)
    expected = torch.nn.functional.batch_norm(x, None, None, gamma, beta, training=True, eps=1e-2)
    y, mean, var = apply("batchnorm_train", *arrays, eps=1e-2)
    axes = (0, *range(2, len(shape)))
    np.testing.assert_allclose(y, expected.detach().numpy(), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(mean, arrays[0].mean(axes), rtol=1e-12)
    np.testing.assert_allclose(var, arrays[0].var(axes), rtol=1e-12)
    dy, nothing = rng.normal(size=shape), np.zeros(shape[1])
    expected.backward(torch.tensor(dy))
    found = pullback("batchnorm_train", arrays, (dy, nothing, nothing), eps=1e-2)
    for got, tensor in zip(found, (x, gamma, beta), strict=True):
        np.testing.assert_allclose(got, tensor.grad.numpy(), rtol=1e-9, atol=1e-9)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(SHAPES, st.integers(0, 2**31))
def test_inference_agrees_with_torch(shape: tuple[int, ...], seed: int) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(seed)
    gamma, beta, mean = (rng.normal(size=shape[1]) for _ in range(3))
    arrays = rng.normal(size=shape), gamma, beta, mean, rng.uniform(0.2, 2.0, shape[1])
    tensors = [torch.tensor(a) for a in arrays]
    for tensor in tensors[:3]:
        tensor.requires_grad_()
    x, gamma_, beta_, mean_, var_ = tensors
    expected = torch.nn.functional.batch_norm(x, mean_, var_, gamma_, beta_, training=False, eps=1e-3)
    (y,) = apply("batchnorm", *arrays, eps=1e-3)
    np.testing.assert_allclose(y, expected.detach().numpy(), rtol=1e-11, atol=1e-11)
    dy = rng.normal(size=shape)
    expected.backward(torch.tensor(dy))
    found = pullback("batchnorm", arrays, (dy,), eps=1e-3)
    for got, tensor in zip(found[:3], tensors[:3], strict=True):
        np.testing.assert_allclose(got, tensor.grad.numpy(), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("which", [0, 1, 2])
def test_gradient_through_one_result_alone(which: int) -> None:
    rng = np.random.default_rng(5)
    arrays = rng.normal(size=(3, 2, 4)), rng.normal(size=2), rng.normal(size=2)
    node = build("batchnorm_train", arrays, {})
    inputs, result = node.inputs, node.results[which]
    seed = rng.normal(size=result.type.concrete({}))
    scalar = seeded_sum([result], [seed])
    (dx,) = adjoints(scalar, inputs[:1])
    assert dx is not None
    direction, step = rng.normal(size=arrays[0].shape), 1e-6
    ends = [run(inputs, [scalar], (arrays[0] + s * step * direction, *arrays[1:]))[0] for s in (1, -1)]
    (gradient,) = run(inputs, [dx], arrays)
    np.testing.assert_allclose(np.sum(gradient * direction), (ends[0] - ends[1]) / (2 * step), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("dtype", [DType.F16, DType.BF16, DType.F32, DType.F64])
def test_a_symbolic_batch_has_the_same_gradient(dtype: DType) -> None:
    rng = np.random.default_rng(6)
    arrays = [rng.normal(size=s).astype(dtype.numpy) for s in ((6, 2, 3), (2,), (2,))]
    fixed = build("batchnorm_train", arrays, {}).inputs
    open_batch = [B.input("x0", TensorType(dtype, (sym("N"), 2, sym("T")))), *fixed[1:]]
    found = []
    for inputs in (fixed, open_batch):
        y, mean, var = B.node("batchnorm_train", *inputs).results
        total = B.add(B.sum(B.mul(y, y), (0, 2)), B.add(mean, var))
        (dx,) = adjoints(B.sum(total, (0,)), inputs[:1])
        assert dx is not None
        found.append(run(inputs, [dx], arrays)[0].astype(np.float64))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-2, atol=1e-6)


def test_symbolic_batch() -> None:
    n = sym("N")
    assert shape_of("batchnorm", (n, 4, 5, 5), (4,), (4,), (4,), (4,)) == (n, 4, 5, 5)
    assert shape_of("batchnorm_train", (n, 4), (4,), (4,)) == (n, 4)


def test_what_batchnorm_refuses() -> None:
    refused("batchnorm_train expects [N, C, ...], got [4]", "batchnorm_train", (4,), (4,), (4,))
    refused(
        "batchnorm: mean must be [4], one for each channel of [2, 4, 5]; got [5]",
        "batchnorm", (2, 4, 5), (4,), (4,), (5,), (4,),
    )  # fmt: skip
    kinds = (DType.F32, DType.F64, DType.F32)
    refused(
        "batchnorm_train needs tensors of one element type, got f32 and f64",
        "batchnorm_train", (2, 4), (4,), (4,), dtypes=kinds,
    )  # fmt: skip
