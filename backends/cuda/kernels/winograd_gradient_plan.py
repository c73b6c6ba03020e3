"""Patches, rounds and parts of Winograd's gradient by the weights, and about how long it and the plain one take."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from netlang.backends.common.gradient_problem import GradientProblem
from netlang.backends.cuda.kernels.winograd_plan import BANDWIDTH, GAIN, ROUND_BYTES
from netlang.backends.cuda.product_costs import LAUNCH, tiled_seconds
from netlang.backends.cuda.product_tiles import tiles
from netlang.backends.cuda.target import CudaTarget
from netlang.backends.cuda.tiles.block_tile import DEPTH, FLOAT, BlockTile
from netlang.backends.cuda.tiles.winograd_text import TAPS, UNIT, size_of

M = 4
"""Of the transform: results of a patch, down and across."""
_BLOCKS = 512
"""There are about so many parts that a large GPU has work for all of its multiprocessors, in tiles of 64 by 64."""
_USUAL_TILE = 64
_LEAST_STEPS = 8
"""Stages of a part at least."""
_SPLITS = (1, 2, 4, 8, 16, 32)
_MOST_PLANES = 1 << 31
"""Bytes of an image that kernels count in 32 bits."""


@dataclass(frozen=True)
class WinogradGradientPlan:
    """patches    of an image, down and across
    words, out_words   channels of x and dy with those that are added
    """

    problem: GradientProblem
    tile: BlockTile
    patches: tuple[int, int]

    @staticmethod
    def of(problem: GradientProblem, target: CudaTarget, images: int) -> WinogradGradientPlan | None:
        """With the tile that is best for so many images; None where kernels cannot count what there is."""
        channels = max(problem.channels + UNIT, problem.out_channels + UNIT)
        if channels * max(problem.size[0] * problem.size[1], problem.out[0] * problem.out[1]) * FLOAT >= _MOST_PLANES:
            return None
        down, across = (-(-n // M) for n in problem.out)
        plans = [WinogradGradientPlan(problem, tile, (down, across)) for tile in tiles(target, "float32")]
        return min(plans, key=lambda plan: plan.seconds(target, images), default=None)

    @property
    def words(self) -> int:
        return -(-self.problem.channels // UNIT) * UNIT

    @property
    def out_words(self) -> int:
        return -(-self.problem.out_channels // UNIT) * UNIT

    @property
    def places(self) -> int:
        """Of a patch: so many products of matrices there are."""
        return size_of(M) ** 2

    def count(self, images: int) -> int:
        """Patches of so many images."""
        return images * self.patches[0] * self.patches[1]

    def pitch(self, images: int) -> int:
        """The same with those that are added."""
        return -(-self.count(images) // UNIT) * UNIT

    def map_bytes(self, words: int, images: int) -> int:
        """Of a transformed map with so many channels."""
        return self.places * self.pitch(images) * words * FLOAT

    @property
    def part_bytes(self) -> int:
        """Of one part of all sums."""
        return self.places * self.problem.out_channels * self.words * FLOAT

    def split_steps(self, images: int) -> int:
        """Stages of a part of a round."""
        steps = -(-self.pitch(images) // DEPTH)
        blocks = self.places * -(-self.problem.out_channels // _USUAL_TILE) * -(-self.words // _USUAL_TILE)
        return max(1, -(-steps // max(1, min(-(-_BLOCKS // blocks), steps // _LEAST_STEPS))))

    def splits(self, images: int) -> int:
        """Parts of a round; none is empty."""
        return max(1, -(-self.pitch(images) // (DEPTH * self.split_steps(images))))

    def rounds(self, images: int) -> int:
        """Into how many rounds of equally many images a call is cut."""
        return _rounds(images, self.map_bytes(self.words + self.out_words, 1), self.part_bytes, ROUND_BYTES)

    def each(self, images: int) -> int:
        """Images of a round."""
        return images // max(1, self.rounds(images))

    def parts(self, images: int) -> int:
        """Of all rounds."""
        return self.rounds(images) * self.splits(self.each(images))

    def seconds(self, target: CudaTarget, images: int) -> float:
        """About how long it takes: transforms and sums by the bandwidth of memory, products as they do everywhere."""
        images = max(1, images)
        each, p = self.each(images), self.problem
        read = each * (p.channels * p.size[0] * p.size[1] + p.out_channels * p.out[0] * p.out[1]) * FLOAT
        bandwidth = BANDWIDTH * target.memory_bandwidth
        transforms = (read + self.map_bytes(self.words + self.out_words, each)) / bandwidth + 2 * LAUNCH
        sizes = self.places, p.out_channels, self.words, self.pitch(each)
        products = tiled_seconds(target, sizes, self.tile, self.splits(each))
        sums = self.parts(images) * self.part_bytes / bandwidth + LAUNCH
        return GAIN * (self.rounds(images) * (transforms + products) + sums)


def direct_seconds(problem: GradientProblem, target: CudaTarget, images: int) -> float:
    """About how long the plain products of the gradient take."""
    sizes = 1, problem.out_channels, problem.channels * TAPS**2, max(1, images) * problem.out[0] * problem.out[1]
    return min(tiled_seconds(target, sizes, tile, n) for tile in tiles(target, "float32") for n in _SPLITS)


@lru_cache(maxsize=1024)
def _rounds(images: int, image_bytes: int, part_bytes: int, most: int) -> int:
    """The fewest rounds of equally many images whose maps and parts take at most so much; where none do, those that
    take least."""

    def taken(rounds: int) -> int:
        return images // rounds * image_bytes + rounds * part_bytes

    able = [n for n in range(1, images + 1) if images % n == 0]
    return next((n for n in able if taken(n) <= most), min(able, key=taken, default=0))
