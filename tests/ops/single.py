"""One op on its own, with all of its results: forward, gradient, shape rule, and what it refuses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from netlang.ir.build import Builder
from netlang.ir.dims import Shape
from netlang.ir.gradient import adjoints
from netlang.ir.graph import Value
from netlang.ir.opdef import Array, ShapeError
from netlang.ir.types import DType, TensorType
from tests.ops.harness import build, run

B = Builder()


def apply(op: str, *arrays: Array, **attrs: Any) -> list[Array]:
    """All results of an op."""
    node = build(op, arrays, attrs)
    return run(node.inputs, node.results, arrays)


def seeded_sum(values: Sequence[Value], seeds: Sequence[Array]) -> Value:
    """The scalar sum over all values of value * seed."""
    total = B.scalar(0.0, values[0])
    for value, seed in zip(values, seeds, strict=True):
        total = B.add(total, B.sum(B.mul(value, B.const(seed, value.dtype)), range(value.rank)))
    return total


def pullback(op: str, arrays: Sequence[Array], seeds: Sequence[Array], **attrs: Any) -> list[Array]:
    """The gradients of sum(result * seed) by every input; all inputs are floats."""
    node = build(op, arrays, attrs)
    found = adjoints(seeded_sum(node.results, seeds), node.inputs)
    return run(node.inputs, [g for g in found if g is not None], arrays)


def shape_of(op: str, *shapes: Shape, dtypes: Sequence[DType] | None = None, **attrs: Any) -> Shape:
    """The shape of the first result for inputs of these shapes, f32 unless told."""
    kinds = dtypes or [DType.F32] * len(shapes)
    inputs = [B.input(f"x{i}", TensorType(d, s)) for i, (s, d) in enumerate(zip(shapes, kinds, strict=True))]
    return B.op(op, *inputs, **attrs).shape


def refused(text: str, op: str, *shapes: Shape, dtypes: Sequence[DType] | None = None, **attrs: Any) -> None:
    """Assert that the op refuses these inputs with exactly this message."""
    with pytest.raises(ShapeError) as caught:
        shape_of(op, *shapes, dtypes=dtypes, **attrs)
    assert str(caught.value) == text
