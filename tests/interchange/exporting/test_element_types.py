"""Every op in every element type that it takes: all of one type in one graph, carried out by onnxruntime."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from netlang.diagnostics import NetError
from netlang.interchange.exporting.record import exported_ops
from netlang.ir.build import Builder, make_node
from netlang.ir.graph import Graph, Value
from netlang.ir.opdef import ShapeError
from netlang.ir.types import DType, TensorType
from tests.interchange.exporting.running import Array, carried_out, close, exported
from tests.ops.harness import Case, cases, run, type_of

TYPES = tuple(t for t in DType if t is not DType.F32)
BITS = {DType.F16: 10, DType.BF16: 7}
"""Of fractions: onnxruntime rounds some results of halves more than once."""
LACKING = {
    DType.F64: {
        *("acos", "acosh", "asin", "asinh", "atan", "atanh", "cosh", "sinh", "tan", "erf", "gelu", "elu", "softplus"),
        *("leaky_relu", "prelu", "avg_pool", "avg_pool_grad", "sum_pool", "sum_pool_grad", "l2_pool", "conv"),
        *("conv_data_grad", "local_response_norm", "local_response_norm_grad"),
    },
    DType.U64: {
        *("argmax", "cumsum", "div", "floor_div", "fmod", "reduce_max", "reduce_min", "topk"),
        *("max_pool", "max_pool_switch"),
    },
    DType.I64: {"max_pool", "max_pool_switch"},
}
"""Ops for which onnxruntime has no code, or, for maxima of windows of 64-bit whole numbers, ONNX no operator."""
WHOLE = {"floor_div", "fmod", "bit_and", "bit_or", "bit_xor", "bit_not", "shift_left", "shift_right"}
"""Ops whose integer inputs are what they compute with, not indices."""


def first_samples() -> Iterator[Case]:
    """For every op a sample that is no scalar."""
    done: set[str] = set()
    known = set(exported_ops())
    for case in cases(lambda op: op in known):
        shapes = [np.shape(a) for a in case.sample.inputs]
        if shapes and case.op not in done and any(shapes) and all(0 not in shape for shape in shapes):
            done.add(case.op)
            yield case


SAMPLES = tuple(first_samples())


def retyped(array: Array, dtype: DType, op: str) -> Array:
    """A sample's numbers in another element type; its indices as they are."""
    if array.dtype.kind == "f":
        if dtype is DType.BOOL:
            return array > 0
        if dtype.is_float:
            return array.astype(dtype.numpy)
        return np.clip(np.rint(array * 3), 0 if dtype.is_unsigned else -100, 100).astype(dtype.numpy)
    if op in WHOLE and dtype.is_int:
        return np.clip(array, 0 if dtype.is_unsigned else -100, 100).astype(dtype.numpy)
    return array


def one_graph(dtype: DType) -> tuple[Graph, dict[str, Array]]:
    """All ops that take the type, and their inputs. Numbers of bfloat16, which NumPy has not, come and go as f32."""
    inputs: list[Value] = []
    outputs: list[tuple[str, Value]] = []
    arrays: dict[str, Array] = {}
    b = Builder()
    for case in SAMPLES:
        if case.op in LACKING.get(dtype, ()):
            continue
        given: list[Value] = []
        taken: dict[str, Array] = {}
        for array in case.sample.inputs:
            found = retyped(np.asarray(array), dtype, case.op)
            narrow = DType.of(found.dtype) is DType.BF16
            found = found.astype(np.float32) if narrow else found
            value = b.input(f"{case.op}{len(taken)}", type_of(found))
            taken[value.node.name] = found
            given.append(b.op("cast", value, dtype=DType.BF16) if narrow else value)
        try:
            node = make_node(case.op, given, dict(case.sample.attrs))
        except ShapeError:
            continue  # an op that does not take the type
        arrays.update(taken)
        inputs += [v.node.inputs[0] if v.node.op == "cast" else v for v in given]
        for i, value in enumerate(node.results):
            wide = b.op("cast", value, dtype=DType.F32) if value.dtype is DType.BF16 else value
            outputs.append((f"{case.op}:{i}", wide))
    return Graph("all", tuple(inputs), (), tuple(outputs)), arrays


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_ops_in_other_element_types(dtype: DType) -> None:
    graph, arrays = one_graph(dtype)
    got = carried_out(exported(graph), arrays)
    assert len(got) >= 20
    with np.errstate(all="ignore"):
        wanted = run(graph.inputs, [v for _, v in graph.outputs], [arrays[v.node.name] for v in graph.inputs])
    tolerance = 4 * 2.0 ** -BITS[dtype] if dtype in BITS else 1e-5
    for (name, _), array in zip(graph.outputs, wanted, strict=True):
        close(got[name], array, name, tolerance)


def test_onnx_has_no_maxima_of_windows_of_long_whole_numbers() -> None:
    b = Builder()
    x = b.input("x", TensorType(DType.I64, (1, 1, 4)))
    y = b.op("max_pool", x, kernel=(2,), stride=(2,), pad=((0, 0),), dilation=(1,))
    with pytest.raises(NetError, match=r"'max_pool' cannot be exported to ONNX: .* i64"):
        exported(Graph("n", (x,), (), (("y", y),)))
