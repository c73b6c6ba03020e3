"""Whether Winograd's convolution is worth it, and which: a model of what it costs beside the direct kernel.

Costs are in FMAs of whole vectors, of which a core does about one a cycle. The numbers were fitted to measurements of
single layers; they need not be exact, because layers near the border take about the same time either way.
"""

from __future__ import annotations

from math import sqrt

from netlang.backends.cpu.kernels.conv_problem import ConvProblem
from netlang.backends.cpu.target import Target
from netlang.backends.cpu.tiles.shapes import most_pixels
from netlang.backends.cpu.tiles.winograd_table import VECTORS

MOST_ERROR = 5e-5
"""Relative to the largest result, what a transform's rounding may be expected to cost."""
ERROR = {2: 6e-8, 4: 1.1e-6}
"""Measured on 16 to 2048 channels with inputs normal, after a ReLU and all positive: the largest error of a layer is at
most this times sqrt(input channels). (Of the direct kernel: about 1e-7; F(2, 3) is more exact than that.)"""
_FLOAT = 4
_EFFICIENCY = 0.85
_BYTES_PER_UNIT = 8.0
"""Weights that arrive from memory in the time of one unit."""
_TRANSFORMS = {2: (70, 60), 4: (190, 200)}
"""Input and output transform of one patch and vector of channels."""
_TILE = 4
"""Storing one vector of products, and what starting a tile takes."""
_POOL = 8
"""Storing one vector of the map and reading it again, by a pool that is a kernel of its own."""
_GAIN = 1.05
"""How much faster it must be: it also needs more memory."""


def choose(
    problem: ConvProblem, result: tuple[int, int], images: int, target: Target, apart: bool, pooled: bool
) -> int:
    """m of the transform F(m x m, 3 x 3) to use, or 0 for none. `result` is what its kernel writes, `pooled` if it can
    do the pool; `apart`: a pool follows that must be a kernel of its own."""
    costs = {m: winograd_cost(problem, result, images, target, m, pooled) for m in ERROR if exact_enough(problem, m)}
    if apart:
        vectors = -(-problem.out_channels // target.lanes(_FLOAT))
        extra = images * problem.out[0] * problem.out[1] * vectors * _POOL
        costs = {m: cost + extra for m, cost in costs.items()}
    best = min(costs, key=lambda m: costs[m], default=0)
    return best if best and costs[best] * _GAIN < direct_cost(problem, images, target) else 0


def exact_enough(problem: ConvProblem, m: int) -> bool:
    """Whether F(m x m, 3 x 3) is expected to round little enough."""
    return ERROR[m] * sqrt(problem.channels) <= MOST_ERROR


def direct_cost(problem: ConvProblem, images: int, target: Target) -> float:
    """Of the direct kernel."""
    vectors = -(-problem.out_channels // target.lanes(_FLOAT))
    products = images * problem.out[0] * problem.out[1] * problem.channels * 9 * vectors
    weights = problem.channels * 9 * problem.out_channels * _FLOAT
    return products / _EFFICIENCY + weights / _BYTES_PER_UNIT


def winograd_cost(
    problem: ConvProblem, result: tuple[int, int], images: int, target: Target, m: int, pooled: bool
) -> float:
    """Of F(m x m, 3 x 3)."""
    lanes, positions = target.lanes(_FLOAT), (m + 2) ** 2
    step = m // 2 if pooled else m
    patches = images * -(-result[0] // step) * -(-result[1] // step)
    inputs = -(-problem.channels // lanes)
    vectors = -(-problem.out_channels // (lanes * VECTORS)) * VECTORS
    tile = min(patches, most_pixels(target, VECTORS))
    # Few patches mean few sums at a time: the latency of the FMAs shows.
    efficiency = _EFFICIENCY * min(1.0, (tile * VECTORS + 4) / 16)
    products = patches * positions * vectors * (problem.channels / efficiency + _TILE)
    spare = 32 / target.registers
    before, after = _TRANSFORMS[m]
    transforms = patches * (inputs * before + vectors * after) * spare
    weights = positions * problem.channels * vectors * lanes * _FLOAT
    return products + transforms + weights / _BYTES_PER_UNIT
