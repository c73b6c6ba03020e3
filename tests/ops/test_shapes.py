"""Shape rules: what the ops accept, with symbolic dims too, and what they say to the rest."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import netlang.ops  # noqa: F401
from netlang.backends.reference import evaluate
from netlang.ir.build import Builder, make_node
from netlang.ir.dims import Dim, Shape, sym
from netlang.ir.gradient import gradients
from netlang.ir.graph import Graph, Value
from netlang.ir.opdef import Array, ShapeError
from netlang.ir.types import DType, TensorType

B = Builder()
N, T = sym("N"), sym("T")


def tensor(*shape: Dim, dtype: DType = DType.F32) -> Value:
    return B.input("x", TensorType(dtype, shape))


ACCEPTED: list[tuple[str, list[Value], dict[str, Any], Shape]] = [
    ("relu", [tensor(N, 3)], {}, (N, 3)),
    ("add", [tensor(N, 1, 4), tensor(T, 1)], {}, (N, T, 4)),
    ("where", [tensor(N, 1, dtype=DType.BOOL), tensor(), tensor(3)], {}, (N, 3)),
    ("prelu", [tensor(N, 6, 5), tensor(6, 1)], {}, (N, 6, 5)),
    ("reduce_sum", [tensor(N, 3, T)], {"axes": (0, 2)}, (3,)),
    ("reduce_mean", [tensor(N, 3, T)], {"axes": (2,), "keepdims": True}, (N, 3, 1)),
    ("reduce_max", [tensor(N, 3)], {"axes": ()}, (N, 3)),
    ("argmax", [tensor(N, 10)], {"axis": 1}, (N,)),
    ("reshape", [tensor(N, 4, T)], {"shape": (N * T, 2, 2)}, (N * T, 2, 2)),
    ("broadcast", [tensor(4)], {"shape": (N, 4)}, (N, 4)),
    ("transpose", [tensor(N, 3, T)], {"perm": (2, 0, 1)}, (T, N, 3)),
    ("reverse", [tensor(N, T)], {"axes": (1,)}, (N, T)),
    ("concat", [tensor(N, 3), tensor(N, T)], {"axis": 1}, (N, T + 3)),
    ("slice", [tensor(N, T)], {"axis": 1, "start": 0, "stop": T, "step": 2}, (N, (T + 1) // 2)),
    ("slice", [tensor(N, 9)], {"axis": 1, "start": 2, "stop": 9, "step": 3}, (N, 3)),
    ("slice_grad", [tensor(N, 3)], {"axis": 1, "start": 2, "step": 3, "size": 9}, (N, 9)),
    ("pad", [tensor(N, T)], {"low": (0, 2), "high": (0, 1)}, (N, T + 3)),
    ("gather", [tensor(50, 8), tensor(N, T, dtype=DType.I64)], {}, (N, T, 8)),
    ("scatter_add", [tensor(N, T, 8), tensor(N, T, dtype=DType.I32)], {"axis": 0, "size": 50}, (50, 8)),
    ("one_hot", [tensor(N, dtype=DType.I64)], {"classes": 10}, (N, 10)),
    ("softmax", [tensor(N, T, 3)], {"axis": 1}, (N, T, 3)),
    ("cross_entropy", [tensor(N, 10), tensor(N, dtype=DType.I64)], {}, (N,)),
    ("cross_entropy", [tensor(N, 10, T), tensor(N, T, dtype=DType.I32)], {}, (N, T)),
    ("cross_entropy", [tensor(N, 10, T), tensor(N, 10, T)], {}, (N, T)),
    ("uniform", [tensor(2, dtype=DType.I64)], {"shape": (N, 3), "stream": 0}, (N, 3)),
]


@pytest.mark.parametrize(("op", "inputs", "attrs", "shape"), ACCEPTED, ids=lambda v: v if isinstance(v, str) else "")
def test_accepted(op: str, inputs: list[Value], attrs: dict[str, Any], shape: Shape) -> None:
    assert make_node(op, inputs, attrs).out.shape == shape


REFUSED: list[tuple[str, list[Value], dict[str, Any], str]] = [
    ("add", [tensor(N, 3), tensor(4)], {}, "add cannot combine [N, 3] and [4]: 3 and 4 differ"),
    ("mul", [tensor(N), tensor(T)], {}, "mul cannot combine [N] and [T]: N and T differ"),
    ("sub", [tensor(3), tensor(3, dtype=DType.F64)], {}, "sub needs tensors of one element type, got f32 and f64"),
    ("add", [tensor(dtype=DType.BOOL), tensor(dtype=DType.BOOL)], {}, "add needs numbers, got bool"),
    ("div", [tensor(dtype=DType.BOOL), tensor(dtype=DType.BOOL)], {}, "div needs numbers, got bool"),
    (
        "pad",
        [tensor(3, dtype=DType.U8)],
        {"low": (1,), "high": (0,), "value": -1},
        "pad: -1 does not fit into u8 elements",
    ),
    ("exp", [tensor(dtype=DType.I32)], {}, "exp needs floating-point tensors, got i32"),
    ("not", [tensor()], {}, "not needs bool tensors, got f32"),
    ("and", [tensor(dtype=DType.BOOL), tensor()], {}, "and needs bool tensors, got f32"),
    ("where", [tensor(), tensor(), tensor()], {}, "where needs a bool condition, got f32"),
    ("add", [tensor()], {}, "add takes 2 tensors, got 1"),
    ("relu", [tensor()], {"slope": 1.0}, "relu has no attribute 'slope'"),
    ("reduce_sum", [tensor(3)], {}, "reduce_sum needs the attribute 'axes'"),
    ("reduce_sum", [tensor(N, 3)], {"axes": (2,)}, "reduce_sum has no axis 2: [N, 3] has rank 2"),
    ("reduce_max", [tensor(N, 3)], {"axes": (1, 0)}, "reduce_max needs its axes in order and each once, got (1, 0)"),
    ("reduce_min", [tensor(N, 3)], {"axes": (1, 1)}, "reduce_min needs its axes in order and each once, got (1, 1)"),
    ("reduce_mean", [tensor(3, dtype=DType.I64)], {"axes": (0,)}, "reduce_mean needs floating-point tensors, got i64"),
    ("argmax", [tensor(N, 0)], {"axis": 1}, "argmax over axis 1 of [N, 0]: there is no element"),
    (
        "reshape",
        [tensor(N, 3)],
        {"shape": (N, 4)},
        "reshape cannot turn [N, 3] into [N, 4]: 3*N and 4*N elements",
    ),
    ("reshape", [tensor(4)], {"shape": (-2, -2)}, "reshape to [-2, -2]: a dimension is negative"),
    ("broadcast", [tensor(N, 3)], {"shape": (3,)}, "broadcast cannot turn [N, 3] into [3]"),
    ("broadcast", [tensor(3)], {"shape": (N, 1)}, "broadcast cannot turn [3] into [N, 1]"),
    ("transpose", [tensor(N, 3)], {"perm": (0, 0)}, "transpose of [N, 3] needs each of its 2 axes once, got (0, 0)"),
    ("reverse", [tensor(N)], {"axes": (-1,)}, "reverse has no axis -1: [N] has rank 1"),
    (
        "concat",
        [tensor(N, 3), tensor(T, 3)],
        {"axis": 1},
        "concat along axis 1 cannot join [N, 3] and [T, 3]: only that axis may differ",
    ),
    ("slice", [tensor(N, 3)], {"axis": 1, "start": 1, "stop": 4}, "slice 1:4 does not lie in axis 1 of [N, 3]"),
    (
        "slice",
        [tensor(5)],
        {"axis": 0, "start": 0, "stop": 4, "step": -1},
        "slice needs a step of at least 1, got -1",
    ),
    (
        "slice_grad",
        [tensor(3)],
        {"axis": 0, "start": 1, "step": 2, "size": 5},
        "slice_grad of [3] from 1 does not fit an axis of size 5",
    ),
    ("pad", [tensor(N, 3)], {"low": (1,), "high": (1,)}, "pad of [N, 3] needs 2 amounts per side, got (1,) and (1,)"),
    ("pad", [tensor(3)], {"low": (-1,), "high": (1,)}, "pad amounts cannot be negative, got (-1,) and (1,)"),
    ("gather", [tensor(3), tensor(2)], {}, "gather needs integer indices, got f32"),
    (
        "scatter_add",
        [tensor(3, 4), tensor(4, dtype=DType.I64)],
        {"axis": 0, "size": 9},
        "scatter_add along axis 0 cannot place [3, 4] by indices [4]: those dims must stand at that axis",
    ),
    ("one_hot", [tensor(3)], {"classes": 2}, "one_hot needs integer indices, got f32"),
    ("one_hot", [tensor(dtype=DType.I64)], {"classes": 0}, "one_hot needs at least one class, got 0"),
    ("softmax", [tensor(N, 3)], {"axis": 2}, "softmax has no axis 2: [N, 3] has rank 2"),
    (
        "cross_entropy",
        [tensor(N), tensor(N, dtype=DType.I64)],
        {},
        "cross_entropy expects logits [N, classes, ...], got [N]",
    ),
    (
        "cross_entropy",
        [tensor(N, 10), tensor(N, 1, dtype=DType.I64)],
        {},
        "cross_entropy of logits [N, 10] expects integer targets [N] or f32 targets [N, 10], got i64[N, 1]",
    ),
    (
        "uniform",
        [tensor(2)],
        {"shape": (3,), "stream": 0},
        "uniform needs its key (seed, step) as i64[2], got f32[2]",
    ),
]


@pytest.mark.parametrize(("op", "inputs", "attrs", "message"), REFUSED, ids=lambda v: v if isinstance(v, str) else "")
def test_refused(op: str, inputs: list[Value], attrs: dict[str, Any], message: str) -> None:
    with pytest.raises(ShapeError) as caught:
        make_node(op, inputs, attrs)
    assert str(caught.value) == message


def _gradient_at(y: Value, x: Value, array: Array) -> Array:
    (dx,) = gradients(y, [x], seed=B.broadcast(B.scalar(1.0, y), y.shape))
    assert dx.type == x.type
    return evaluate(Graph("g", (x,), outputs=(("dx", dx),)), {"x": array})[0]["dx"]


@pytest.mark.parametrize("dtype", [DType.F16, DType.F32, DType.F64], ids=str)
def test_mean_over_a_symbolic_batch(dtype: DType) -> None:
    x = tensor(N, 3, dtype=dtype)
    mean = B.op("reduce_mean", x, axes=(0, 1))
    found = _gradient_at(mean, x, np.ones((5, 3), dtype.numpy))
    np.testing.assert_allclose(found, np.full((5, 3), 1 / 15), rtol=1e-3)


def test_broadcasting_over_a_symbolic_batch_is_undone() -> None:
    x = B.input("x", TensorType(DType.F32, (N, 1)))
    y = B.mul(x, B.broadcast(x, (N, 4)))
    found = _gradient_at(y, x, np.array([[1.0], [3.0]], np.float32))
    # y = x * x in four columns.
    np.testing.assert_allclose(found, [[8.0], [24.0]])


def test_concat_and_slice_along_a_symbolic_axis() -> None:
    x = B.input("x", TensorType(DType.F32, (2, T)))
    twice = B.op("concat", x, B.op("reverse", x, axes=(1,)), axis=1)
    odd = B.op("slice", twice, axis=1, start=1, stop=2 * T, step=2)
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    outputs, _ = evaluate(Graph("g", (x,), outputs=(("y", odd),)), {"x": array})
    np.testing.assert_array_equal(outputs["y"], np.concatenate([array, array[:, ::-1]], 1)[:, 1::2])
    # Three of the six columns are kept: the middle one of x, then from the reversed copy the last and the first.
    np.testing.assert_array_equal(_gradient_at(odd, x, array), np.ones((2, 3)))


def test_layout_is_kept_by_elementwise_ops() -> None:
    blocked = B.op("layout", tensor(N, 16, 4, 4), to="c16")
    assert B.op("relu", blocked).type.layout == "c16"
    assert B.add(blocked, B.const(np.ones((16, 1, 1)), DType.F32)).type.layout == "c16"
    assert B.op("gt", blocked, blocked).type == TensorType(DType.BOOL, (N, 16, 4, 4), "c16")
