"""Whole numbers of every type: what NumPy says where it says something, and Python's exact numbers wrapped around."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import netlang
from netlang.ir.build import Builder
from netlang.ir.graph import Graph
from netlang.ir.types import DType, TensorType
from netlang.passes import simplify
from tests.backends.whole_numbers import INTEGERS, pair
from tests.ops.harness import forward


def wrapped(number: int, dtype: DType) -> int:
    low, high = dtype.bounds
    return (number - low) % (high - low + 1) + low


def quotient(x: int, y: int) -> int:
    return 0 if y == 0 else abs(x) // abs(y) * (1 if (x < 0) == (y < 0) else -1)


def power(x: int, y: int, dtype: DType) -> int:
    if y >= 0:
        return pow(x, y, 1 << 8 * dtype.size)
    return {1: 1, -1: -1 if y % 2 else 1}.get(x, 0)


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
def test_exact_numbers_wrapped_around(dtype: DType) -> None:
    x, y = pair(dtype)
    meanings: dict[str, Callable[[int, int], int]] = {
        "add": lambda a, b: a + b,
        "sub": lambda a, b: a - b,
        "mul": lambda a, b: a * b,
        "div": quotient,
        "pow": lambda a, b: power(a, b, dtype),
        "max": max,
        "min": min,
        "prelu": lambda a, b: a if a > 0 else a * b,
    }
    for op, exact in meanings.items():
        wanted = [wrapped(exact(int(a), int(b)), dtype) for a, b in zip(x.flat, y.flat, strict=True)]
        assert forward(op, [x, y]).reshape(-1).tolist() == wanted, op
    for op, of_one in (("neg", lambda a: -a), ("abs", abs), ("sign", lambda a: (a > 0) - (a < 0))):
        assert forward(op, [x]).reshape(-1).tolist() == [wrapped(of_one(int(a)), dtype) for a in x.flat], op
    assert int(forward("reduce_sum", [x], axes=(0, 1))) == wrapped(sum(map(int, x.flat)), dtype)


@pytest.mark.parametrize("source", INTEGERS, ids=str)
def test_casts_between_integers_wrap_around(source: DType) -> None:
    x = pair(source)[0]
    for target in INTEGERS:
        wanted = [wrapped(int(a), target) for a in x.flat]
        assert forward("cast", [x], dtype=target).reshape(-1).tolist() == wanted, target


@pytest.mark.parametrize("target", INTEGERS, ids=str)
def test_floats_lose_their_fraction_and_stay_within_bounds(target: DType) -> None:
    low, high = target.bounds
    x = np.array([-1.7, 0.0, 2.9, 100.5, np.nan, np.inf, -np.inf, 1e30, -1e30], np.float32)
    wanted = [max(low, -1), 0, 2, 100, 0, high, low, high, low]
    assert forward("cast", [x], dtype=target).tolist() == wanted
    ends = np.array([float(low), float(high), float(high + 1)])
    assert forward("cast", [ends], dtype=target).tolist() == [low, high, high]


def test_numpy_agrees_on_remainders_and_quotients_rounded_down() -> None:
    text = """
net n {
  input x: %s[N]
  input y: %s[N]
  output down = x // y
  output rest = x %% y
}
"""
    for dtype in INTEGERS:
        x, y = (a[pair(dtype)[1] != 0] for a in pair(dtype))
        found: Any = netlang.compile(text % (dtype, dtype), target="reference")(x, y)
        with np.errstate(all="ignore"):
            np.testing.assert_array_equal(found["down"], x // y)
            np.testing.assert_array_equal(found["rest"], x % y)


def test_casts_through_a_float_are_left_where_one_alone_would_wrap_around() -> None:
    """300 becomes 255 by way of a float, and 44 without; through a wider integer both are the same."""
    b = Builder()
    for between, target, left in (
        (DType.F64, DType.U8, 2),
        (DType.F64, DType.I64, 1),
        (DType.I64, DType.U8, 1),
        (DType.U32, DType.I64, 2),
    ):
        x = b.input("x", TensorType(DType.I32, (3,)))
        y = b.op("cast", b.op("cast", x, dtype=between), dtype=target)
        graph = simplify.run(Graph("g", (x,), (), (("y", y),)))
        assert sum(node.op == "cast" for node in graph.nodes) == left, (between, target)
