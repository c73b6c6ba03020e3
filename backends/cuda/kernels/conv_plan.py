"""From a convolution problem to the kernel that carries it out: tile, patches of a pool, and the numbers it gets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from netlang.backends.common.chain import Chain
from netlang.backends.common.conv_problem import ConvProblem, PoolProblem
from netlang.backends.cuda.product_tiles import effective, group_tiles, tiles
from netlang.backends.cuda.target import CudaTarget
from netlang.backends.cuda.tiles.block_tile import CHUNK_BYTES, CHUNKS, DEPTH, FLOAT, BlockTile, Precision
from netlang.backends.cuda.tiles.channels_last import words_of
from netlang.backends.cuda.tiles.conv_gather import NO_TAP
from netlang.backends.cuda.tiles.conv_structure import ConvStructure, TilePool

_CHUNK = CHUNK_BYTES // FLOAT
_MOST_GROUPS = 65535 // 32
"""A grid has at most 65535 blocks in any direction but the first, and each group may be in parts."""
_MOST_RECOMPUTED = 2.0
"""Pixels of the map that are computed for each that there is: beyond it the map is better kept in memory."""


@dataclass(frozen=True)
class ConvPlan:
    """columns    pixels or patches of one image, and how many a tile has
    row_tiles    tiles of a group's channels
    words        of k for each tap: channels of a group, or what they are packed in
    """

    structure: ConvStructure
    problem: ConvProblem
    columns: tuple[int, int]
    row_tiles: int
    words: int

    @property
    def format(self) -> Precision:
        return format_of(self.structure.tile)

    @property
    def k(self) -> int:
        """Words of all taps."""
        return self.words * self.problem.kernel[0] * self.problem.kernel[1]

    @property
    def depth(self) -> int:
        """Stages of k."""
        return -(-self.k // DEPTH)

    @property
    def pixel_bytes(self) -> int:
        """From a pixel of x to the next, as the kernel reads it."""
        return self.words * FLOAT if self.structure.last else FLOAT

    def column_tiles(self, images: int) -> int:
        each, together = self.columns
        return -(-images * each // together)

    def tiles(self, images: int) -> int:
        """Of all groups together."""
        return self.column_tiles(images) * self.row_tiles * self.problem.groups


def fits(problem: ConvProblem) -> bool:
    """Whether the numbers of a problem fit into those of the kernel, and there is anything to compute."""
    if min(*problem.out, *problem.size, problem.channels, problem.out_channels) < 1:
        return False
    # With room for chunks of a pixel that are not full.
    group = (problem.channels // problem.groups + 7) * problem.size[0] * problem.size[1] * FLOAT
    reach = max(k * d for k, d in zip(problem.kernel, problem.dilation, strict=True))
    plane = problem.whole[0] * problem.whole[1] * FLOAT
    return max(group, plane) < 1 << 31 and reach < NO_TAP // 2 and problem.groups <= _MOST_GROUPS


def plans_of(
    problem: ConvProblem, pool: PoolProblem | None, chain: Chain, target: CudaTarget, precision: str
) -> list[ConvPlan]:
    """The plans for all tiles that this kernel can use and that hold a window of the pool."""
    ways = [(tile, False) for tile in tiles(target, precision)]
    if problem.groups == 1 and effective(target, precision) != "float32":
        ways += [(tile, True) for tile in (*tiles(target, precision), *group_tiles(target, precision))]
    found = [_plan(problem, pool, chain, tile, last) for tile, last in ways]
    return [plan for plan in found if plan is not None]


def _plan(problem: ConvProblem, pool: PoolProblem | None, chain: Chain, tile: BlockTile, last: bool) -> ConvPlan | None:
    if tile.threads % tile.columns or CHUNKS * tile.columns % tile.threads:
        return None
    inside = tile_pool(pool, chain, tile.columns) if pool else None
    if pool is not None and inside is None:
        return None
    channels = problem.channels // problem.groups
    words = words_of(channels, format_of(tile)) if last else channels
    by_lines = not last and pool is None and _in_lines(problem)
    structure = ConvStructure(
        replace(tile, n_major=True) if by_lines else tile,
        next(run for run in (DEPTH, _CHUNK, 1) if words % run == 0),
        vector=not pool and not problem.phased and problem.out[0] * problem.out[1] % _CHUNK == 0,
        strided=problem.phased,
        before=tuple(chain.before),
        after=tuple(chain.after),
        tensors=tuple("f32" if v.dtype.is_float else "bool" for v in chain.tensors),
        pool=inside,
        switch="" if chain.switch is None else str(chain.switch.dtype),
        last=last,
        pointwise=_pointwise(problem),
    )
    if inside is None:
        columns = (problem.out[0] * problem.out[1], tile.columns)
    else:
        assert pool is not None
        columns = (-(-pool.out[0] // inside.patch[0]) * -(-pool.out[1] // inside.patch[1]), structure.patches)
    row_tiles = -(-(problem.out_channels // problem.groups) // tile.rows)
    return ConvPlan(structure, problem, columns, row_tiles, words)


def _pointwise(problem: ConvProblem) -> bool:
    """Whether each result is of one pixel, which is there."""
    ends = ((n - 1) * s for n, s in zip(problem.out, problem.stride, strict=True))
    return problem.kernel == (1, 1) and problem.pad == (0, 0) and all(map(int.__lt__, ends, problem.size))


def _in_lines(problem: ConvProblem) -> bool:
    """Whether four neighbours of a plane can be copied at once."""
    same = _pointwise(problem) and problem.stride == (1, 1) and problem.size == problem.out
    return same and problem.out[0] * problem.out[1] % _CHUNK == 0


def format_of(tile: BlockTile) -> Precision:
    """How factors lie in the tile: wgmma reads them there in their own format, others round what they read."""
    return tile.precision if tile.groups else "float32"


def tile_pool(pool: PoolProblem, chain: Chain, columns: int) -> TilePool | None:
    """The pool inside a tile with so many columns, by the patch that computes the fewest pixels for a window; None
    where that is far more than there are."""
    best, cost = None, 0.0
    for patch in _patches(pool, columns):
        found = _with_patch(pool, chain, patch)
        if found.pixels <= columns:
            each = columns / (columns // found.pixels * found.windows)
            if best is None or each < cost:
                best, cost = found, each
    there = pool.size[0] * pool.size[1] / (pool.out[0] * pool.out[1])
    return best if best is not None and cost <= _MOST_RECOMPUTED * max(1.0, there) else None


def _patches(pool: PoolProblem, columns: int) -> Iterator[tuple[int, int]]:
    """Patches that may fit, those that are wide first: their rows are read from neighbouring places."""
    for down in range(1, min(pool.out[0], columns) + 1):
        for across in range(min(pool.out[1], columns // down), 0, -1):
            yield down, across


def _with_patch(pool: PoolProblem, chain: Chain, patch: tuple[int, int]) -> TilePool:
    top, left, bottom, right = pool.pad
    whole = not any((top, left)) and all(
        (n - 1) * s + k <= size for n, s, k, size in zip(pool.out, pool.stride, pool.kernel, pool.size, strict=True)
    )
    kind = "max" if pool.kind == "switch" and chain.switch is None else pool.kind
    high = (bottom, right) if pool.count_pad else None
    return TilePool(kind, pool.kernel, pool.stride, (top, left), high, whole, patch)
