"""Elementwise ops on the numbers that are easily got wrong: NaN, infinity, signed zero, what no integer holds."""

from __future__ import annotations

import numpy as np
import pytest

import netlang.ops  # noqa: F401
from netlang.backends.cuda import Cuda
from netlang.backends.cuda.simulator.device import Simulator
from netlang.ir.graph import Value
from netlang.ir.types import DType, TensorType
from netlang.ops.random import philox_normal, philox_uniform
from tests.backends import integers
from tests.backends.compared import Array, B, feed_of, graph_of, inputs_like

ODD = (float("nan"), float("inf"), -float("inf"), 0.0, -0.0, 1.0, -1.0, 1e-3, -1e-3, 90.0, -80.0, 3e38, -3e38, 1e-40)
ATTRIBUTES = {"elu": {"alpha": 0.5}, "leaky_relu": {"slope": 0.1}}
MEANING = {
    "relu": lambda x: np.where(x > 0, x, np.where(np.isnan(x), x, 0)), "abs": np.abs, "sign": np.sign,
    "neg": np.negative, "floor": np.floor, "exp": np.exp, "log": np.log, "sqrt": np.sqrt, "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)), "softplus": lambda x: np.logaddexp(x, 0),
    "sin": np.sin, "cos": np.cos, "tan": np.tan, "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan,
    "sinh": np.sinh, "cosh": np.cosh, "asinh": np.arcsinh, "acosh": np.arccosh, "atanh": np.arctanh,
    "ceil": np.ceil, "round": np.rint,
    "elu": lambda x: np.where(x > 0, x, 0.5 * np.expm1(x)), "leaky_relu": lambda x: np.where(x > 0, x, x * 0.1),
}  # fmt: skip


def computed(arrays: list[Array], *results: Value, inputs: list[Value]) -> list[Array]:
    program = Cuda(device=Simulator()).compile(graph_of(inputs, *results))
    return [*program.run(feed_of(arrays), {}).values()]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_functions_of_odd_numbers(dtype: type) -> None:
    with np.errstate(all="ignore"):
        x = np.array(ODD).astype(dtype)
        inputs = inputs_like([x])
        names = sorted(MEANING)
        found = computed([x], *(B.op(name, inputs[0], **ATTRIBUTES.get(name, {})) for name in names), inputs=inputs)
        for name, got in zip(names, found, strict=True):
            want = MEANING[name](x.astype(np.float64)).astype(dtype)
            np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-44, err_msg=name)
            assert np.array_equal(np.isnan(got), np.isnan(want)), name


def test_nan_wins_and_compares_as_nothing() -> None:
    x, y = (np.array([a for a in ODD for _ in ODD], np.float32), np.array(ODD * len(ODD), np.float32))
    inputs = inputs_like([x, y])
    ops = {
        "max": np.maximum,
        "min": np.minimum,
        "eq": np.equal,
        "ne": np.not_equal,
        "lt": np.less,
        "ge": np.greater_equal,
    }
    found = computed([x, y], *(B.op(name, *inputs) for name in ops), inputs=inputs)
    for (name, meaning), got in zip(ops.items(), found, strict=True):
        np.testing.assert_array_equal(got, meaning(x, y), err_msg=name)


@pytest.mark.parametrize("source", [np.float32, np.float64])
@pytest.mark.parametrize("target", [DType.I8, DType.I32, DType.I64, DType.BOOL])
def test_what_does_not_fit_an_integer_becomes_the_nearest_bound(source: type, target: DType) -> None:
    edges = [*ODD, 127.9, 128.0, -128.9, -129.0, 2.0**31, -(2.0**31), 2.0**63, -(2.0**63), 2147483520.0, 1e20]
    x = np.array(edges).astype(source)
    inputs = inputs_like([x])
    (got,) = computed([x], B.op("cast", inputs[0], dtype=target), inputs=inputs)
    if target == DType.BOOL:
        want = [v != 0 for v in x.tolist()]
    else:
        bounds = np.iinfo(target.numpy)
        want = [int(0 if v != v else min(max(v, bounds.min), bounds.max)) for v in x.tolist()]
    assert got.tolist() == want


@pytest.mark.parametrize("dtype", [DType.I8, DType.I32, DType.I64])
def test_integers_wrap(dtype: DType) -> None:
    bounds = np.iinfo(dtype.numpy)
    values = [bounds.min, bounds.min + 1, -3, 0, 5, bounds.max - 1, bounds.max]
    x, y = (np.array([a for a in values for _ in values], dtype.numpy), np.array(values * len(values), dtype.numpy))
    inputs = inputs_like([x, y])
    results = [B.op(op, *inputs) for op in ("add", "sub", "mul")] + [B.neg(inputs[0]), B.op("abs", inputs[0])]
    with np.errstate(all="ignore"):
        want = [x + y, x - y, x * y, -x, np.abs(x)]
    for got, expected in zip(computed([x, y], *results, inputs=inputs), want, strict=True):
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("dtype", [DType.I8, DType.I32, DType.I64])
def test_division_and_bits_of_integers(dtype: DType) -> None:
    arrays = integers.pairs(dtype)
    inputs = inputs_like(arrays)
    results = [*(B.op(op, *inputs) for op in integers.OPS), B.op("bit_not", inputs[0])]
    *found, turned = computed(list(arrays), *results, inputs=inputs)
    for op, got in zip(integers.OPS, found, strict=True):
        np.testing.assert_array_equal(got, integers.expected(op, dtype, *arrays), err_msg=op)
    np.testing.assert_array_equal(turned, -1 - arrays[0])


@pytest.mark.parametrize("dtype", [DType.F16, DType.BF16])
def test_halves_are_rounded_once(dtype: DType) -> None:
    """A chain in float32 between halves; a cast in the middle of it rounds."""
    x = np.random.default_rng(0).normal(size=64).astype(dtype.numpy)
    inputs = inputs_like([x])
    wide = B.op("cast", inputs[0], dtype=DType.F32)
    third = B.scale(wide, 1 / 3)
    results = [B.op("cast", third, dtype=dtype), B.op("cast", B.op("cast", third, dtype=dtype), dtype=DType.F32)]
    want = (x.astype(np.float32) * np.float32(1 / 3)).astype(dtype.numpy)
    got, widened = computed([x], *results, inputs=inputs)
    assert got.tobytes() == want.tobytes() and np.array_equal(widened, want.astype(np.float32))


@pytest.mark.parametrize("dtype", [DType.F16, DType.BF16, DType.F32, DType.F64])
@pytest.mark.parametrize("count", [64, 67])
def test_random_numbers_are_those_of_every_backend(dtype: DType, count: int) -> None:
    seed, step = 2**40 + 7, 3
    key = B.input("key", TensorType(DType.I64, (2,)))
    results = [B.op(op, key, shape=(count,), stream=5, dtype=dtype) for op in ("uniform", "normal")]
    program = Cuda(device=Simulator()).compile(graph_of([key], *results))
    uniform, normal = program.run({"key": np.array([seed, step])}, {}).values()
    assert uniform.tobytes() == philox_uniform(seed, step, 5, count, dtype).tobytes()
    assert normal.tobytes() == philox_normal(seed, step, 5, count, dtype).tobytes()
