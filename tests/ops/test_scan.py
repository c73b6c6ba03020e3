"""scan on the reference backend: states and stacks, both directions, no steps at all, what is refused, its text."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import netlang.ops  # noqa: F401
from netlang.backends.reference import evaluate
from netlang.ir.build import Builder
from netlang.ir.dims import Dim, sym
from netlang.ir.graph import Graph, Node
from netlang.ir.opdef import ShapeError
from netlang.ir.parse import parse_graph
from netlang.ir.scan import Loop, finals, stacks
from netlang.ir.text import print_graph
from netlang.ir.types import DType, TensorType
from netlang.ir.verify import VerifyError, verify

B = Builder()
T = sym("T")


def f64(*shape: Dim) -> TensorType:
    return TensorType(DType.F64, shape)


def rnn(length: Dim = T, reverse: bool = False, **changes: Any) -> Graph:
    """h = tanh(x_t + h @ w), which is also emitted, and twice the slice besides."""
    x, h0, w = B.input("x", f64(length, 2, 3)), B.input("h0", f64(2, 3)), B.input("w", f64(3, 3))
    h, slice_, inner = B.input("s0", f64(2, 3)), B.input("x0", f64(2, 3)), B.input("c0", f64(3, 3))
    after = B.op("tanh", B.add(slice_, B.op("matmul", h, inner)))
    parts = {
        "initial": (h0,),
        "sequences": (x,),
        "constants": (w,),
        "states": (h,),
        "slices": (slice_,),
        "shared": (inner,),
        "following": (after,),
        "emitted": (after, B.add(slice_, slice_)),
        "length": length,
        "reverse": reverse,
    }
    node = Loop(**{**parts, **changes}).build(B)
    outputs = [("last", finals(node)[0]), *((f"y{i}", v) for i, v in enumerate(stacks(node)))]
    return Graph("g", (x, h0, w), (), tuple(outputs))


def scan_of(graph: Graph) -> Node:
    return next(n for n in graph.nodes if n.op == "scan")


def fed(steps: int) -> dict[str, np.ndarray[Any, Any]]:
    rng = np.random.default_rng(0)
    return {"x": rng.normal(size=(steps, 2, 3)), "h0": rng.normal(size=(2, 3)), "w": rng.normal(size=(3, 3))}


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("steps", [1, 5])
def test_states_go_from_step_to_step(steps: int, reverse: bool) -> None:
    feed = fed(steps)
    out, _ = evaluate(rnn(reverse=reverse), feed)
    h, wanted = feed["h0"], np.empty((steps, 2, 3))
    for t in reversed(range(steps)) if reverse else range(steps):
        wanted[t] = h = np.tanh(feed["x"][t] + h @ feed["w"])
    np.testing.assert_array_equal(out["y0"], wanted)
    np.testing.assert_array_equal(out["last"], h)
    np.testing.assert_array_equal(out["y1"], 2 * feed["x"])


def test_no_steps_leave_the_initial_state() -> None:
    feed = fed(0)
    out, _ = evaluate(rnn(), feed)
    np.testing.assert_array_equal(out["last"], feed["h0"])
    assert out["y0"].shape == (0, 2, 3)


def test_slices_of_vectors_are_scalars() -> None:
    x, total = B.input("x", f64(T)), B.input("s0", f64())
    slice_ = B.input("x0", f64())
    after = B.add(total, slice_)
    start = B.const(0.0, DType.F64)
    loop = Loop((start,), (x,), (), (total,), (slice_,), (), (after,), (after,), T)
    node = loop.build(B)
    graph = Graph("g", (x,), (), (("sums", stacks(node)[0]),))
    np.testing.assert_array_equal(evaluate(graph, {"x": np.arange(5.0)})[0]["sums"], [0, 1, 3, 6, 10])


def test_the_text_is_read_back() -> None:
    for graph in (rnn(), rnn(reverse=True), rnn(length=4)):
        verify(graph)
        text = print_graph(graph)
        again = parse_graph(text)
        assert print_graph(again) == text
        verify(again)
    assert "= scan(%h0, %x, %w) {length = T, reverse = true, sequences = 1, states = 1} {" in print_graph(
        rnn(reverse=True)
    )


def test_everything_inside_is_observed_once_a_step() -> None:
    seen: list[str] = []
    evaluate(rnn(), fed(3), observe=lambda node, results: seen.append(node.op))
    assert seen.count("tanh") == seen.count("matmul") == 3
    assert seen.count("scan") == 1


@pytest.mark.parametrize(
    "changes, text",
    [
        ({"following": (B.input("q", f64(2, 4)),)}, "the states of a scan keep their types: at first f64"),
        ({"sequences": (B.input("x", f64(7, 2, 3)),)}, "a sequence of a scan over T steps has type f64[7, 2, 3]"),
        ({"shared": ()}, "its body takes f64[2, 3], f64[2, 3]"),
        ({"checkpoint": -1}, "every so many steps, not -1"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ShapeError) as caught:
        scan_of(rnn(**changes))
    assert text in str(caught.value)


def test_a_negative_length_is_refused() -> None:
    with pytest.raises(ShapeError, match="cannot make -1 steps"):
        rnn(length=-1)


def test_the_length_must_be_known() -> None:
    total = B.input("s0", f64())
    loop = Loop((B.const(0.0, DType.F64),), (), (), (total,), (), (), (B.add(total, total),), (), T)
    graph = Graph("g", (), (), (("y", loop.build(B).out),))
    with pytest.raises(VerifyError, match="no input tells the size of T"):
        verify(graph)
