"""Tiled matrix products against the reference: shapes, transposes, batches, epilogues."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlang.backends.reference import Reference
from netlang.ir.build import Builder
from netlang.ir.dims import sym
from netlang.ir.graph import Graph, Value
from netlang.ir.types import DType, TensorType
from netlang.passes import fuse
from tests.backends.cpu.tiled import ALL_TARGETS, NARROW, TARGETS, assert_close, check, compiled, kernels_of, normal

Values = Mapping[str, Value]
KERNEL = "gemm:"


def product(b: Builder, v: Values, ta: bool = False, tb: bool = False) -> Value:
    return b.op("matmul", v["a"], v["b"], transpose_a=ta, transpose_b=tb)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(
    st.sampled_from([1, 2, 3, 16, 31]),
    st.sampled_from([1, 5, 32, 100]),
    st.sampled_from([1, 10, 17, 48, 130]),
    st.booleans(),
    st.booleans(),
    st.sampled_from(ALL_TARGETS),
)
def test_any_shape(rows: int, inner: int, columns: int, ta: bool, tb: bool, target: Any) -> None:
    a, b = (inner, rows) if ta else (rows, inner), (columns, inner) if tb else (inner, columns)
    arrays = {"a": normal(0, *a), "b": normal(1, *b)}
    check(lambda g, v: {"y": product(g, v, ta, tb)}, arrays, target=target, tiled=KERNEL)


BATCHES: list[tuple[tuple[int, ...], tuple[int, ...], bool, bool]] = [
    ((2, 3, 4), (2, 4, 5), False, False),
    ((2, 3, 4), (4, 5), False, False),
    ((2, 3, 5, 4), (2, 3, 17, 4), False, True),
    ((2, 4, 3), (4, 5), True, False),
    ((3, 4), (6, 5, 4), False, True),
    ((1, 4, 3), (6, 4, 5), True, False),
    ((6, 1, 4), (6, 4, 33), False, False),
]


@pytest.mark.parametrize(("a", "b", "ta", "tb"), BATCHES)
def test_batches(a: tuple[int, ...], b: tuple[int, ...], ta: bool, tb: bool) -> None:
    arrays = {"a": normal(0, *a), "b": normal(1, *b)}
    check(lambda g, v: {"y": product(g, v, ta, tb)}, arrays, tiled=KERNEL)


@pytest.mark.parametrize("rows", [1, 3, 20])
@pytest.mark.parametrize("activation", ["relu", "sigmoid", "tanh", "softplus"])
def test_bias_and_activation(rows: int, activation: str) -> None:
    def make(g: Builder, v: Values) -> Values:
        return {"y": g.op(activation, g.add(product(g, v), v["bias"]))}

    a = normal(0, rows, 40)
    a[0, 0] = np.nan
    arrays = {"a": a, "b": normal(1, 40, 35), "bias": normal(2, 35)}
    for target in (TARGETS[0], NARROW):
        check(make, arrays, target=target, tiled=KERNEL)


def test_mask() -> None:
    def make(g: Builder, v: Values) -> Values:
        zero = g.scalar(0, v["y"])
        return {"dx": g.op("where", g.op("gt", v["y"], zero), product(g, v, tb=True), zero)}

    check(make, {"a": normal(0, 9, 12), "b": normal(1, 21, 12), "y": normal(2, 9, 21)}, tiled=KERNEL)


def test_large() -> None:
    arrays = {"a": normal(0, 70, 600), "b": normal(1, 600, 96)}
    check(lambda g, v: {"y": product(g, v)}, arrays, tiled=KERNEL)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(("ta", "tb"), [(False, False), (False, True), (True, False)])
def test_any_number_of_rows_by_one_kernel(ta: bool, tb: bool, target: Any) -> None:
    """Where the rows are known only at the call, the kernel has tiles of two heights."""
    n, inner, columns = sym("N"), 37, 50
    b = Builder()
    x = b.input("a", TensorType(DType.F32, (inner, n) if ta else (n, inner)))
    w = b.param("b", TensorType(DType.F32, (columns, inner) if tb else (inner, columns)), "weight", ("constant", 0.0))
    bias = b.param("bias", TensorType(DType.F32, (columns,)), "weight", ("constant", 0.0))
    y = b.op("relu", b.add(product(b, {"a": x, "b": w}, ta, tb), bias))
    graph = fuse.run(Graph("g", (x,), (w, bias), (("y", y),)))
    (key,) = {k for k in kernels_of(graph, target) if k.startswith(KERNEL)}
    assert "lower=0" not in key
    one, three = (compiled(graph, target, threads) for threads in (1, 3))
    params = {"b": normal(1, *(int(str(d)) for d in w.shape)), "bias": normal(2, columns)}
    for rows in (1, 2, 5, 8, 9, 14, 15, 16, 17, 29, 64):
        given = {"a": normal(rows, *((inner, rows) if ta else (rows, inner)))}
        wanted = Reference().compile(graph).run(given, params)["y"]
        found = one.run(given, params)["y"]
        assert_close(found, wanted, f"{rows} rows", 1e-5)
        assert np.array_equal(found, three.run(given, params)["y"])
