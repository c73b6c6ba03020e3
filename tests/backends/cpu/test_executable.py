"""Compiled graphs: where results go, what updates may overwrite, what is kept between calls."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

import numpy as np
import pytest

import netlang.ops  # noqa: F401
from netlang.backends.cpu import Cpu
from netlang.backends.reference import Reference
from netlang.ir.dims import sym
from netlang.ir.graph import Graph, Value
from netlang.ir.types import DType, TensorType
from netlang.passes import fuse
from tests.backends.cpu.against_reference import Array, B, assert_same, check, feed_of, graph_of, inputs_like

SHAPE = (40, 30)


def weight(name: str) -> Value:
    return B.param(name, TensorType(DType.F32, SHAPE), "weight", ("constant", 0.0))


def values(*names: str) -> dict[str, Array]:
    rng = np.random.default_rng(len(names))
    return {name: rng.normal(size=SHAPE).astype(np.float32) for name in names}


def check_updates(graph: Graph, feed: dict[str, Array], calls: int = 3) -> None:
    """Both backends make the same outputs and the same parameters, call after call."""
    names = [p.node.name for p in graph.params]
    ours, theirs = values(*names), values(*names)
    compiled, reference = Cpu().compile(graph), Reference().compile(graph)
    for _ in range(calls):
        assert_same(compiled.run(feed, ours), reference.run(feed, theirs), 1e-5)
        assert_same(ours, theirs, 1e-5)


def test_an_update_computed_in_place() -> None:
    w, x = weight("w"), B.input("x", TensorType(DType.F32, SHAPE))
    updated = B.sub(w, B.scale(x, 0.1))
    check_updates(Graph("g", (x,), (w,), (("y", B.sum(w, (0,))),), (("w", updated),)), values("x"))


def test_updates_of_rows_computed_in_place() -> None:
    """One loop reads a number per channel for all of a map, reduces the map and writes the numbers."""
    kind = TensorType(DType.F32, (20,))
    a, b = (B.param(name, kind, "weight", ("constant", 1.0)) for name in "ab")
    x = B.input("x", TensorType(DType.F32, (3, 20, 5, 7)))
    y = B.mul(x, B.along(a, 4, 1))
    new_a = B.sub(a, B.scale(B.sum(B.mul(y, y), (0, 2, 3)), 0.01))
    new_b = B.add(B.mul(a, b), B.sum(y, (0, 2, 3)))
    graph = fuse.run(Graph("g", (x,), (a, b), (("y", y),), (("a", new_a), ("b", new_b))))
    executable = Cpu().compile(graph)
    assert len(executable.steps) == 1
    rng = np.random.default_rng(0)
    feed = {"x": rng.normal(size=(3, 20, 5, 7)).astype(np.float32)}
    ours: dict[str, Array] = {name: rng.normal(size=20).astype(np.float32) for name in "ab"}
    theirs = {name: array.copy() for name, array in ours.items()}
    reference = Reference().compile(graph)
    for _ in range(3):
        assert_same(executable.run(feed, ours), reference.run(feed, theirs), 1e-5)
        assert_same(ours, theirs, 1e-5)


def test_an_update_whose_old_value_is_read_later() -> None:
    """The new `a` must not be written before `b` was computed from the old one."""
    a, b = weight("a"), weight("b")
    new_a = B.op("tanh", a)
    new_b = B.add(B.op("exp", B.neg(new_a)), B.mul(a, b))
    check_updates(Graph("g", (), (a, b), (), (("a", new_a), ("b", new_b))), {})


def test_parameters_that_change_places() -> None:
    a, b = weight("a"), weight("b")
    check_updates(Graph("g", (), (a, b), (("y", a),), (("a", b), ("b", a))), {})


def test_an_update_that_reads_its_parameter_in_another_order() -> None:
    w = B.param("w", TensorType(DType.F32, (40, 40)), "weight", ("constant", 0.0))
    graph = Graph("g", (), (w,), (), (("w", B.add(w, B.op("transpose", w, perm=(1, 0)))),))
    ours = {"w": np.random.default_rng(0).normal(size=(40, 40)).astype(np.float32)}
    expected = ours["w"] + ours["w"].T
    Cpu().compile(graph).run({}, ours)
    np.testing.assert_array_equal(ours["w"], expected)


def test_one_value_as_output_and_as_two_updates() -> None:
    a, b = weight("a"), weight("b")
    new = B.add(a, b)
    check_updates(Graph("g", (), (a, b), (("y", new), ("again", new)), (("a", new), ("b", new))), {})


def test_outputs_that_are_inputs_constants_and_views() -> None:
    x = values("x")["x"]
    (value,) = inputs_like([x])
    flat = B.reshape(B.op("relu", value), (SHAPE[0] * SHAPE[1],))
    constant = B.const(np.arange(5), DType.I64)
    graph = graph_of([value], value, B.reshape(value, (SHAPE[1], SHAPE[0])), flat, flat, constant)
    out = check(graph, feed_of([x]))
    assert not any(np.shares_memory(out[a], out[b]) for a in out for b in out if a < b)


def test_outputs_belong_to_the_caller() -> None:
    x = values("x")["x"]
    (value,) = inputs_like([x])
    compiled = Cpu().compile(graph_of([value], B.op("relu", value)))
    first = compiled.run({"x0": x}, {})["y0"]
    kept = first.copy()
    compiled.run({"x0": -x}, {})
    np.testing.assert_array_equal(first, kept)


def test_what_follows_from_parameters_alone_is_computed_once() -> None:
    x, w = B.input("x", TensorType(DType.F32, SHAPE)), weight("w")
    graph = Graph("g", (x,), (w,), (("y", B.add(x, B.op("exp", w))),))
    compiled = Cpu().compile(graph)
    assert (len(compiled.prologue), len(compiled.steps)) == (1, 1)
    feed, params = values("x"), values("w")
    first = compiled.run(feed, params)["y"]

    other = {"w": params["w"] + 1}
    np.testing.assert_allclose(compiled.run(feed, other)["y"], feed["x"] + np.exp(other["w"]), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(compiled.run(feed, params)["y"], first)

    params["w"] += 1
    compiled.invalidate()
    np.testing.assert_allclose(compiled.run(feed, params)["y"], feed["x"] + np.exp(params["w"]), rtol=1e-5, atol=1e-6)


def test_training_makes_what_was_kept_out_of_date() -> None:
    x, w = B.input("x", TensorType(DType.F32, SHAPE)), weight("w")
    inference = Cpu().compile(Graph("g", (x,), (w,), (("y", B.add(x, B.op("exp", w))),)))
    step = Cpu().compile(Graph("t", (), (w,), (), (("w", B.scale(w, 0.5)),)))
    feed, params = values("x"), values("w")
    inference.run(feed, params)
    step.run({}, params)
    np.testing.assert_allclose(inference.run(feed, params)["y"], feed["x"] + np.exp(params["w"]), rtol=1e-5, atol=1e-6)


def test_training_graphs_keep_nothing_that_depends_on_parameters() -> None:
    w = weight("w")
    compiled = Cpu().compile(Graph("t", (), (w,), (), (("w", B.add(w, B.op("exp", w))),)))
    assert not compiled.prologue


def test_planned_bytes_are_those_of_the_arena() -> None:
    x = B.input("x", TensorType(DType.F32, (sym("N"), 64)))
    hidden = B.op("matmul", x, B.op("transpose", x, perm=(1, 0)))
    graph = graph_of([x], B.sum(hidden, (0, 1)))
    compiled = Cpu().compile(graph)
    assert compiled.planned_bytes({"N": 128}) >= 128 * 128 * 4
    assert compiled.planned_bytes({"N": 256}) > compiled.planned_bytes({"N": 128})


def test_elementwise_chains_need_one_buffer() -> None:
    """Separate steps, each in place of the one before."""
    x = B.input("x", TensorType(DType.F32, (1024,)))
    value = x
    for op in ("relu", "tanh", "exp", "neg"):
        value = B.op(op, value)
    compiled = Cpu().compile(graph_of([x], B.sum(value, (0,))))
    assert compiled.planned_bytes({}) < 2 * 1024 * 4 + 1024


@pytest.mark.parametrize("rows", [0, 1])
def test_empty_and_single_batches(rows: int) -> None:
    x = B.input("x", TensorType(DType.F32, (sym("N"), 5)))
    graph = graph_of([x], B.op("relu", x), B.sum(x, (0,)))
    given = {"x": np.ones((rows, 5), np.float32)}
    out = Cpu().compile(graph).run(given, {})
    np.testing.assert_array_equal(out["y0"], given["x"])
    np.testing.assert_array_equal(out["y1"], given["x"].sum(0))


def test_dump_shows_steps_and_new_kernels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETLANG_DUMP", str(tmp_path))
    monkeypatch.setenv("NETLANG_CACHE", str(tmp_path / "cache"))
    x, w = B.input("x", TensorType(DType.F32, SHAPE)), weight("w")
    odd = B.op("elu", B.op("exp", w), alpha=0.123456)
    Cpu().compile(Graph("g/1", (x,), (w,), (("y", B.add(x, odd)),)))
    once, _, each = (tmp_path / "g_1.cpu-steps.txt").read_text().partition("each call:")
    assert "exp" in once
    assert "add" in each
    assert any("0.123456" in p.read_text() for p in (tmp_path / "kernels").glob("*.ll"))


def test_memory_goes_with_the_last_reference() -> None:
    """Without waiting for the garbage collector: a net's weights, packed, may be hundreds of megabytes."""
    x, w = np.ones((1, 40), np.float32), np.ones((30, 40), np.float32)
    values = inputs_like([x])
    weight = B.param("w", TensorType(DType.F32, w.shape), "weight", ("constant", 0.0))
    product = B.op("matmul", values[0], weight, transpose_b=True)
    graph = fuse.run(Graph("g", tuple(values), (weight,), (("y", product),)))
    gc.disable()
    try:
        compiled = Cpu().compile(graph, threads=1)
        compiled.run(feed_of([x]), {"w": w})
        left = weakref.ref(compiled)
        del compiled
        assert left() is None
    finally:
        gc.enable()
