"""Whether Winograd's convolution is worth it, and which: its cost beside that of the direct kernel."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from netlang.backends.common.choices import Candidate, Pick, cheapest
from netlang.backends.common.conv_problem import ConvProblem
from netlang.backends.common.winograd_choice import ERROR, exact_enough
from netlang.backends.cpu.kernels.winograd_cost import Work, best_cut, work_of
from netlang.backends.cpu.target import Target
from netlang.backends.cpu.tiles.shapes import channel_vectors, pixel_block
from netlang.backends.cpu.tiles.winograd_table import VECTORS

NARROW_CHANNELS = 512
"""Up to this many input channels the products of one channel group are transformed while they are in the cache."""
GROUP_PATCHES = {True: 28, False: 56}
"""About how many patches are a group, by whether the input is narrow."""
_FLOAT = 4
_EFFICIENCY = 0.96
_BYTES_PER_UNIT = 5.0
"""Weights that a core gets from memory in the time of one FMA."""
_POOL = 8
"""Storing one vector of the map and reading it again, by a pool that is a kernel of its own."""
_WEIGHTS = {4: 250, 6: 400}
"""Transforming the weights of one input channel and vector of output channels, by the size of patches."""
_PACKING = 20
"""Packing one vector of weights of the direct kernel."""
_KNOWN = 1024
"""Costs that are kept: nets repeat their layers, and each is asked for whenever somebody wants to know its lowering."""
_GAIN = 1.05
"""How much faster it must be: it also needs more memory."""


@dataclass(frozen=True)
class Circumstances:
    """What a choice depends on besides the convolution.

    result       the size of what Winograd's kernel writes
    pooled       it does a pool; or one follows that is a kernel of its own (`apart`)
    images       how many there are, or are expected
    transformed  the weights are transformed in every call
    """

    result: tuple[int, int]
    images: int
    threads: int
    pooled: bool = False
    apart: bool = False
    transformed: bool = False


def choose(problem: ConvProblem, given: Circumstances, target: Target, pick: Pick = cheapest) -> int:
    """m of the transform F(m x m, taps x taps) to use, or 0 for none."""
    taps = problem.kernel[0]
    able = [m for m, r in ERROR if r == taps and exact_enough(problem, m)]
    names = {f"winograd {m}": m for m in able}
    costs = [Candidate(name, winograd_cost(problem, given, target, m) * _GAIN) for name, m in names.items()]
    return names.get(pick([Candidate("direct", direct_cost(problem, given, target)), *costs]), 0)


@lru_cache(maxsize=_KNOWN)
def direct_cost(problem: ConvProblem, given: Circumstances, target: Target) -> float:
    """Of the direct kernel, on the busiest thread."""
    lanes, taps = target.lanes(_FLOAT), problem.kernel[0] * problem.kernel[1]
    whole = -(-problem.out_channels // lanes)
    vectors = channel_vectors(target, whole)
    rows, columns = pixel_block(target, vectors, *problem.out)
    pixels = -(-problem.out[0] // rows) * rows * -(-problem.out[1] // columns) * columns
    computed = -(-whole // vectors) * vectors
    products = given.images * pixels * problem.channels * taps * computed / _EFFICIENCY / given.threads
    weights = problem.channels * taps * problem.out_channels * _FLOAT / _BYTES_PER_UNIT / min(2, given.threads)
    packing = problem.channels * taps * whole * _PACKING / given.threads if given.transformed else 0
    return max(products, weights) + packing


@lru_cache(maxsize=_KNOWN)
def winograd_cost(problem: ConvProblem, given: Circumstances, target: Target, m: int) -> float:
    """Of F(m x m, taps x taps), on the busiest thread."""
    work = work_of(problem, given.result, given.images, target, m, given.pooled)
    cost = best_cut(work, most_patches(problem), given.threads).cost
    vectors = -(-problem.out_channels // target.lanes(_FLOAT))
    if given.apart:
        cost += given.images * problem.out[0] * problem.out[1] * vectors * _POOL / given.threads
    return cost + (_transform(work) / given.threads if given.transformed else 0)


def most_patches(problem: ConvProblem) -> int:
    """Most patches of a group."""
    return GROUP_PATCHES[problem.channels <= NARROW_CHANNELS]


def _transform(work: Work) -> float:
    return work.channels * work.groups * VECTORS * _WEIGHTS[work.size]
