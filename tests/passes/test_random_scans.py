"""Random cells: the loop and its gradient are those of the same steps written out, before and after all passes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from netlang.backends.reference import evaluate
from netlang.ir.build import Builder
from netlang.ir.gradient import gradients
from netlang.ir.graph import Graph, Node, Value
from netlang.ir.scan import Loop
from netlang.ir.types import DType, TensorType
from netlang.ir.verify import verify
from netlang.passes import chunks, hoist, inference_pipeline, scans, training_pipeline
from netlang.passes.manager import PassManager
from tests.ops.harness import weighted_sum
from tests.ops.unrolled import unrolled

Array = NDArray[Any]
B = Builder()
MATRIX = TensorType(DType.F64, (2, 3))
SQUARE = TensorType(DType.F64, (3, 3))
VECTOR = TensorType(DType.F64, (3,))

bounded = settings(
    phases=(Phase.generate,),
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)

UNARY = ("tanh", "sigmoid", "neg", "stop_gradient")
BINARY = ("add", "sub", "mul", "max")


@dataclass
class Cell:
    """A body that grows: values [2, 3], matrices [3, 3] and vectors [3] that it may read."""

    draw: Callable[[Any], Any]
    values: list[Value]
    squares: list[Value]
    vectors: list[Value]

    def pick(self, values: Sequence[Value]) -> Value:
        chosen: Value = self.draw(st.sampled_from(list(values)))
        return chosen

    def grow(self) -> None:
        kinds = ["unary", "binary", "split", "mean", "where", "rows", "add_vector", "product", "joined"]
        match self.draw(st.sampled_from(kinds)):
            case "unary":
                made = B.op(self.draw(st.sampled_from(UNARY)), self.pick(self.values))
            case "binary":
                made = B.op(self.draw(st.sampled_from(BINARY)), self.pick(self.values), self.pick(self.values))
            case "split":
                x = self.pick(self.values)
                halves = [B.op("slice", x, axis=1, start=i, stop=i + k) for i, k in ((1, 2), (0, 1))]
                made = B.op("concat", *halves, axis=1)
            case "mean":
                x = self.pick(self.values)
                made = B.sub(x, B.op("reduce_mean", x, axes=(1,), keepdims=True))
            case "where":
                a, b = self.pick(self.values), self.pick(self.values)
                made = B.op("where", B.op("gt", a, b), B.scale(a, 0.5), b)
            case "rows":
                made = B.op("softmax", self.pick(self.values), axis=1)
            case "add_vector":
                made = B.add(self.pick(self.values), self.pick(self.vectors))
            case "product":
                made = B.op(
                    "matmul", self.pick(self.values), self.pick(self.squares), transpose_b=self.draw(st.booleans())
                )
            case _:
                pair = B.op("concat", self.pick(self.values), self.pick(self.values), axis=1)
                tall = B.op("concat", self.pick(self.squares), self.pick(self.squares), axis=0)
                made = B.op("matmul", pair, tall)
        # Bounded, so that five steps do not overflow.
        self.values.append(B.op("tanh", B.scale(made, 0.7)) if self.draw(st.booleans()) else B.scale(made, 0.4))


def random_scan(draw: Callable[[Any], Any]) -> Node:
    """A scan over inputs of the graph."""
    counts = [draw(st.integers(low, 3)) for low in (1, 0)]
    length, squares, vectors = draw(st.integers(1, 5)), draw(st.integers(1, 2)), draw(st.integers(1, 2))
    states = [B.input(f"s{i}", MATRIX) for i in range(counts[0])]
    slices = [B.input(f"x{i}", MATRIX) for i in range(counts[1])]
    shared = [B.input(f"c{i}", SQUARE if i < squares else VECTOR) for i in range(squares + vectors)]
    cell = Cell(draw, [*states, *slices], shared[:squares], shared[squares:])
    for _ in range(draw(st.integers(1, 8))):
        cell.grow()
    following = [cell.pick(cell.values) for _ in states]
    emitted = [cell.pick(cell.values) for _ in range(draw(st.integers(0, 3)))]
    outside = [
        *(B.input(f"h{i}", MATRIX) for i in range(len(states))),
        *(B.input(f"q{i}", TensorType(DType.F64, (length, 2, 3))) for i in range(len(slices))),
        *(B.input(f"w{i}", v.type) for i, v in enumerate(shared)),
    ]
    first, second = len(states), len(states) + len(slices)
    return Loop(
        tuple(outside[:first]),
        tuple(outside[first:second]),
        tuple(outside[second:]),
        tuple(states),
        tuple(slices),
        tuple(shared),
        tuple(following),
        tuple(emitted),
        length,
        draw(st.booleans()),
    ).build(B)


def graph_of(inputs: Sequence[Value], results: Sequence[Value]) -> Graph:
    """All results, and the gradient of a weighted sum of them by all inputs."""
    total = weighted_sum(B, results, np.random.default_rng(3))
    values = (*results, *gradients(total, inputs))
    return Graph("g", tuple(inputs), (), tuple((f"y{i}", v) for i, v in enumerate(values)))


@bounded
@given(data=st.data())
def test_random_cells(data: st.DataObject) -> None:
    node = random_scan(data.draw)
    rng = np.random.default_rng(1)
    shapes = {v.node.name: [int(d) for d in v.shape] for v in node.inputs}  # type: ignore[arg-type]
    feed = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    wanted = evaluate(graph_of(node.inputs, unrolled(node)), feed)[0]
    every = data.draw(st.integers(1, 3))
    kept = replace(Loop.of(node), checkpoint=every).build(B)
    plain, again = graph_of(node.inputs, node.results), graph_of(node.inputs, kept.results)
    ahead = Graph("g", node.inputs, (), tuple((f"y{i}", v) for i, v in enumerate(kept.results)))
    ahead = hoist.PASS.run(scans.PASS.run(chunks.run(ahead)))
    found = {
        "plain": plain,
        "checkpoint": again,
        "hoisted first": graph_of(ahead.inputs, [v for _, v in ahead.outputs]),
        "inference": PassManager().run(plain, inference_pipeline()),
        "training": PassManager().run(again, training_pipeline()),
    }
    for way, graph in found.items():
        verify(graph)
        for name, value in evaluate(graph, feed)[0].items():
            np.testing.assert_allclose(value, wanted[name], rtol=1e-8, atol=1e-10, err_msg=f"{way} {name}")
