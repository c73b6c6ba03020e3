"""What goes by places, of the standard library, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from netlang.diagnostics import NetError
from netlang.frontend import load
from tests.frontend.test_std import normal, results


def test_the_smallest_and_the_last_of_equal_ones() -> None:
    x, whole = np.array([[3.0, 1, 3, 1]]), np.array([[3, -(2**63), 3]])
    out = results(
        "output a = argmin(x)\noutput b = argmin(x, last = true)\noutput c = argmax(x, -1, last = true)\n"
        "output d = argmin(w)\nv, i = x -> topk(3, smallest = true)\noutput v\noutput i\n"
        "small, at = w -> topk(1, smallest = true)\noutput small\noutput h = hardmax(x)",
        {"x": x, "w": whole},
    )
    assert [out[n].tolist() for n in "abcd"] == [[1], [3], [2], [1]]
    assert (out["v"].tolist(), out["i"].tolist()) == ([[1, 1, 3]], [[1, 3, 0]])
    assert out["small"].tolist() == [[-(2**63)]]
    assert out["h"].tolist() == [[1, 0, 0, 0]]


def test_elements_at_several_indices() -> None:
    x, whole = normal(2, 3, 4), np.array([[0, -1], [1, 2]])
    out = results(
        "output a = gather_nd(x, i)\noutput b = gather_nd(x, slice(i, 1, 1, 2), batch = 1)", {"x": x, "i": whole}
    )
    np.testing.assert_array_equal(out["a"], x[[0, 1], [-1, 2]])
    np.testing.assert_array_equal(out["b"], x[[0, 1], [-1, 2]])


@pytest.mark.parametrize("reduction", ["set", "add", "mul", "max", "min"])
def test_elements_put_at_several_indices(reduction: str) -> None:
    x, updates, whole = normal(3, 4, 2), normal(3, 2), np.array([[0, 1], [2, -1], [0, 1]])
    text = f'output a = scatter_nd(x, i, u, "{reduction}")\noutput b = scatter_along(x, j, v, 1, "{reduction}")'
    one, values = np.array([[[2, 0]], [[1, 1]], [[3, 3]]]), normal(3, 1, 2)
    out = results(text, {"x": x, "i": whole, "u": updates, "j": one, "v": values})
    combine = {"set": lambda a, b: b, "add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum}[
        reduction
    ]
    want = x.copy()
    for (row, column), update in zip(whole, updates, strict=True):
        want[row, column] = combine(want[row, column], update)
    np.testing.assert_allclose(out["a"], want)
    want = x.copy()
    np.put_along_axis(want, one, combine(np.take_along_axis(x, one, 1), values), 1)
    np.testing.assert_allclose(out["b"], want)


def test_matrices_of_ones_and_parts_of_them() -> None:
    x = normal(2, 3, 4)
    out = results(
        "output e = eye(3, 4, k = 1)\noutput l = lower_triangle(x)\noutput u = upper_triangle(x, -1)\n"
        "output b = lower_triangle(x > 0, 1)\noutput t = tile(x, [2, 1, 3])",
        {"x": x},
    )
    np.testing.assert_array_equal(out["e"], np.eye(3, 4, 1))
    np.testing.assert_array_equal(out["l"], np.tril(x))
    np.testing.assert_array_equal(out["u"], np.triu(x, -1))
    np.testing.assert_array_equal(out["b"], np.tril(x > 0, 1))
    np.testing.assert_array_equal(out["t"], np.tile(x, [2, 1, 3]))


def test_values_at_an_index() -> None:
    x = np.array([[0, -1], [2, 9]])
    out = results(
        "output a = one_hot_values(x, 3, axis = 1, on = 5, off = -1)\noutput b = one_hot_values(x, 3)", {"x": x}
    )
    hot = (np.array([[0, 2], [2, 9]])[..., None] == np.arange(3)).astype(np.float32)
    np.testing.assert_array_equal(out["b"], hot)
    np.testing.assert_array_equal(out["a"], np.moveaxis(hot, -1, 1) * 6 - 1)


EQUATIONS: list[tuple[str, tuple[tuple[int, ...], ...]]] = [
    ("ij,jk->ik", ((2, 3), (3, 4))),
    ("...ij,...jk->...ik", ((2, 1, 3, 4), (5, 4, 2))),
    ("ij->ji", ((2, 3),)),
    ("...ii->...i", ((2, 3, 3),)),
    ("ii", ((3, 3),)),
    ("bij, bkj, k -> bi", ((2, 3, 4), (2, 5, 4), (5,))),
    ("i,j", ((3,), (4,))),
    ("abc,cd", ((2, 3, 4), (4, 5))),
    ("i...,i...->...", ((2, 3), (2, 3))),
    ("ij,jk,kl->il", ((2, 3), (3, 4), (4, 5))),
]


@pytest.mark.parametrize("equation, shapes", EQUATIONS, ids=[e for e, _ in EQUATIONS])
def test_sums_of_products(equation: str, shapes: tuple[tuple[int, ...], ...]) -> None:
    arrays: dict[str, NDArray[np.float64]] = {name: normal(*shape) for name, shape in zip("xyz", shapes, strict=False)}
    first = f"({', '.join(arrays)})" if len(arrays) > 1 else "x"
    out = results(f'output sums = {first} -> einsum("{equation}")', arrays)
    np.testing.assert_allclose(out["sums"], np.einsum(equation, *arrays.values()), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    "equation, message",
    [
        ("ij,jk", r"'ij,jk' is for 2 tensors, got 1"),
        ("i", r"'i' does not name the axes of \[2, 3\], which has 2"),
        ("ij->k", "no tensor has an axis 'k'"),
        ("ii", "the axes 'i' of .2, 3. differ in size"),
        ("ij->ii", "names an axis twice"),
        ("i;j", "needs an equation such as"),
    ],
)
def test_equations_that_mean_nothing(equation: str, message: str) -> None:
    with pytest.raises(NetError, match=message):
        load(f'net n() {{\n  input x: f32[2, 3]\n  output y = x -> einsum("{equation}")\n}}\n')
