"""The matrix product: against NumPy and PyTorch, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlang.ir.dims import sym
from netlang.ir.gradient import adjoints
from netlang.ir.opdef import opdef
from netlang.ir.types import DType, TensorType
from tests.ops.single import B, apply, pullback, refused, shape_of


@st.composite
def operands(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...], bool, bool]:
    """Shapes of two matrices with batch dims that broadcast, and whether each is stored transposed."""
    m, k, n = (draw(st.integers(1, 4)) for _ in range(3))
    batch = [draw(st.integers(1, 3)) for _ in range(draw(st.integers(0, 2)))]

    def leading() -> tuple[int, ...]:
        kept = batch[draw(st.integers(0, len(batch))) :]
        return tuple(1 if draw(st.booleans()) else d for d in kept)

    ta, tb = draw(st.booleans()), draw(st.booleans())
    return (*leading(), *((k, m) if ta else (m, k))), (*leading(), *((n, k) if tb else (k, n))), ta, tb


@settings(max_examples=60, deadline=None, derandomize=True)
@given(operands(), st.integers(0, 2**31))
def test_agrees_with_torch(shapes: tuple[tuple[int, ...], tuple[int, ...], bool, bool], seed: int) -> None:
    torch = pytest.importorskip("torch")
    left, right, ta, tb = shapes
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=left), rng.normal(size=right)
    first, second = (torch.tensor(v, requires_grad=True) for v in (a, b))
    expected = torch.matmul(first.mT if ta else first, second.mT if tb else second)
    flags = {"transpose_a": ta, "transpose_b": tb}
    (y,) = apply("matmul", a, b, **flags)
    np.testing.assert_allclose(y, expected.detach().numpy(), rtol=1e-12, atol=1e-12)
    dy = rng.normal(size=y.shape)
    expected.backward(torch.tensor(dy))
    da, db = pullback("matmul", (a, b), (dy,), **flags)
    np.testing.assert_allclose(da, first.grad.numpy(), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(db, second.grad.numpy(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [DType.F16, DType.BF16])
def test_half_precision_sums_in_single(dtype: DType) -> None:
    ones = np.ones((1, 4096), dtype.numpy)
    (y,) = apply("matmul", ones, ones, transpose_b=True)
    assert y.dtype == dtype.numpy
    assert float(y.item()) == 4096.0


def test_symbolic_batch() -> None:
    n, t = sym("N"), sym("T")
    assert shape_of("matmul", (n, 8), (8, 3)) == (n, 3)
    assert shape_of("matmul", (n, 1, t, 8), (4, 8, t)) == (n, 4, t, t)


def test_weights_shared_by_a_batch_get_one_tall_product() -> None:
    x = B.input("x", TensorType(DType.F32, (sym("N"), 7, 8)))
    w = B.input("w", TensorType(DType.F32, (3, 8)))
    y = B.op("matmul", x, w, transpose_b=True)
    (dw,) = adjoints(y, [w], seed=B.input("dy", y.type))
    assert dw is not None
    assert dw.node.op == "matmul"
    assert {v.rank for v in dw.node.inputs} == {2}


def test_cost_counts_multiply_adds() -> None:
    types = [TensorType(DType.F32, (5, 4, 3)), TensorType(DType.F32, (4, 2))]
    node = B.node("matmul", *(B.input("x", t) for t in types), transpose_a=True)
    assert node.types[0].shape == (5, 3, 2)
    assert opdef("matmul").cost(types, node.types, node.attrs).madds == 5 * 3 * 2 * 4


def test_what_matmul_refuses() -> None:
    refused("matmul expects matrices [..., rows, columns], got [4]", "matmul", (4,), (4, 2))
    refused("matmul cannot multiply [2, 3] and [4, 5]: the inner sizes 3 and 4 differ", "matmul", (2, 3), (4, 5))
    refused(
        "matmul cannot multiply [2, 3] and [3, 5]: the inner sizes 2 and 3 differ", "matmul", (2, 3), (3, 5),
        transpose_a=True,
    )  # fmt: skip
    refused("matmul cannot combine [2] and [3]: 2 and 3 differ", "matmul", (2, 4, 4), (3, 4, 4))
    refused("matmul needs floating-point tensors, got i64", "matmul", (2, 3), (3, 2), dtypes=(DType.I64, DType.I64))
