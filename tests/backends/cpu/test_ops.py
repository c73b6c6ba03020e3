"""Every op of the registry against the reference, over the samples of its record."""

from __future__ import annotations

from itertools import islice
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import netlang.ops  # noqa: F401
from netlang.backends.cpu import Cpu
from netlang.backends.reference import evaluate
from netlang.diagnostics import NetError, Source, Span
from netlang.ir.build import Builder, make_node
from netlang.ir.opdef import Sample, registered
from netlang.ir.types import DType, TensorType
from netlang.passes import inference_pipeline
from netlang.passes.manager import PassManager
from tests.backends import integers
from tests.backends.cpu.against_reference import B, check, feed_of, graph_of, inputs_like

TESTED = [name for name, record in registered().items() if record.samples is not None]


def run_sample(op: str, sample: Sample, dtype: Any, tolerance: float) -> None:
    arrays = [a.astype(dtype) if np.asarray(a).dtype.kind == "f" else np.asarray(a) for a in sample.inputs]
    inputs = inputs_like(arrays)
    node = make_node(op, inputs, dict(sample.attrs))
    check(graph_of(inputs, *node.results), feed_of(arrays), tolerance)


def samples(op: str) -> list[Sample]:
    found = registered()[op].samples
    assert found is not None
    return list(found(np.random.default_rng(0)))


@pytest.mark.parametrize("op", TESTED)
def test_single_precision(op: str) -> None:
    for sample in samples(op):
        run_sample(op, sample, np.float32, 2e-5)


@pytest.mark.parametrize("op", [op for op in TESTED if op not in ("cast", "uniform", "normal")])
def test_double_precision(op: str) -> None:
    for sample in islice(samples(op), 1, 3):
        run_sample(op, sample, np.float64, 1e-12)


@pytest.mark.parametrize("dtype, tolerance", [(np.float16, 4e-3), (ml_dtypes.bfloat16, 3e-2)])
@pytest.mark.parametrize(
    "op", ["add", "exp", "gelu", "reduce_sum", "softmax", "transpose", "pad", "matmul", "conv", "max_pool", "gather"]
)
def test_half_precision(op: str, dtype: Any, tolerance: float) -> None:
    run_sample(op, samples(op)[1], dtype, tolerance)


@pytest.mark.parametrize("dtype", [np.int8, np.int32, np.int64])
@pytest.mark.parametrize("op", ["add", "sub", "mul", "max", "min", "eq", "lt", "neg", "abs", "sign"])
def test_integers(op: str, dtype: Any) -> None:
    rng = np.random.default_rng(1)
    count = registered()[op].arity[0]
    run_sample(op, Sample(tuple(rng.integers(-5, 6, (5, 37)).astype(dtype) for _ in range(count))), None, 0)


@pytest.mark.parametrize("dtype", [DType.I8, DType.I32, DType.I64])
def test_division_and_bits_of_integers(dtype: DType) -> None:
    arrays = integers.pairs(dtype)
    values = inputs_like(arrays)
    graph = graph_of(values, *(B.op(op, *values) for op in integers.OPS), B.op("bit_not", values[0]))
    for out in (check(graph, feed_of(arrays), 0), evaluate(graph, feed_of(arrays))[0]):
        for number, op in enumerate(integers.OPS):
            np.testing.assert_array_equal(out[f"y{number}"], integers.expected(op, dtype, *arrays), err_msg=op)
        np.testing.assert_array_equal(out[f"y{len(integers.OPS)}"], -1 - arrays[0])


@pytest.mark.parametrize("op", ["reduce_sum", "reduce_max", "reduce_min", "argmax"])
def test_integer_reductions(op: str) -> None:
    attrs: dict[str, Any] = {"axis": 1} if op == "argmax" else {"axes": (1,)}
    run_sample(op, Sample((np.random.default_rng(1).integers(-9, 9, (5, 37)).astype(np.int32),), attrs), None, 0)


def test_not_a_number_stays_one() -> None:
    x = np.array([np.nan, 1, -1, np.inf, -np.inf, 0] * 7, np.float32)
    (value,) = inputs_like([x])
    ops = ["relu", "exp", "log", "tanh", "sigmoid", "sqrt", "abs", "floor", "erf", "softplus", "elu", "sign"]
    ops += ["sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "asinh", "acosh", "atanh", "ceil", "round"]
    results = [B.op(op, value) for op in ops]
    results += [B.op("max", value, B.scalar(0.0, value)), B.op("min", B.scalar(0.0, value), value)]
    results += [B.op("reduce_max", value, axes=(0,)), B.op("reduce_min", value, axes=(0,))]
    with np.errstate(all="ignore"):
        check(graph_of([value], *results), feed_of([x]))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("base", [0.5, 2.0, 8.0, 10.0])
def test_powers_of_constants_in_a_loop(base: float, dtype: Any) -> None:
    """As in Adam's 1 - beta^step: where the base is a constant of the kernel, LLVM makes exp2 or ldexp of the power."""
    x, count = np.linspace(-3, 3, 37).astype(dtype), np.arange(-3, 34)
    values = inputs_like([x, count])
    one = B.scalar(1.0, values[0])
    whole = B.op("cast", values[1], dtype=values[0].dtype)
    powers = [B.op("sub", one, B.op("pow", B.scalar(base, values[0]), B.op("add", v, one))) for v in (values[0], whole)]
    graph = PassManager().run(graph_of(values, *powers), inference_pipeline())
    assert any(node.op == "fused" for node in graph.nodes)
    check(graph, feed_of([x, count]), 1e-6)


def test_powers_with_constant_exponents() -> None:
    x = np.random.default_rng(0).uniform(0.1, 3, 50).astype(np.float32)
    (value,) = inputs_like([x])
    exponents = (0.0, 0.5, 1.0, 2.0, 3.0, -1.0, 2.5)
    check(graph_of([value], *(B.op("pow", value, B.scalar(p, value)) for p in exponents)), feed_of([x]), 1e-6)
    (step,) = Cpu().compile(graph_of([value], B.op("pow", value, B.scalar(2.0, value)))).steps
    assert "'pow'" not in step.kernel.key


def test_an_index_out_of_range_does_no_harm() -> None:
    table, index = np.arange(12, dtype=np.float32).reshape(4, 3), np.array([-7, 2, 99])
    inputs = inputs_like([table, index])
    out = Cpu().compile(graph_of(inputs, B.op("gather", *inputs, axis=0))).run(feed_of([table, index]), {})
    np.testing.assert_array_equal(out["y0"], table[[0, 2, 3]])


def test_what_is_not_supported_is_told_with_its_place() -> None:
    span = Span(Source("deep.net", "    conv(x, w)"), 1, 5, 1, 15)
    b = Builder((span,), "stage")
    x = b.input("x", TensorType(DType.F32, (1, 1, 2, 2, 2, 2)))
    w = b.input("w", TensorType(DType.F32, (1, 1, 1, 1, 1, 1)))
    four: dict[str, Any] = {"stride": (1,) * 4, "pad": ((0, 0),) * 4, "dilation": (1,) * 4}
    y = b.op("conv", x, w, **four)
    with pytest.raises(NetError, match=r"deep.net:1:5: error: the cpu backend cannot carry out conv"):
        Cpu().compile(graph_of([x, w], y))
