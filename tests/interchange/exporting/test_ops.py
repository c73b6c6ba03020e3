"""Every op on the samples of its record: exported alone, carried out by onnxruntime, compared with its meaning."""

from __future__ import annotations

import numpy as np
import pytest

from netlang.interchange.exporting.record import exported_ops
from netlang.ir.build import Builder
from netlang.ir.graph import Graph, Value
from netlang.ir.opdef import opdef, registered
from netlang.ir.types import DType
from tests.interchange.exporting.running import Array, carried_out, close, exported
from tests.ops.harness import Case, build, cases, run

INTERNAL = {"fused", "layout", "input", "param", "scan"}
"""What no source says, leaves that have no record of their own, and the loop, which has tests of its own."""
TRAINING = {"batchnorm_train", "conv_weight_grad", "local_conv_weight_grad"}
"""What only a training step does."""


def forward(op: str) -> bool:
    return op not in INTERNAL and op not in TRAINING


@pytest.mark.parametrize("op", [op for op in registered() if forward(op)])
def test_every_op_can_be_exported(op: str) -> None:
    assert op in set(exported_ops())


def narrowed(array: Array) -> Array:
    """Samples are of float64, for finite differences; most operators of onnxruntime are not."""
    return array.astype(np.float32) if array.dtype == np.float64 else array


def readable(value: Value) -> Value:
    """onnxruntime has no NumPy arrays of bfloat16."""
    return Builder().op("cast", value, dtype=DType.F32) if value.dtype is DType.BF16 else value


CASES = [c for c in cases(lambda op: op in set(exported_ops())) if all(0 not in a.shape for a in c.sample.inputs)]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_onnxruntime_computes_what_the_op_means(case: Case) -> None:
    arrays = [narrowed(np.asarray(a)) for a in case.sample.inputs]
    node = build(case.op, arrays, case.sample.attrs)
    if any(0 in t.shape for t in node.types):
        pytest.skip("the language has no tensors without elements")
    results = [readable(v) for v in node.results]
    graph = Graph("one", node.inputs, (), tuple((f"y{i}", v) for i, v in enumerate(results)))
    got = carried_out(exported(graph), {f"x{i}": a for i, a in enumerate(arrays)})
    for i, wanted in enumerate(run(node.inputs, results, arrays)):
        close(got[f"y{i}"], wanted, f"result {i}", 0.0 if "random" in opdef(case.op).traits else 1e-5)
