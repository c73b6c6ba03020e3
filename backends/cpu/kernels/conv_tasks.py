"""How a direct convolution is cut into tasks: rows of the result times parts of the output channels.

A task should keep its rows of the input and of the map in the second-level cache, recompute few map rows (those that
windows of two tasks share), and all threads should have the same to do. What a result is does not depend on the cut.
"""

from __future__ import annotations

from dataclasses import dataclass

from netlang.backends.common.conv_problem import ConvProblem, PoolProblem

_FLOAT = 4
CACHE_BYTES = 5 << 17
"""How much of the second-level cache the input rows and map rows of a task may take, beside weights that pass."""
ENOUGH_TASKS = 8
"""Groups of output channels are split into tasks of their own where there are fewer."""
_TASK = 0.02
"""What a task costs besides its rows, in parts of all that is to be done: a new task comes with cold caches."""


@dataclass(frozen=True)
class Cut:
    """`rows` of the result are a task, which is one of `row_tasks` of an image."""

    rows: int
    row_tasks: int


def map_rows(problem: ConvProblem, pool: PoolProblem | None, rows: int, tile_rows: int) -> int:
    """Most rows of the map that `rows` rows of the result need."""
    needed = (rows - 1) * pool.stride[0] + pool.kernel[0] if pool else rows
    return max(tile_rows, min(needed, problem.out[0]))


def strip_rows(problem: ConvProblem, rows: int) -> int:
    """Rows of the padded input that `rows` rows of the map need."""
    return (rows - 1) * problem.stride[0] + (problem.kernel[0] - 1) * problem.dilation[0] + 1


def chunks(groups: int, row_tasks: int, images: int) -> int:
    """Parts into which the groups of output channels are split for this many images."""
    return max(1, min(groups, -(-ENOUGH_TASKS // max(1, images * row_tasks))))


def cut(
    problem: ConvProblem, pool: PoolProblem | None, tile_rows: int, groups: int, channels: int, threads: int
) -> Cut:
    """The cut of one image that makes the busiest of `threads` threads do least. A group of output channels has
    `channels`."""
    height = pool.out[0] if pool else problem.out[0]

    def bytes_of(rows: int) -> int:
        held = map_rows(problem, pool, rows, tile_rows)
        inside = strip_rows(problem, held) * problem.channels * (problem.size[1] + problem.kernel[1] - 1)
        return (inside + (held * problem.out[1] * channels if pool else 0)) * _FLOAT

    fitting = [rows for rows in range(1, height + 1) if bytes_of(rows) <= CACHE_BYTES] or [1]
    rows = min(fitting, key=lambda r: (_longest(problem, pool, tile_rows, groups, r, threads), -r))
    return Cut(rows, -(-height // rows))


def _longest(
    problem: ConvProblem, pool: PoolProblem | None, tile_rows: int, groups: int, rows: int, threads: int
) -> float:
    """What the busiest thread does for one image, in tile rows times groups."""
    height = pool.out[0] if pool else problem.out[0]
    parts = -(-height // rows)
    split = chunks(groups, parts, 1)
    whole = _tile_rows(problem, pool, tile_rows, rows)
    last = _tile_rows(problem, pool, tile_rows, height - (parts - 1) * rows)
    overhead = _TASK * groups * -(-problem.out[0] // tile_rows)

    def work(task: int) -> float:
        part, chunk = divmod(task, split)
        members = groups * (chunk + 1) // split - groups * chunk // split
        return members * (whole if part < parts - 1 else last) + overhead / split

    count = parts * split
    shares = ((count * t // threads, count * (t + 1) // threads) for t in range(threads))
    return max(sum(map(work, range(first, stop))) for first, stop in shares)


def _tile_rows(problem: ConvProblem, pool: PoolProblem | None, tile_rows: int, rows: int) -> int:
    return -(-map_rows(problem, pool, rows, tile_rows) // tile_rows)
