"""Placing buffers with known lifetimes in one arena (offline dynamic storage allocation)."""

from bisect import insort
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import NamedTuple

ALIGNMENT = 64
"""Bytes: a cache line, and the widest vector."""


class Buffer(NamedTuple):
    """Bytes that are needed at the times `start` to `end`, both included."""

    size: int
    start: int
    end: int


def align(size: int) -> int:
    """`size` rounded up to a multiple of the alignment."""
    return -(-size // ALIGNMENT) * ALIGNMENT


def place(buffers: Sequence[Buffer]) -> tuple[list[int], int]:
    """An offset for each buffer and the size of the arena. Sizes must be aligned; then so are the offsets."""
    orders: tuple[Callable[[int], tuple[int, ...]], ...] = (
        lambda i: (-buffers[i].size, buffers[i].start, i),
        lambda i: (buffers[i].start, -buffers[i].size, i),
    )
    bound, _ = lower_bound(buffers, max((b.end for b in buffers), default=0) + 1)
    best: tuple[list[int], int] | None = None
    for order in orders:
        found = _greedy(buffers, sorted(range(len(buffers)), key=order))
        if best is None or found[1] < best[1]:
            best = found
        if best[1] == bound:
            break
    assert best is not None
    return best


def _greedy(buffers: Sequence[Buffer], order: Sequence[int]) -> tuple[list[int], int]:
    """Each buffer in turn into the smallest gap that holds it between those placed before (best fit)."""
    offsets = [0] * len(buffers)
    placed: list[tuple[int, int, int, int]] = []
    for index in order:
        first, last, size = buffers[index].start, buffers[index].end, buffers[index].size
        around = [(low, high) for low, high, start, end in placed if start <= last and first <= end]
        offsets[index] = _best_gap(around, size)
        insort(placed, (offsets[index], offsets[index] + size, first, last))
    return offsets, max((o + b.size for o, b in zip(offsets, buffers, strict=True)), default=0)


def _best_gap(taken: Sequence[tuple[int, int]], size: int) -> int:
    """The offset of the smallest gap of at least `size` between intervals sorted by start, or behind them all."""
    best, best_length, top = -1, 0, 0
    for start, end in taken:
        length = start - top
        if length >= size and (best < 0 or length < best_length):
            best, best_length = top, length
        top = max(top, end)
    return top if best < 0 else best


def lower_bound(buffers: Sequence[Buffer], times: int) -> tuple[int, list[int]]:
    """The most bytes in use at one time, and the bytes in use at every time from 0 to `times - 1`."""
    change = [0] * (times + 1)
    for buffer in buffers:
        change[buffer.start] += buffer.size
        change[min(buffer.end, times - 1) + 1] -= buffer.size
    profile = list(accumulate(change[:times]))
    return max(profile, default=0), profile
