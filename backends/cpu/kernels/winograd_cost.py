"""What Winograd's convolution costs, and how it is best cut into tasks: a model in cycles of a core.

A core does about one FMA of whole vectors a cycle. The numbers were fitted to measurements of single layers; they need
not be exact, because choices near the border take about the same time either way.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from netlang.backends.common.conv_problem import ConvProblem
from netlang.backends.cpu.target import Target
from netlang.backends.cpu.tiles.shapes import most_pixels
from netlang.backends.cpu.tiles.winograd_table import VECTORS

_FLOAT = 4
_EFFICIENCY = 0.88
"""Of the products."""
_LATENCY_SUMS = 8
"""Sums that must be under way at once to hide the latency of an FMA."""
_TRANSFORMS = {4: (70, 60), 6: (190, 200)}
"""Input and output transform of one patch and vector of channels, by the size of patches."""
_TILE = 4
"""Storing one vector of products, and what starting a tile takes."""
_CACHE_RATE = 24.0
"""Bytes of weights a cycle from the caches, for every group of patches."""
_MEMORY_RATE, _MEMORY_THREADS = 5.0, 2
"""Bytes a cycle that a core gets from memory, and the cores that share all there is."""
_TASK = 300.0
"""Starting a task."""
_MANY = 8
"""Tasks a thread from which on it does not matter how they are shared out."""


@dataclass(frozen=True)
class Work:
    """A convolution of `images` by F(m x m, taps x taps), whatever way it is cut."""

    patches: int
    positions: int
    size: int
    channels: int
    inputs: int
    groups: int
    lanes: int
    most: int
    spare: float

    @property
    def group_bytes(self) -> int:
        """Of the transformed weights of one group of output channels."""
        return self.positions * self.channels * VECTORS * self.lanes * _FLOAT


def work_of(problem: ConvProblem, result: tuple[int, int], images: int, target: Target, m: int, pooled: bool) -> Work:
    """`result` is the size of what the kernel writes, after its pool if it is `pooled`."""
    lanes, size, step = target.lanes(_FLOAT), m + problem.kernel[0] - 1, m // 2 if pooled else m
    return Work(
        images * -(-result[0] // step) * -(-result[1] // step),
        size * size,
        size,
        problem.channels,
        -(-problem.channels // lanes),
        -(-problem.out_channels // (lanes * VECTORS)),
        lanes,
        most_pixels(target, VECTORS),
        32 / target.registers,
    )


@dataclass(frozen=True)
class Cut:
    """`group` patches are a group; the channel groups are split into `chunks`. `cost` is that of the busiest thread."""

    group: int
    chunks: int
    cost: float


def best_cut(work: Work, most: int, threads: int) -> Cut:
    """The cut that makes the busiest of `threads` threads do least, with groups of at most `most` patches."""
    fewest = -(-work.patches // most)
    counts = sorted({fewest, *(min(work.patches, -(-max(fewest, n) // n) * n) for n in range(1, 2 * threads + 1))})
    cuts = (with_chunks(work, -(-work.patches // count), threads) for count in counts)
    return min(cuts, key=lambda cut: cut.cost)


def with_chunks(work: Work, group: int, threads: int) -> Cut:
    """The best number of chunks for groups of `group` patches."""
    choices = range(1, min(work.groups, 2 * threads) + 1)
    costs = {chunks: _busiest(work, group, chunks, threads) for chunks in choices}
    best = min(costs, key=lambda chunks: costs[chunks])
    return Cut(group, best, costs[best])


@cache
def tile_patches(count: int, most: int) -> int:
    """Patches of the tile of the products for groups of `count`: little overlap, few tiles."""
    return min(range(min(count, most), 0, -1), key=lambda height: -(-count // height) * (height + 1.5))


def _busiest(work: Work, group: int, chunks: int, threads: int) -> float:
    parts = -(-work.patches // group)
    tasks = parts * chunks
    share = max(1, min(threads, tasks))
    memory = work.group_bytes * work.groups / (_MEMORY_RATE * min(share, _MEMORY_THREADS))
    if tasks >= _MANY * threads:
        count = work.patches / parts
        inputs = work.patches * _input(work) * (1 if chunks == 1 else 1 + threads / tasks)
        return max(memory, (inputs + parts * work.groups * _group(work, group, count) + tasks * _TASK) / threads)
    longest = max(_thread(work, group, chunks, tasks * t // share, tasks * (t + 1) // share) for t in range(share))
    return max(memory, longest)


def _thread(work: Work, group: int, chunks: int, first: int, stop: int) -> float:
    """What a thread does with tasks `first` to `stop`."""
    parts, total = -(-work.patches // group), 0.0
    for task in range(first, stop):
        part, chunk = divmod(task, chunks)
        count = work.patches * (part + 1) // parts - work.patches * part // parts
        members = work.groups * (chunk + 1) // chunks - work.groups * chunk // chunks
        if task == first or chunk == 0:
            total += count * _input(work)
        total += members * _group(work, group, count) + _TASK
    return total


def _input(work: Work) -> float:
    """The input transform of one patch."""
    return work.inputs * _TRANSFORMS[work.size][0] * work.spare


def _group(work: Work, group: int, count: float) -> float:
    """Products and output transform of `count` patches for one group of output channels."""
    height = tile_patches(group, work.most)
    tiles = -(-count // height)
    efficiency = _EFFICIENCY * min(1.0, height * VECTORS / _LATENCY_SUMS)
    products = work.positions * tiles * height * VECTORS * (work.channels / efficiency + _TILE)
    outputs = count * VECTORS * _TRANSFORMS[work.size][1] * work.spare
    return products + outputs + work.group_bytes / _CACHE_RATE
