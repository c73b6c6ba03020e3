"""topk, take_along, put_along at ties, NaN and other corners; what they refuse."""

from __future__ import annotations

import numpy as np
import pytest

from netlang.diagnostics import NetError
from netlang.ir.dims import sym
from netlang.ir.types import DType
from tests.ops.harness import slope
from tests.ops.single import apply, refused, shape_of


def test_equal_elements_come_in_their_order() -> None:
    values, indices = apply("topk", np.array([[1.0, 3.0, 3.0, 2.0, 3.0]]), k=4, axis=1)
    assert values.tolist() == [[3, 3, 3, 2]]
    assert indices.tolist() == [[1, 2, 4, 3]]


def test_nan_is_the_largest_and_infinities_are_sorted() -> None:
    x = np.array([0.0, np.nan, -np.inf, np.inf, np.nan])
    assert apply("topk", x, k=5, axis=0)[1].tolist() == [1, 4, 3, 0, 2]


def test_integers_at_the_ends_of_their_range() -> None:
    x = np.array([-128, 127, 0, -128], np.int8)
    values, indices = apply("topk", x, k=4, axis=0)
    assert values.tolist() == [127, 0, -128, -128]
    assert indices.tolist() == [1, 2, 0, 3]


def test_the_gradient_goes_back_to_where_the_values_were() -> None:
    x = np.array([[1.0, 5.0, 2.0], [9.0, 7.0, 8.0]])
    dy = np.array([[10.0, 20.0], [30.0, 40.0]])
    assert slope("topk", [x], dy, k=2, axis=1).tolist() == [[0, 10, 20], [30, 0, 40]]


def test_repeated_indices_add_up() -> None:
    total = apply("put_along", np.array([[1.0, 2.0, 4.0]]), np.array([[1, 1, 0]]), axis=1, size=3)[0]
    assert total.tolist() == [[4, 3, 0]]


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_taking_along_an_axis_is_what_numpy_says(axis: int) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4, 4, 4))
    indices = rng.integers(0, 4, x.shape)
    np.testing.assert_array_equal(apply("take_along", x, indices, axis=axis)[0], np.take_along_axis(x, indices, axis))


def test_an_index_out_of_range_is_told() -> None:
    with pytest.raises(NetError, match="take_along: index 3 is out of range"):
        apply("take_along", np.zeros((2, 3)), np.array([[0], [3]]), axis=1)


def test_shapes() -> None:
    n = sym("N")
    assert shape_of("topk", (n, 7), k=3, axis=1) == (n, 3)
    assert shape_of("take_along", (n, 7), (n, 1), dtypes=[DType.F32, DType.I64], axis=1) == (n, 1)


def test_what_is_refused() -> None:
    refused("topk: there are only 3 elements along axis 1 of [2, 3], k is 4", "topk", (2, 3), k=4, axis=1)
    refused("topk: k must be a whole number of at least 1, got 0", "topk", (2, 3), k=0, axis=1)
    refused("topk needs an axis of fixed size, axis 0 of [N, 3] has N", "topk", (sym("N"), 3), k=1, axis=0)
    refused("take_along needs integer indices, got f32", "take_along", (2, 3), (2, 1), axis=1)
    refused(
        "take_along along axis 1: the indices must have the shape [2, 3] but for that axis, got [3, 1]",
        "take_along", (2, 3), (3, 1), dtypes=[DType.F32, DType.I64], axis=1,
    )  # fmt: skip
    refused(
        "put_along: there are indices [2, 1] for updates [2, 3]",
        "put_along", (2, 3), (2, 1), dtypes=[DType.F32, DType.I64], axis=1, size=4,
    )  # fmt: skip
