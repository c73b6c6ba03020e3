"""Evaluating and differentiating single nodes, as the generated tests of the op records need it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

import netlang.ops  # noqa: F401
from netlang.backends.reference import evaluate
from netlang.ir.build import Builder, make_node
from netlang.ir.gradient import adjoints
from netlang.ir.graph import Graph, Node, Value
from netlang.ir.opdef import Sample, opdef, registered
from netlang.ir.types import DType, TensorType

Array = NDArray[Any]
Function = Callable[..., Array]


@dataclass(frozen=True)
class Case:
    """A sample of an op, with a name for the test report."""

    op: str
    number: int
    sample: Sample

    def __str__(self) -> str:
        return f"{self.op}-{self.number}"


def cases(where: Callable[[str], bool] = lambda op: True) -> list[Case]:
    """All samples of the registered ops, the same in every run."""
    out = []
    for name, record in registered().items():
        if record.samples is not None and where(name):
            rng = np.random.default_rng(crc32(name.encode()))
            out += [Case(name, i, s) for i, s in enumerate(record.samples(rng))]
    return out


def type_of(array: Array) -> TensorType:
    return TensorType(DType.of(array.dtype), array.shape)


def build(op: str, arrays: Sequence[Array], attrs: Any) -> Node:
    """A node whose inputs are graph inputs `x0`, `x1`, ... of the arrays' types."""
    b = Builder()
    inputs = [b.input(f"x{i}", type_of(a)) for i, a in enumerate(arrays)]
    return make_node(op, inputs, dict(attrs))


def run(inputs: Sequence[Value], outputs: Sequence[Value], arrays: Sequence[Array]) -> list[Array]:
    """The values of `outputs` for the given inputs."""
    graph = Graph("test", tuple(inputs), (), tuple((str(i), v) for i, v in enumerate(outputs)))
    given = {v.node.name: a for v, a in zip(inputs, arrays, strict=True)}
    return list(evaluate(graph, given)[0].values())


def forward(op: str, arrays: Sequence[Array], **attrs: Any) -> Array:
    """The first result of one op."""
    node = build(op, arrays, attrs)
    return run(node.inputs, [node.out], arrays)[0]


def backward(op: str, arrays: Sequence[Array], dy: Array, **attrs: Any) -> list[Array | None]:
    """The gradients of the inputs of one op for a gradient `dy` of its first result."""
    node = build(op, arrays, attrs)
    seed = Builder().input("dy", node.out.type)
    rule = opdef(op).gradient
    assert rule is not None
    found = rule(Builder(), node, [seed, *[None] * (len(node.types) - 1)])
    values = iter(run([*node.inputs, seed], [g for g in found if g is not None], [*arrays, dy]))
    return [None if g is None else next(values) for g in found]


def slope(op: str, arrays: Sequence[Array], dy: Array, **attrs: Any) -> Array:
    """The gradient of the first input, which must have one."""
    first = backward(op, arrays, dy, **attrs)[0]
    assert first is not None
    return first


@dataclass(frozen=True)
class Scalar:
    """A scalar function of arrays as a graph: the inputs, the value, and which inputs it is differentiated by."""

    inputs: tuple[Value, ...]
    value: Value
    wrt: tuple[int, ...]

    def __call__(self, arrays: Sequence[Array]) -> float:
        return float(run(self.inputs, [self.value], arrays)[0])

    def gradient(self) -> list[Value | None]:
        return adjoints(self.value, [self.inputs[i] for i in self.wrt])


def weighted_sum(b: Builder, values: Sequence[Value], rng: np.random.Generator) -> Value:
    """A scalar that depends on every element of `values` with a weight of its own."""
    total = b.scalar(0.0, values[0])
    for value in values:
        weights = b.const(rng.standard_normal(value.shape), value.dtype)  # type: ignore[arg-type]
        total = b.add(total, b.sum(b.mul(value, weights), range(value.rank)))
    return total


def scalar_of(case: Case) -> Scalar | None:
    """The weighted sum of a sample's float results; None where no float input or result is to be differentiated."""
    sample = case.sample
    node = build(case.op, sample.inputs, sample.attrs)
    wrt = tuple(i for i, v in enumerate(node.inputs) if v.dtype == DType.F64 and i not in sample.constant)
    results = [r for r in node.results if r.dtype == DType.F64]
    if not wrt or not results:
        return None
    return Scalar(node.inputs, weighted_sum(Builder(), results, np.random.default_rng(case.number)), wrt)


def derivative_of(scalar: Scalar, rng: np.random.Generator) -> Scalar | None:
    """The weighted sum of a scalar's gradients, itself a scalar; None where all of them are None."""
    found = [g for g in scalar.gradient() if g is not None]
    return replace(scalar, value=weighted_sum(Builder(), found, rng)) if found else None


def check_gradient(scalar: Scalar, arrays: Sequence[Array], step: float = 1e-5, tolerance: float = 1e-6) -> None:
    """Compare the derived gradients with central differences, element by element, in float64."""
    found = scalar.gradient()
    values = iter(run(scalar.inputs, [g for g in found if g is not None], arrays))
    for index, gradient in zip(scalar.wrt, found, strict=True):
        derived = np.zeros(arrays[index].shape) if gradient is None else next(values)
        numeric = central_differences(scalar, arrays, index, step)
        size = max(1.0, float(np.abs(numeric).max(initial=0)))
        np.testing.assert_allclose(derived, numeric, rtol=0, atol=tolerance * size, err_msg=f"input {index}")


def central_differences(scalar: Scalar, arrays: Sequence[Array], index: int, step: float) -> Array:
    """(f(x + h) - f(x - h)) / 2h for every element of one input."""
    out = np.zeros(arrays[index].shape)
    for place in np.ndindex(out.shape):
        ends = []
        for sign in (1, -1):
            moved = [a.copy() for a in arrays]
            moved[index][place] += sign * step
            ends.append(scalar(moved))
        out[place] = (ends[0] - ends[1]) / (2 * step)
    return out
