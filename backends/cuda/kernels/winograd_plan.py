"""From a convolution problem to Winograd's kernels for it: patches, rounds, what is fused, and about how long it takes.

Transformed maps and products are several times as large as the maps. Where there are many images they are done in
rounds, so many at a time that these stay small.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from netlang.backends.common.chain import Chain
from netlang.backends.common.conv_problem import ConvProblem, PoolProblem
from netlang.backends.common.winograd_choice import exact_enough, suitable
from netlang.backends.cuda.product_costs import LAUNCH, tiled_seconds
from netlang.backends.cuda.product_tiles import tiles
from netlang.backends.cuda.target import CudaTarget
from netlang.backends.cuda.tiles.block_tile import FLOAT, BlockTile
from netlang.backends.cuda.tiles.winograd_structure import PatchPool, WinogradOutput
from netlang.backends.cuda.tiles.winograd_text import TAPS, UNIT, size_of

SIZES = (4, 2)
"""m of the transforms F(m x m, 3 x 3) that there are."""
ROUND_BYTES = 256 << 20
"""About how large transformed map and products of a round may be."""
_MOST_UNITS = 1 << 30
"""Of patches and channels of one image, which kernels count in 32 bits."""
BANDWIDTH = 0.8
"""Of the memory's bandwidth, what the transforms are expected to use: a guess, and so is all of the model."""
GAIN = 1.1
"""How much faster it must be: it also needs more memory, and rounds more."""


@dataclass(frozen=True)
class WinogradPlan:
    """One convolution by F(m x m, 3 x 3).

    patches   of an image, down and across
    result    size of what is written, after the pool if there is one
    words     input channels with those that are added
    changing  the weights are transformed in every call
    """

    problem: ConvProblem
    m: int
    tile: BlockTile
    output: WinogradOutput
    patches: tuple[int, int]
    result: tuple[int, int]
    changing: bool

    @property
    def words(self) -> int:
        return -(-self.problem.channels // UNIT) * UNIT

    @property
    def places(self) -> int:
        """Of a patch of x: so many products of matrices there are."""
        return size_of(self.m) ** 2

    def count(self, images: int) -> int:
        """Patches of so many images."""
        return images * self.patches[0] * self.patches[1]

    def pitch(self, images: int) -> int:
        """The same with those that are added."""
        return -(-self.count(images) // UNIT) * UNIT

    def map_bytes(self, images: int) -> int:
        """Of the transformed map of so many images."""
        return self.places * self.pitch(images) * self.words * FLOAT

    def product_bytes(self, images: int) -> int:
        """Of the products."""
        return self.places * self.pitch(images) * self.problem.out_channels * FLOAT

    @property
    def weight_bytes(self) -> int:
        """Of the transformed weights."""
        return self.places * self.problem.out_channels * self.words * FLOAT

    def rounds(self, images: int) -> int:
        """Into how many rounds of equally many images a call is cut."""
        return _rounds(images, max(1, ROUND_BYTES // (self.map_bytes(1) + self.product_bytes(1))))

    def each(self, images: int) -> int:
        """Images of a round."""
        return images // max(1, self.rounds(images))

    def seconds(self, target: CudaTarget, images: int) -> float:
        """About how long a call takes: transforms go by the bandwidth of memory, products as they do everywhere."""
        images = max(1, images)
        each, p = self.each(images), self.problem
        read = each * p.channels * p.size[0] * p.size[1] * FLOAT
        written = each * p.out_channels * self.result[0] * self.result[1] * FLOAT
        moved = (read + self.map_bytes(each) + self.product_bytes(each) + written) / BANDWIDTH
        sizes = self.places, p.out_channels, self.pitch(each), self.words
        once = moved / target.memory_bandwidth + 2 * LAUNCH + tiled_seconds(target, sizes, self.tile)
        weights = self.weight_bytes * (1 + TAPS**2 / self.places) / (BANDWIDTH * target.memory_bandwidth) + LAUNCH
        return GAIN * (self.rounds(images) * once + (weights if self.changing else 0))


@lru_cache(maxsize=1024)
def _rounds(images: int, most: int) -> int:
    """The fewest rounds of at most `most` images each; all have equally many."""
    return next((n for n in range(1, images + 1) if images % n == 0 and images // n <= most), 0)


def plans_of(
    problem: ConvProblem, pool: PoolProblem | None, chain: Chain, target: CudaTarget, changing: bool
) -> list[WinogradPlan]:
    """The plans for all tiles of all transforms that can carry a problem out and round little enough."""
    if not suitable(problem) or problem.kernel != (TAPS, TAPS):
        return []
    found: list[WinogradPlan] = []
    for m in SIZES:
        inside = patch_pool(pool, chain, m) if pool else None
        if not exact_enough(problem, m) or (pool is not None and inside is None):
            continue
        window, result = inside.kernel if inside else (1, 1), pool.out if pool else problem.out
        down, across = (-(-n * k // m) for n, k in zip(result, window, strict=True))
        output = _output(problem, chain, target, m, inside)
        plans = [
            WinogradPlan(problem, m, tile, output, (down, across), result, changing)
            for tile in tiles(target, "float32")
        ]
        found += [plan for plan in plans if max(plan.words, problem.out_channels) * plan.pitch(1) < _MOST_UNITS]
    return found


def _output(problem: ConvProblem, chain: Chain, target: CudaTarget, m: int, inside: PatchPool | None) -> WinogradOutput:
    return WinogradOutput(
        m,
        32 if target.small else 128,
        vector=inside is None and problem.out[1] % m == 0,
        before=tuple(chain.before),
        after=tuple(chain.after),
        tensors=tuple("f32" if v.dtype.is_float else "bool" for v in chain.tensors),
        pool=inside,
        switch="" if chain.switch is None else str(chain.switch.dtype),
    )


def patch_pool(pool: PoolProblem, chain: Chain, m: int) -> PatchPool | None:
    """The pool inside patches of m by m results; None where windows overlap, are cut off, or lie in two patches."""
    axes = zip(pool.kernel, pool.stride, pool.out, pool.size, strict=True)
    if any(pool.pad[:2]) or not all(k == s and m % k == 0 and n * k <= size for k, s, n, size in axes):
        return None
    return PatchPool("max" if pool.kind == "switch" and chain.switch is None else pool.kind, pool.kernel)
