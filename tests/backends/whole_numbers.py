"""Graphs that compute with whole numbers of every integer type: by them backends are held to the reference's bits.

One graph has all ops for one type, so that few graphs are compiled.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Any

import numpy as np

import netlang.ops  # noqa: F401
from netlang.backends.reference import Reference
from netlang.ir.build import Builder, make_node
from netlang.ir.graph import Graph, Value
from netlang.ir.opdef import Sample, ShapeError, opdef, registered
from netlang.ir.types import DType, TensorType
from netlang.passes.manager import PassManager
from tests.backends.compared import Array

INTEGERS = [dtype for dtype in DType if dtype.is_int]
_SAMPLES = 2
"""Of each op that is not elementwise."""
_DRAWS = frozenset({"uniform", "normal"})


@dataclass
class Case:
    """A graph and what it is called with."""

    graph: Graph
    feed: Mapping[str, Array]


class _Graph:
    def __init__(self) -> None:
        self.b = Builder()
        self.inputs: list[Value] = []
        self.feed: dict[str, Array] = {}
        self.outputs: list[tuple[str, Value]] = []

    def input(self, array: Array) -> Value:
        """The input that is called with an array; one for equal arrays."""
        for value in self.inputs:
            known = self.feed[value.node.name]
            if (known.dtype, known.shape) == (array.dtype, array.shape) and known.tobytes() == array.tobytes():
                return value
        name = f"x{len(self.inputs)}"
        self.inputs.append(self.b.input(name, TensorType(DType.of(array.dtype), array.shape)))
        self.feed[name] = np.array(array, order="C")
        return self.inputs[-1]

    def output(self, what: str, value: Value) -> None:
        self.outputs.append((f"{what}_{len(self.outputs)}", value))

    def case(self) -> Case:
        return Case(Graph("whole", tuple(self.inputs), (), tuple(self.outputs)), self.feed)


def pair(dtype: DType) -> tuple[Array, Array]:
    """Two arrays [6, 9] in which the ends of the type meet zero, one, minus one and each other."""
    low, high = dtype.bounds
    few = np.array(sorted({low, low + 1, -1 if low else 3, 0, 1, 7, high}), dtype.numpy)
    rng = np.random.default_rng(dtype.size)
    some = rng.integers(low, high, 36, dtype=dtype.numpy, endpoint=True)
    ends = zip(np.meshgrid(few, few), (some, some[::-1]), strict=True)
    x, y = (np.concatenate([a.reshape(-1), b])[:54].reshape(6, 9) for a, b in ends)
    return x, y


TAKEN = frozenset({
    "abs", "add", "and", "argmax", "bit_and", "bit_not", "bit_or", "bit_xor", "broadcast", "cast", "concat", "cumsum",
    "div", "eq", "floor_div", "fmod", "gather", "ge", "gt", "iota", "le", "lt", "max", "max_pool", "max_pool_pick",
    "max_pool_switch", "max_unpool", "min", "mul", "ne", "neg", "not", "one_hot", "or", "pad", "pow", "prelu",
    "put_along", "reduce_max", "reduce_min", "reduce_sum", "reshape", "reverse", "scatter_add", "scatter_along",
    "shift_left", "shift_right", "sign", "slice", "slice_grad", "stop_gradient", "sub", "take_along", "topk",
    "transpose", "where",
})  # fmt: skip
"""Ops that are known to take whole numbers: where one stops doing so, or another begins, a test says so."""


@cache
def all_ops(dtype: DType, left_out: frozenset[str] = frozenset()) -> Case:
    """Every op of the registry that takes whole numbers of this type, some samples of each."""
    graph, taken = _Graph(), set[str]()
    for name, record in registered().items():
        if record.samples is None or name in _DRAWS or name in left_out:
            continue
        for arrays, attrs in _samples(name, dtype):
            try:
                node = make_node(name, [graph.input(a) for a in arrays], dict(attrs))
            except ShapeError:
                continue
            taken.add(name)
            for value in node.results:
                graph.output(name, value)
    assert taken == TAKEN - left_out
    _long_rows(graph, dtype)
    return graph.case()


def _long_rows(graph: _Graph, dtype: DType) -> None:
    """Rows of which vectors and threads share the work: of reductions over them, and of what follows those."""
    low, high = dtype.bounds
    rows = np.random.default_rng(1).integers(low, high, (3, 300), dtype=dtype.numpy, endpoint=True)
    x = graph.input(rows)
    for op in ("reduce_sum", "reduce_max", "reduce_min"):
        total = graph.b.op(op, x, axes=(1,), keepdims=True)
        graph.output(op, graph.b.op("sub", graph.b.op("mul", x, x), total))
        graph.output(op, graph.b.op(op, x, axes=(0,), keepdims=False))
        graph.output(op, graph.b.op(op, x, axes=(0, 1), keepdims=False))


def _samples(name: str, dtype: DType) -> Iterator[tuple[list[Array], Mapping[str, Any]]]:
    record = opdef(name)
    assert record.samples is not None
    drawn = list(record.samples(np.random.default_rng(0)))
    if "elementwise" not in record.traits or "dtype" in record.attrs:
        for sample in islice(drawn, _SAMPLES):
            yield [_whole(np.asarray(a), dtype) for a in sample.inputs], sample.attrs
        return
    x, y = pair(dtype)
    flags = x > y
    for attrs in {str(s.attrs): s.attrs for s in drawn}.values():
        kinds = [np.asarray(a).dtype == np.bool_ for a in _longest(drawn).inputs]
        rest = iter((x, y))
        yield [flags if kind else next(rest) for kind in kinds], attrs


def _longest(samples: list[Sample]) -> Sample:
    return max(samples, key=lambda s: sum(np.asarray(a).size for a in s.inputs))


def _whole(array: Array, dtype: DType) -> Array:
    """Floats as whole numbers of a type, some of them large; what is an index or a flag is of that type too, or as it
    is."""
    if array.dtype == np.bool_:
        return array
    if array.dtype.kind == "f":
        with np.errstate(over="ignore"):
            array = np.floor(array * 3).astype(np.int64) * (dtype.bounds[1] // 5)
    return array.astype(dtype.numpy)


def assert_same_bits(case: Case, backend: Any) -> None:
    """Compare a backend with the reference, which carries out the graph as it is."""
    want = Reference().compile(case.graph).run(case.feed, {})
    got = backend.compile(PassManager().run(case.graph, backend.passes)).run(case.feed, {})
    assert got.keys() == want.keys()
    for name, expected in want.items():
        found = got[name]
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape), name
        is_float = DType.of(expected.dtype).is_float
        ours, theirs = (a.astype(np.float64) if is_float else a for a in (found, expected))
        np.testing.assert_array_equal(ours, theirs, err_msg=name)


@cache
def casts() -> Case:
    """Every element type cast to every other one, with numbers that do not fit."""
    graph = _Graph()
    for source in DType:
        given = graph.input(_of_all_sizes(source))
        for target in DType:
            if target is not source:
                graph.output(f"{source}_{target}", graph.b.op("cast", given, dtype=target))
    return graph.case()


def _of_all_sizes(dtype: DType) -> Array:
    if dtype is DType.BOOL:
        return np.array([True, False, True])
    if dtype.is_int:
        return pair(dtype)[0].reshape(-1)
    ends = [float(b) for d in INTEGERS for bound in d.bounds for b in (bound - 1, bound, bound + 1)]
    numbers = [*ends, 0.0, -0.0, 0.5, -0.5, 1.9, -1.9, -128.9, 255.9, np.nan, np.inf, -np.inf]
    with np.errstate(over="ignore"):
        return np.array(numbers).astype(dtype.numpy)
