"""Threads: the same bits for any number of them, calls side by side, forks, workers without a futex."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import netlang.ops  # noqa: F401
from netlang.backends.cpu import Cpu, loader, workers
from netlang.backends.cpu import threads as threading_module
from netlang.backends.cpu.workers import pool
from netlang.ir.dims import sym
from netlang.ir.graph import Graph
from netlang.ir.types import DType, TensorType
from tests.backends.cpu.against_reference import Array, B, graph_of


def wide_graph() -> Graph:
    """Elementwise work, sums along rows, columns and everything, and a matrix product: enough for several threads."""
    x = B.input("x", TensorType(DType.F32, (sym("N"), 256)))
    w = B.input("w", TensorType(DType.F32, (256, 64)))
    y = B.op("tanh", B.op("matmul", B.op("gelu", x), w))
    total = B.sum(B.mul(x, x), (0, 1))
    return graph_of([x, w], y, B.sum(y, (0,)), B.op("softmax", y, axis=1), total)


def feed(rows: int, seed: int = 0) -> dict[str, Array]:
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in (("x", (rows, 256)), ("w", (256, 64)))}


def same(one: dict[str, Array], other: dict[str, Array]) -> bool:
    return all(np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("threads", [2, 3])
def test_any_number_of_threads_gives_the_same_bits(threads: int) -> None:
    graph, given = wide_graph(), feed(700)
    alone = Cpu().compile(graph, threads=1).run(given, {})
    several = Cpu().compile(graph, threads=threads)
    for _ in range(20):
        assert same(several.run(given, {}), alone)


def test_any_batch_size_with_one_compilation() -> None:
    compiled = Cpu().compile(wide_graph(), threads=2)
    whole = compiled.run(feed(300), {})
    for rows in (1, 2, 17, 64, 299):
        given = feed(300)
        given["x"] = np.ascontiguousarray(given["x"][:rows])
        np.testing.assert_allclose(compiled.run(given, {})["y0"], whole["y0"][:rows], rtol=1e-5, atol=1e-6)


def in_parallel(count: int, work: Callable[[int], None]) -> None:
    """Run `work(i)` in `count` threads; the first failure is raised."""
    failures: list[BaseException] = []

    def guarded(i: int) -> None:
        try:
            work(i)
        except BaseException as failure:
            failures.append(failure)

    running = [threading.Thread(target=guarded, args=(i,)) for i in range(count)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    if failures:
        raise failures[0]


def test_calls_from_four_threads_at_a_time() -> None:
    compiled = Cpu().compile(wide_graph(), threads=2)
    given = [feed(400, seed) for seed in range(4)]
    expected = [compiled.run(g, {}) for g in given]

    def work(i: int) -> None:
        for _ in range(15):
            assert same(compiled.run(given[i], {}), expected[i])

    in_parallel(4, work)


def _child(connection: Any, compiled: Any, given: dict[str, Array]) -> None:
    connection.send(compiled.run(given, {})["y3"])
    connection.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_has_threads_of_its_own() -> None:
    compiled, given = Cpu().compile(wide_graph(), threads=2), feed(700)
    expected = compiled.run(given, {})["y3"]
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    child = context.Process(target=_child, args=(theirs, compiled, given))
    child.start()
    assert ours.poll(60)
    np.testing.assert_array_equal(ours.recv(), expected)
    child.join(60)
    assert child.exitcode == 0
    np.testing.assert_array_equal(compiled.run(given, {})["y3"], expected)


def test_workers_of_the_interpreter_do_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    graph, given = wide_graph(), feed(700)
    expected = Cpu().compile(graph, threads=1).run(given, {})
    monkeypatch.setattr(threading_module, "can_sleep", lambda: False)
    pool = threading_module.Pool(loader.address)
    monkeypatch.setattr(workers, "_pool", pool)
    compiled = Cpu().compile(graph, threads=3)
    for _ in range(5):
        assert same(compiled.run(given, {}), expected)
    pool.close()


def test_a_closed_pool_starts_again() -> None:
    compiled, given = Cpu().compile(wide_graph(), threads=2), feed(700)
    expected = compiled.run(given, {})
    pool().close()
    assert same(compiled.run(given, {}), expected)
