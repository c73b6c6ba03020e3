"""Resampling against PyTorch's interpolate, by any ratio, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

from netlang.ir.dims import sym
from tests.ops.harness import slope
from tests.ops.single import apply, refused, shape_of

RATIOS = [(1, 5), (2, 3), (5, 2), (7, 7), (9, 4), (4, 12), (31, 100), (100, 31)]


@pytest.mark.parametrize("mode", ["nearest", "linear"])
@pytest.mark.parametrize("n, m", RATIOS)
def test_pytorch_agrees(n: int, m: int, mode: str) -> None:
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).normal(size=(2, 3, n))
    dy = np.random.default_rng(1).normal(size=(2, 3, m))
    tensor = torch.tensor(x, requires_grad=True)
    aligned = {} if mode == "nearest" else {"align_corners": False}
    wanted = torch.nn.functional.interpolate(tensor, size=m, mode=mode, **aligned)
    wanted.backward(torch.tensor(dy))
    np.testing.assert_allclose(apply("resample", x, axis=2, size=m, mode=mode)[0], wanted.detach(), atol=1e-6)
    np.testing.assert_allclose(slope("resample", [x], dy, axis=2, size=m, mode=mode), tensor.grad, atol=1e-6)


def test_the_same_size_changes_nothing() -> None:
    x = np.random.default_rng(0).normal(size=(3, 11))
    for mode in ("nearest", "linear"):
        np.testing.assert_array_equal(apply("resample", x, axis=1, size=11, mode=mode)[0], x)


def test_shapes_may_be_symbolic() -> None:
    h = sym("H")
    assert shape_of("resample", (1, 2, h), axis=2, size=h * 2, mode="linear") == (1, 2, h * 2)


def test_what_is_refused() -> None:
    refused("resample: the mode is nearest or linear, not cubic", "resample", (2, 3), axis=1, size=2, mode="cubic")
    refused("resample cannot make 0 of axis 1 of [2, 3]", "resample", (2, 3), axis=1, size=0, mode="nearest")
