"""Cells: what becomes one kernel in the body of a scan, and that it is the same in all its forms and sizes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from netlang.backends.common import cells
from netlang.backends.common.cell import KIND, read_cell
from netlang.backends.cpu import Cpu
from netlang.ir.graph import Graph, Node, Value
from netlang.ir.types import DType, TensorType
from netlang.passes import inference_pipeline
from netlang.passes.manager import PassManager
from tests.backends.cpu.test_scan import B, Made, T, arrays, check, f32, lstm_cell, scan
from tests.drawing import Array

States = Sequence[Value]
N = 3


def body_of(results: Sequence[Value], *inputs: Value) -> Graph:
    """The body of the one scan of a graph, with cells."""
    graph = Graph("g", inputs, (), tuple((f"y{i}", v) for i, v in enumerate(results)))
    made = cells.run(PassManager().run(graph, inference_pipeline()))
    (node,) = (n for n in made.nodes if n.op == "scan")
    assert node.body is not None
    return node.body


def kinds(body: Graph) -> list[str]:
    """What a body does, in order."""
    found = [n.attrs["kind"] if n.op == "fused" else n.op for n in body.nodes]
    return [kind for kind in found if kind not in ("input", "const", "broadcast", "reshape")]


def cell_of(body: Graph) -> Node:
    (node,) = (n for n in body.nodes if n.op == "fused" and n.attrs["kind"] == KIND)
    return node


def leaves(units: int, gates: int) -> tuple[Value, Value, Value, Value]:
    x, h = B.input("x", f32(T, N, gates * units)), B.input("h", f32(N, units))
    return x, h, B.input("c", f32(N, units)), B.input("w", f32(units, gates * units))


def test_an_lstm_is_one_cell() -> None:
    x, h, c, w = leaves(6, 4)
    body = body_of(scan(lstm_cell, [h, c], [x], [w]), x, h, c, w)
    assert kinds(body) == [KIND]
    node = cell_of(body)
    assert node.body is not None
    cell = read_cell(node.body)
    assert cell is not None
    assert (cell.units, cell.code.sums, len(cell.code.stores)) == (6, 4, 2)


def test_a_state_that_is_emitted_before_the_step_is_stored_by_the_cell() -> None:
    """As the gradient wants it: no step copies it."""
    x, h, c, w = leaves(6, 4)

    def body(states: States, slices: States, shared: States) -> Made:
        following, emitted = lstm_cell(states, slices, shared)
        return following, [*emitted, *states, slices[0]]

    results = scan(body, [h, c], [x], [w])
    inside = body_of(results, x, h, c, w)
    assert kinds(inside) == [KIND]
    assert len(cell_of(inside).results) == 4  # h and c, and both as they were; the slice goes around the loop
    check([x, h, c, w], results)


def test_gates_are_put_together_by_a_cell_without_a_product() -> None:
    x, h, _, _ = leaves(6, 4)
    w = B.input("w", f32(24, 6))

    def body(states: States, slices: States, shared: States) -> Made:
        parts = [B.op("tanh", B.scale(states[0], float(k + 1))) for k in range(4)]
        wide = B.op("mul", B.op("concat", *parts, axis=1), slices[0])
        return [B.op("matmul", wide, shared[0])], [wide]

    results = scan(body, [h], [x], [w])
    assert kinds(body_of(results, x, h, w)) == [KIND, KIND]
    check([x, h, w], results)


def test_what_a_cell_cannot_do_stays_outside() -> None:
    """A softmax over units and a product of two things that move, beside a cell."""
    x, h, _, w = leaves(6, 1)

    def body(states: States, slices: States, shared: States) -> Made:
        z = B.op("tanh", B.add(slices[0], B.op("matmul", states[0], shared[0])))
        soft = B.op("softmax", z, axis=1)
        scores = B.op("matmul", z, soft, transpose_b=True)
        return [B.op("matmul", scores, B.add(z, soft))], [scores]

    results = scan(body, [h], [x], [w])
    assert kinds(body_of(results, x, h, w)).count(KIND) == 1
    check([x, h, w], results)


def test_slices_that_do_not_fit_stay_outside() -> None:
    x, h, _, _ = leaves(6, 1)
    w = B.input("w", f32(6, 13))

    def body(states: States, slices: States, shared: States) -> Made:
        z = B.op("matmul", states[0], shared[0])
        first = B.op("slice", z, axis=1, start=0, stop=6, step=1)
        second = B.op("slice", z, axis=1, start=7, stop=13, step=1)
        return [B.op("tanh", B.add(B.add(first, second), slices[0]))], [z]

    check([x, h, w], scan(body, [h], [x], [w]))


def _masked(states: States, slices: States, shared: States) -> Made:
    """Rows that have ended keep their state; integers and numbers of the run are read too."""
    z = B.op("sigmoid", B.add(B.op("matmul", states[0], shared[0], transpose_b=True), shared[2]))
    alive = B.op("gt", shared[1], B.const(1, DType.I64))
    scaled = B.op("div", z, B.op("extent", dim=T, dtype=DType.F32))
    new = B.op("where", alive, B.op("max", scaled, slices[0]), states[0])
    return [new], [B.op("gt", new, states[0])]


@pytest.mark.parametrize("units", [1, 5, 16, 40])
@pytest.mark.parametrize("rows", [1, 2, 7, 33])
def test_masks_numbers_and_biases(rows: int, units: int) -> None:
    x, h = B.input("x", f32(T, rows, units)), B.input("h", f32(rows, units))
    w, b = B.input("w", f32(units, units)), B.input("b", f32(units))
    lengths = B.input("lengths", TensorType(DType.I64, (rows, 1)))
    results = scan(_masked, [h], [x], [w, lengths, b])
    assert kinds(body_of(results, x, h, w, lengths, b)) == [KIND]
    check([x, h, w, lengths, b], results, [1, 3])


@pytest.mark.parametrize("gates", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("inner, units", [(1, 3), (6, 16), (9, 33), (70, 48)])
def test_any_number_of_gates(gates: int, inner: int, units: int) -> None:
    """The product's inner size, the gates and the units are whatever they are."""
    x, h = B.input("x", f32(T, N, inner)), B.input("h", f32(N, units))
    w = B.param("w", f32(inner, gates * units), "weight", ("constant", 0.0))

    def body(states: States, slices: States, shared: States) -> Made:
        z = B.op("matmul", slices[0], shared[0])
        total = states[0]
        for k in range(gates):
            gate = B.op("slice", z, axis=1, start=k * units, stop=(k + 1) * units, step=1) if gates > 1 else z
            total = B.add(B.op("tanh", gate), B.scale(total, 0.5))
        return [total], [total]

    check([x, h, w], scan(body, [h], [x], [w]), [1, 2])


def test_not_a_number_spreads_no_further_than_its_row() -> None:
    x, h, c, w = leaves(16, 4)
    results = scan(lstm_cell, [h, c], [x], [w])
    graph = Graph("g", (x, h, c, w), (), tuple((f"y{i}", v) for i, v in enumerate(results)))
    feed = arrays(graph.inputs, {"T": 4})
    feed["x"][1, 1, 3] = np.nan
    cpu = Cpu()
    found: dict[str, Array] = cpu.compile(cpu.prepare(graph), threads=1).run(feed, {})
    stack = found["y2"]
    assert np.isnan(stack[1, 1, 3]) and np.isnan(stack[2, 1]).all()
    assert not np.isnan(stack[:, [0, 2]]).any() and not np.isnan(stack[0]).any()
