"""The ways to carry out a convolution by tiles, whole sums or sums in parts, and about how long each takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil

from netlang.backends.common.steps import Number, Sizes, evaluated
from netlang.backends.cuda.kernels.conv_plan import ConvPlan
from netlang.backends.cuda.lower import LoweringContext
from netlang.backends.cuda.product_costs import stage_cycles
from netlang.backends.cuda.product_tiles import CLOCK, resident
from netlang.backends.cuda.steps import Launch
from netlang.backends.cuda.tiles.block_tile import FLOAT
from netlang.backends.cuda.ways import Needed, Way

_LAUNCH = 2e-6
"""Seconds that one more launch takes."""
_START = 2500
"""Cycles until the first stage of a tile is there, and to store its sums."""
_STAGE = 400
"""Cycles of a stage at least: until its copies are there."""
_LEAST_STAGES = 4
"""Of a part."""
_SPLITS = (2, 4, 8, 16, 32)

Launches = Callable[[ConvPlan, Number, Needed], Sequence[Launch]]
"""(plan, how many parts k is in, what is needed) -> launches."""


@dataclass(frozen=True)
class Costs:
    """How long a plan takes for `images`."""

    context: LoweringContext
    images: Number

    def seconds(self, plan: ConvPlan, splits: int, sizes: Sizes) -> float:
        """With k in so many parts."""
        target, tile = self.context.target, plan.structure.tile
        blocks = plan.tiles(evaluated(self.images, sizes)) * splits
        together = resident(target, tile)
        busy = min(together, ceil(blocks / target.multiprocessors))
        gather = (1 if plan.structure.chunks else 4) * tile.columns + tile.rows
        stage = max(_STAGE, busy * (stage_cycles(target, tile) + gather))
        waves = ceil(blocks / (target.multiprocessors * together))
        seconds = waves * (ceil(plan.depth / splits) * stage + _START) / CLOCK + _LAUNCH
        if plan.structure.last:
            problem = plan.problem
            moved = problem.size[0] * problem.size[1] * (problem.channels * FLOAT + plan.pixel_bytes)
            seconds += evaluated(self.images, sizes) * moved / target.memory_bandwidth + _LAUNCH
        if splits == 1:
            return seconds
        parts = blocks * tile.rows * tile.columns * FLOAT
        return seconds + _LAUNCH + 2 * parts / target.memory_bandwidth

    def splits(self, plan: ConvPlan, sizes: Sizes) -> int:
        """The best number of parts, at least two; none is empty."""
        counts = [n for n in _SPLITS if n == 2 or plan.depth >= n * _LEAST_STAGES]
        counts = [-(-plan.depth // -(-plan.depth // n)) for n in counts]
        return min(counts, key=lambda n: self.seconds(plan, n, sizes))


def ways(costs: Costs, plans: Sequence[ConvPlan], launches: Launches) -> list[Way]:
    """All that are worth a thought."""
    return [way for plan in plans for way in _ways(costs, plan, launches)]


def _ways(costs: Costs, plan: ConvPlan, launches: Launches) -> Iterator[Way]:
    name = f"{plan.structure.tile.key}{'/last' if plan.structure.last else ''}"
    family = "last" if plan.structure.last else ""
    yield Way(name, lambda sizes: costs.seconds(plan, 1, sizes), lambda needed: launches(plan, 1, needed), family)
    if plan.depth >= 2:
        yield Way(
            f"{name}/split",
            lambda sizes: costs.seconds(plan, costs.splits(plan, sizes), sizes),
            lambda needed: launches(plan, lambda sizes: costs.splits(plan, sizes), needed),
            f"{family} split",
        )
