"""Times of single steps: what is computed stays the same, every step has its node, its kernel, its bytes."""

from __future__ import annotations

import numpy as np
import pytest

from netlang.backends.base import Profiled
from netlang.backends.cpu import Cpu
from netlang.backends.cpu.profile import kernel_text, measured_peak
from netlang.backends.cpu.workers import pool
from netlang.backends.reference import Reference
from netlang.ir.graph import Graph
from netlang.ir.types import DType, TensorType
from tests.backends.cpu.against_reference import B, feed_of, graph_of, inputs_like


def squares(rows: int) -> tuple[Graph, dict[str, np.ndarray]]:
    arrays = [np.random.default_rng(0).normal(size=(rows, rows)).astype(np.float32)]
    (x,) = inputs_like(arrays)
    y = B.op("matmul", x, x, transpose_a=False, transpose_b=False)
    return graph_of([x], B.op("softmax", y, axis=1)), feed_of(arrays)


@pytest.mark.parametrize("threads", [1, 2])
def test_every_step_is_timed(threads: int) -> None:
    graph, feed = squares(150)
    compiled = Cpu().compile(graph, threads=threads)
    assert isinstance(compiled, Profiled)
    times = compiled.profile(feed, {}, 4)
    assert len(times) == len(compiled.steps)
    assert all(len(t.seconds) == 4 and min(t.seconds) >= 0 for t in times)
    assert {t.node.op for t in times} == {"matmul", "softmax"}
    assert sum(sum(t.seconds) for t in times) > 0
    # softmax reads and writes one matrix each
    assert times[-1].bytes == 2 * 150 * 150 * 4


def test_a_profile_carries_updates_out_as_a_run_does() -> None:
    w = B.param("w", TensorType(DType.F32, (300, 300)), "weight", ("constant", 0.0))
    graph = Graph("g", (), (w,), (("y", B.sum(w, (0,))),), (("w", B.scale(w, 0.5)),))
    profiled, run = ({"w": np.ones((300, 300), np.float32)} for _ in range(2))
    compiled = Cpu().compile(graph, threads=2)
    compiled.profile({}, profiled, 3)
    for _ in range(3):
        compiled.run({}, run)
    assert np.array_equal(profiled["w"], run["w"])
    assert np.all(run["w"] == 0.125)


def test_calls_after_a_profile_are_right() -> None:
    """The timed walker leaves the meeting place of the threads as the next call expects it."""
    graph, feed = squares(200)
    compiled = Cpu().compile(graph, threads=2)
    first = compiled.run(feed, {})
    for _ in range(3):
        compiled.profile(feed, {}, 2)
        assert np.array_equal(compiled.run(feed, {})["y0"], first["y0"])


def test_the_timed_walker_starts_workers_of_its_own() -> None:
    graph, feed = squares(200)
    compiled = Cpu().compile(graph, threads=3)
    pool().close()
    assert len(compiled.profile(feed, {}, 1)) == len(compiled.steps)


def test_the_reference_backend_does_not_time_steps() -> None:
    graph, _ = squares(3)
    assert not isinstance(Reference().compile(graph), Profiled)


def test_the_peak_is_that_of_all_threads() -> None:
    assert 1e9 < measured_peak(1) < 1e13


def test_kernels_in_words() -> None:
    key = "conv:ConvStructure(tile=BroadcastTile(lanes=16, vectors=2, rows=1, columns=14, pixel_bytes=4))"
    assert kernel_text(key) == "direct 2x1x14"
    rows = f"conv:RowStructure(conv={key[5:]}, inputs=1, outputs=6, columns=2)"
    assert kernel_text(rows) == "rows 6x2"
    assert kernel_text("winograd:WinogradStructure(lanes=16, m=4, taps=3, patches=14)") == "winograd F(4, 3)"
    assert kernel_text("weight_gradient_sum:16") == "weight gradient sum"
    assert kernel_text("nest 16 NestCode(loops=2)") == "loops"
    assert kernel_text("plain_pool.max_pool('f32', 2)") == "max pool"
