"""Cutting a convolution into tasks: all rows are there, few are computed twice, threads have about the same to do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from netlang.backends.common.conv_problem import ConvProblem, PoolProblem
from netlang.backends.cpu.kernels.conv_plan import as_pixels
from netlang.backends.cpu.kernels.conv_tasks import CACHE_BYTES, chunks, cut, map_rows, strip_rows


def problem(channels: int, size: int, out: int, kernel: int, stride: int) -> ConvProblem:
    across = (size - 1) // stride + 1
    return ConvProblem(
        channels,
        out,
        1,
        (size, size),
        (across, across),
        (kernel, kernel),
        (stride, stride),
        (1, 1),
        (kernel // 2, kernel // 2),
        0,
        (0, 0, 0, 0, 0),
        (across, across),
    )


def overlapping(found: ConvProblem) -> PoolProblem:
    out = (found.out[0] - 1) // 2 + 1
    return PoolProblem("max", (3, 3), (2, 2), (1, 1, 1, 1), found.out, (out, out), True)


FIRST = problem(3, 224, 64, 7, 2)
SHAPES = [FIRST, problem(1024, 14, 256, 1, 1), problem(512, 14, 512, 3, 2), problem(64, 27, 192, 5, 1)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("pooled", [False, True])
@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_tasks_cover_the_result_and_fit_the_cache(shape: ConvProblem, pooled: bool, threads: int) -> None:
    pool = overlapping(shape) if pooled else None
    height = pool.out[0] if pool else shape.out[0]
    found = cut(shape, pool, 1, shape.out_channels // 32, 32, threads)
    assert (found.row_tasks - 1) * found.rows < height <= found.row_tasks * found.rows
    held = strip_rows(shape, map_rows(shape, pool, found.rows, 1))
    assert found.rows == 1 or held * shape.channels * shape.size[1] * 4 <= CACHE_BYTES


def test_few_rows_are_computed_twice() -> None:
    pool = overlapping(FIRST)
    found = cut(FIRST, pool, 1, 2, 32, 2)
    computed = sum(
        min(map_rows(FIRST, pool, found.rows, 1), FIRST.out[0] - max(0, 2 * i * found.rows - 1))
        for i in range(found.row_tasks)
    )
    assert computed <= 1.1 * FIRST.out[0]


@pytest.mark.parametrize("threads", [2, 4])
def test_threads_do_about_the_same(threads: int) -> None:
    shape = problem(1024, 14, 256, 1, 1)
    found = cut(shape, None, 1, 8, 32, threads)
    split = chunks(8, found.row_tasks, 1)
    work = [
        min(found.rows, shape.out[0] - part * found.rows) * (8 * (c + 1) // split - 8 * c // split)
        for part in range(found.row_tasks)
        for c in range(split)
    ]
    share = [sum(work[len(work) * t // threads : len(work) * (t + 1) // threads]) for t in range(threads)]
    assert max(share) <= 1.15 * sum(work) / threads


def test_small_maps_of_one_tap_are_rows_of_pixels() -> None:
    small = replace(problem(64, 7, 32, 1, 1), pad=(0, 0))
    found, no_pool = as_pixels(small, None)
    assert found.out == found.size == (1, 49) and no_pool is None
    mean = PoolProblem("mean", (7, 7), (7, 7), (0, 0, 0, 0), (7, 7), (1, 1), True)
    _, row = as_pixels(small, mean)
    assert row is not None and row.kernel == row.size == (1, 49)
    for other in (problem(64, 7, 32, 3, 1), problem(64, 56, 32, 1, 1), problem(64, 8, 32, 1, 2)):
        assert as_pixels(other, None) == (other, None)
    assert as_pixels(small, overlapping(small))[0] == small
