"""Scans on the cpu backend: against the reference, on one thread and on two, each step writing only what it may."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

import netlang.ops  # noqa: F401
from netlang.backends.cpu import Cpu
from netlang.backends.cpu.executable import Executable
from netlang.backends.cpu.tables import LARGE_PROGRAM
from netlang.backends.reference import evaluate
from netlang.ir.build import Builder
from netlang.ir.dims import Dim, sym
from netlang.ir.graph import Graph, Value
from netlang.ir.scan import Loop
from netlang.ir.types import DType, TensorType
from tests.backends.cpu.checked_steps import run_checked
from tests.drawing import Array

B = Builder()
T = sym("T")
Made = tuple[Sequence[Value], Sequence[Value]]
Body = Callable[[Sequence[Value], Sequence[Value], Sequence[Value]], Made]
"""(states, slices, constants) -> (next states, what is emitted)"""


def f32(*shape: Dim) -> TensorType:
    return TensorType(DType.F32, shape)


def scan(
    body: Body,
    initial: Sequence[Value] = (),
    sequences: Sequence[Value] = (),
    constants: Sequence[Value] = (),
    length: Dim = T,
    reverse: bool = False,
) -> tuple[Value, ...]:
    """The results of a scan."""
    states = tuple(B.input(f"s{i}", v.type) for i, v in enumerate(initial))
    slices = tuple(B.input(f"x{i}", v.type.with_shape(v.shape[1:])) for i, v in enumerate(sequences))
    shared = tuple(B.input(f"c{i}", v.type) for i, v in enumerate(constants))
    following, emitted = body(states, slices, shared)
    parts = (tuple(initial), tuple(sequences), tuple(constants), states, slices, shared)
    return Loop(*parts, tuple(following), tuple(emitted), length, reverse).build(B).results


def compiled(graph: Graph, threads: int) -> Executable:
    cpu = Cpu()
    return cpu.compile(cpu.prepare(graph), threads=threads)


def arrays(values: Sequence[Value], sizes: Mapping[str, int], seed: int = 0) -> dict[str, Array]:
    """Small numbers for matrices: a recurrence through large weights would be chaotic."""
    rng = np.random.default_rng(seed)

    def drawn(value: Value) -> Array:
        shape = value.type.concrete(sizes)
        if not value.dtype.is_float:
            return rng.integers(0, 3, shape).astype(value.dtype.numpy)
        small = 0.7 / np.sqrt(max(1, shape[0])) if len(shape) == 2 else 1.0
        return np.asarray(small * rng.normal(size=shape), value.dtype.numpy)

    return {v.node.name: drawn(v) for v in values}


def check(inputs: Sequence[Value], results: Sequence[Value], steps: Sequence[int] = (0, 1, 2, 3, 13)) -> None:
    """Both backends agree for all these lengths, with one program; threads make no difference to any bit."""
    params = tuple(v for v in inputs if v.node.op == "param")
    graph = Graph(
        "g",
        tuple(v for v in inputs if v.node.op == "input"),
        params,
        tuple((f"y{i}", v) for i, v in enumerate(results)),
    )
    one, two = compiled(graph, 1), compiled(graph, 2)
    weights = arrays(params, {})
    for n in (*steps, steps[0]):
        feed = arrays(graph.inputs, {"T": n}, n)
        wanted, _ = evaluate(graph, feed, weights)
        found, other, checked = one.run(feed, weights), two.run(feed, weights), run_checked(one, feed, weights)
        for name, array in wanted.items():
            assert found[name].shape == array.shape and found[name].dtype == array.dtype
            np.testing.assert_allclose(found[name], array, rtol=2e-5, atol=2e-5, err_msg=f"{name}, {n} steps")
            assert found[name].tobytes() == other[name].tobytes() == checked[name].tobytes(), f"{name}, {n} steps"


def rnn_cell(states: Sequence[Value], slices: Sequence[Value], shared: Sequence[Value]) -> Made:
    h = B.op("tanh", B.add(slices[0], B.op("matmul", states[0], shared[0])))
    return [h], [h]


def lstm_cell(states: Sequence[Value], slices: Sequence[Value], shared: Sequence[Value]) -> Made:
    """Gates in the order i, f, g, o; the input's projection is the slice."""
    (h, c), units = states, states[0].shape[1]
    gates = B.add(slices[0], B.op("matmul", h, shared[0]))
    i, f, g, o = (B.op("slice", gates, axis=1, start=k * units, stop=(k + 1) * units, step=1) for k in range(4))
    c = B.add(B.mul(B.op("sigmoid", f), c), B.mul(B.op("sigmoid", i), B.op("tanh", g)))
    h = B.mul(B.op("sigmoid", o), B.op("tanh", c))
    return [h, c], [h]


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("batch, units", [(1, 7), (3, 17), (5, 1), (16, 64)])
def test_a_recurrent_layer(batch: int, units: int, reverse: bool) -> None:
    x, h, w = B.input("x", f32(T, batch, units)), B.input("h", f32(batch, units)), B.input("w", f32(units, units))
    check([x, h, w], scan(rnn_cell, [h], [x], [w], reverse=reverse))


@pytest.mark.parametrize("leaf", ["input", "param"])
@pytest.mark.parametrize("batch, units", [(1, 1), (3, 7), (5, 64), (16, 33)])
def test_a_layer_with_gates(batch: int, units: int, leaf: str) -> None:
    x, h, c = B.input("x", f32(T, batch, 4 * units)), B.input("h", f32(batch, units)), B.input("c", f32(batch, units))
    kind = f32(units, 4 * units)
    w = B.input("w", kind) if leaf == "input" else B.param("w", kind, "weight", ("constant", 0.0))
    check([x, h, c, w], scan(lstm_cell, [h, c], [x], [w]))


@pytest.mark.parametrize("steps", [0, 1, 2, 3, 4])
def test_a_length_that_is_known(steps: int) -> None:
    x, h, w = B.input("x", f32(steps, 3, 5)), B.input("h", f32(3, 5)), B.input("w", f32(5, 5))

    def body(states: Sequence[Value], slices: Sequence[Value], shared: Sequence[Value]) -> Made:
        (h,), _ = rnn_cell(states[:1], slices, shared)
        return [h, B.add(states[1], h)], [slices[0]]

    check([x, h, w], scan(body, [h, h], [x], [w], length=steps), [steps])


def test_states_that_change_places() -> None:
    """Fibonacci: each state is the other one, or a sum of both."""
    a, b, x = B.input("a", f32(4)), B.input("b", f32(4)), B.input("x", f32(T))
    check([a, b, x], scan(lambda s, x, c: ([s[1], B.add(s[0], s[1])], [s[0]]), [a, b], [x]))


def test_states_that_stay_are_taken_from_somewhere_or_are_the_same() -> None:
    a, x, c = B.input("a", f32(2, 3)), B.input("x", f32(T, 2, 3)), B.input("c", f32(2, 3))

    def body(states: Sequence[Value], slices: Sequence[Value], shared: Sequence[Value]) -> Made:
        kept, late, fixed, one, two, flat = states
        total = B.add(one, B.mul(slices[0], shared[0]))
        number = B.const(np.full((2, 3), 7), DType.F32)
        wide = B.op("reshape", total, shape=(3, 2))
        following = [kept, slices[0], shared[0], total, total, number]
        return following, [late, B.add(fixed, kept), total, wide, number, shared[0], flat, two]

    check([a, x, c], scan(body, [a] * 6, [x], [c]))


def test_a_map_has_no_states() -> None:
    x, y = B.input("x", f32(T, 3, 5)), B.input("y", f32(T, 5))
    check([x, y], scan(lambda s, x, c: ([], [B.add(*x), B.sum(x[0], (0, 1))]), [], [x, y]))


def test_states_alone() -> None:
    h, x = B.input("h", f32(6)), B.input("x", f32(T))
    check([h, x], scan(lambda s, x, c: ([B.op("tanh", B.add(s[0], s[0]))], []), [h], [x]))


def test_other_types() -> None:
    count, x = B.input("count", TensorType(DType.I64, (3,))), B.input("x", TensorType(DType.I64, (T, 3)))
    flag = B.input("flag", TensorType(DType.BOOL, ()))

    def body(states: Sequence[Value], slices: Sequence[Value], shared: Sequence[Value]) -> Made:
        more = B.op("gt", slices[0], states[0])
        after = B.op("where", more, B.add(states[0], slices[0]), states[0])
        return [after, B.op("not", states[1])], [more, states[1]]

    check([count, x, flag], scan(body, [count, flag], [x]))


def test_a_scan_inside_a_scan() -> None:
    """Rows of pictures inside, pictures outside; the weights are prepared once for all of it."""
    x, h = B.input("x", f32(T, 4, 3, 5)), B.input("h", f32(3, 5))
    w = B.param("w", f32(5, 5), "weight", ("constant", 0.0))

    def outer(states: Sequence[Value], slices: Sequence[Value], shared: Sequence[Value]) -> Made:
        last, rows = scan(rnn_cell, [states[0]], [slices[0]], shared, length=4, reverse=True)
        last, again = scan(rnn_cell, [last], [rows], shared, length=4)
        return [last], [again, B.sum(again, (0,)), slices[0]]

    check([x, h, w], scan(outer, [h], [x], [w]))
    graph = Graph("g", (x, h), (w,), (("y", scan(outer, [h], [x], [w])[0]),))
    assert any(step.kernel.key.startswith("pack") for step in compiled(graph, 1).prologue)


def test_an_inner_scan_over_a_length_of_its_own() -> None:
    x, y, h = B.input("x", f32(T, 3)), B.input("y", f32(2 * T + 1, 3)), B.input("h", f32(3))

    def outer(states: Sequence[Value], slices: Sequence[Value], shared: Sequence[Value]) -> Made:
        inner = scan(lambda s, x, c: ([B.op("tanh", B.add(s[0], B.mul(x[0], c[0])))], [s[0]]),
                     [states[0]], [shared[0]], [slices[0]], length=2 * T + 1)  # fmt: skip
        return [inner[0]], [inner[1]]

    check([x, y, h], scan(outer, [h], [x], [y]))


def test_a_body_of_convolutions_and_pools() -> None:
    """Kernels that want channels in blocks find them so inside the body."""
    x, h = B.input("x", f32(T, 2, 16, 9, 9)), B.input("h", f32(2, 32, 9, 9))
    w = B.param("w", f32(32, 32, 3, 3), "weight", ("constant", 0.0))
    v = B.param("v", f32(32, 16, 1, 1), "weight", ("constant", 0.0))
    same: dict[str, Any] = {"stride": (1, 1), "pad": ((1, 1), (1, 1)), "dilation": (1, 1), "groups": 1}

    def body(states: Sequence[Value], slices: Sequence[Value], shared: Sequence[Value]) -> Made:
        own = B.op("conv", states[0], B.scale(shared[0], 0.1), **same)
        other = B.op("conv", slices[0], B.scale(shared[1], 0.1), **(same | {"pad": ((0, 0), (0, 0))}))
        after = B.op("relu", B.add(own, other))
        pooled = B.op("max_pool", after, kernel=(3, 3), stride=(1, 1), pad=((1, 1), (1, 1)), dilation=(1, 1))
        return [pooled], [B.op("reduce_mean", after, axes=(2, 3))]

    check([x, h, w, v], scan(body, [h], [x], [w, v]), [1, 4])


def test_scans_one_after_the_other() -> None:
    """What both read, what the second reads of the first, and what comes between."""
    x, h, w = B.input("x", f32(T, 16, 64)), B.input("h", f32(16, 64)), B.input("w", f32(64, 64))
    last, stack = scan(rnn_cell, [h], [x], [w])
    middle = B.op("relu", B.add(stack, x))
    back = scan(rnn_cell, [last], [middle], [w], reverse=True)
    check([x, h, w], [*back, B.sum(stack, (0,)), last])


def test_large_steps_are_shared() -> None:
    """Steps that are worth two threads, with meetings inside of each round and between rounds."""
    x, h = B.input("x", f32(T, 64, 512)), B.input("h", f32(64, 128))
    w, v = B.input("w", f32(128, 512)), B.input("v", f32(512, 128))

    def body(states: Sequence[Value], slices: Sequence[Value], shared: Sequence[Value]) -> Made:
        wide = B.op("tanh", B.add(slices[0], B.op("matmul", states[0], shared[0])))
        narrow = B.op("softmax", B.op("matmul", wide, shared[1]), axis=1)
        return [narrow], [narrow, B.sum(wide, (1,))]

    check([x, h, w, v], scan(body, [h], [x], [w, v]), [1, 7])
    graph = Graph("g", (x, h, w, v), (), (("y", scan(body, [h], [x], [w, v])[0]),))
    program, feed = compiled(graph, 2), arrays(graph.inputs, {"T": 50})
    first = program.run(feed, {})["y"].tobytes()
    assert all(program.run(feed, {})["y"].tobytes() == first for _ in range(50))


def test_meetings_are_counted_by_rounds() -> None:
    """A program of many short rounds is tried on one thread too: see `pace`."""
    x, h, w = B.input("x", f32(T, 16, 256)), B.input("h", f32(16, 256)), B.input("w", f32(256, 256))
    graph = Graph("g", (x, h, w), (), (("y", scan(rnn_cell, [h], [x], [w])[0]),))
    program = compiled(graph, 2)
    tables = {
        n: program._runner.bind({v.node.name: v.type.concrete({"T": n}) for v in graph.inputs}).table for n in (1, 400)
    }
    assert tables[400].meetings == tables[1].meetings + 399
    assert tables[400].work > LARGE_PROGRAM and not tables[400].pace.large


def test_memory_does_not_grow_with_the_ops_of_a_body() -> None:
    """Intermediate values of a round take turns in the same memory."""
    x, h = B.input("x", f32(T, 100)), B.input("h", f32(100, 100))
    w = B.input("w", f32(100, 100))

    def deep(count: int) -> int:
        def body(states: Sequence[Value], slices: Sequence[Value], shared: Sequence[Value]) -> Made:
            value = states[0]
            for _ in range(count):
                value = B.op("tanh", B.op("matmul", value, shared[0]))
            return [value], []

        graph = Graph("g", (x, h, w), (), (("y", scan(body, [h], [x], [w])[0]),))
        return compiled(graph, 1).planned_bytes({"T": 5})

    assert deep(12) == deep(6)


def test_a_profile_counts_rounds() -> None:
    x, h, w = B.input("x", f32(T, 16, 64)), B.input("h", f32(16, 64)), B.input("w", f32(64, 64))
    graph = Graph("g", (x, h, w), (), (("y", scan(rnn_cell, [h], [x], [w])[1]),))
    program = compiled(graph, 2)
    times = program.profile(arrays(graph.inputs, {"T": 9}), {}, 3)
    assert len(times) == len(program.steps)
    assert {t.count for t in times} == {1, 9}
    for time, step in zip(times, program.steps, strict=True):
        assert time.count == (9 if step.loops else 1)
        assert time.node.op == "scan" and len(time.seconds) == 3
