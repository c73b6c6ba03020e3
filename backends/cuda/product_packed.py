"""Products by wgmma: both factors are packed first, rounded and with their numbers of k side by side.

Packing reads a factor once; weights that are fixed are packed once for all calls.
"""

from __future__ import annotations

from netlang.backends.common.steps import Buffer, Number, Sizes, evaluated
from netlang.backends.cuda.lower import LoweringContext
from netlang.backends.cuda.product_costs import packing_seconds, tiled_seconds
from netlang.backends.cuda.product_problem import Factors, Problem, gemm_launch
from netlang.backends.cuda.product_tiles import group_tiles
from netlang.backends.cuda.steps import Launch
from netlang.backends.cuda.tiles.block_tile import FLOAT, BlockTile
from netlang.backends.cuda.tiles.factor_pack import FactorPack
from netlang.backends.cuda.ways import Needed, Way


def packed_ways(context: LoweringContext, problem: Problem) -> list[Way]:
    """Those of a GPU that has wgmma, where products may be rounded."""
    once: dict[Buffer, tuple[Launch, Buffer]] = {}
    return [_way(context, problem, tile, once) for tile in group_tiles(context.target, context.precision)]


def _way(context: LoweringContext, problem: Problem, tile: BlockTile, once: dict[Buffer, tuple[Launch, Buffer]]) -> Way:
    """`once`: the factors that are packed once for all calls, whichever way is taken."""
    product, threads = problem.product, 32 if context.target.small else 256
    packs = (
        FactorPack(tile.precision, not product.transposed_a, threads),
        FactorPack(tile.precision, product.transposed_b, threads),
    )

    def words(sizes: Sizes) -> int:
        return packs[0].words(evaluated(product.inner, sizes))

    def seconds(sizes: Sizes) -> float:
        batch, rows, columns, inner = problem.sizes(sizes)
        taken = tiled_seconds(context.target, (batch, rows, columns, packs[0].words(inner)), tile)
        taken += packing_seconds(context.target, (batch if product.a_batch != 0 else 1) * rows * inner)
        if not context.is_fixed(problem.b):
            taken += packing_seconds(context.target, (batch if product.b_batch != 0 else 1) * columns * inner)
        return taken

    def launches(needed: Needed) -> list[Launch]:
        def packed(pack: FactorPack, factor: Buffer, distance: Number, lines: Number) -> tuple[Launch, Buffer]:
            if not context.is_fixed(factor):
                return _packed(context, pack, factor, distance, lines, problem, needed)
            if factor not in once:
                once[factor] = _packed(context, pack, factor, distance, lines, problem, lambda bytes: bytes)
            return once[factor]

        a_step, a = packed(packs[0], problem.a, product.a_batch, product.rows)
        b_step, b = packed(packs[1], problem.b, product.b_batch, product.columns)

        def distance(shared: bool, lines: Number) -> Number:
            return 0 if shared else lambda s: evaluated(lines, s) * words(s) * FLOAT

        batches = distance(product.a_batch == 0, product.rows), distance(product.b_batch == 0, product.columns)
        factors = Factors(a, b, ("wide", "wide"), words, (words, words), batches)
        return [a_step, b_step, gemm_launch(problem, tile, factors, 1, problem.out)]

    return Way(tile.key, seconds, launches, "packed")


def _packed(
    context: LoweringContext,
    pack: FactorPack,
    factor: Buffer,
    distance: Number,
    rows: Number,
    problem: Problem,
    needed: Needed,
) -> tuple[Launch, Buffer]:
    """The launch that packs a factor, and where it puts it."""
    inner = problem.product.inner

    def lines(sizes: Sizes) -> int:
        return evaluated(rows, sizes) * (1 if distance == 0 else evaluated(problem.product.batch, sizes))

    def words(sizes: Sizes) -> int:
        return pack.words(evaluated(inner, sizes))

    def bytes(sizes: Sizes) -> int:
        return lines(sizes) * words(sizes) * FLOAT

    packed = context.scratch(needed(bytes))
    grid: Number = lambda s: pack.blocks(lines(s), evaluated(inner, s))  # noqa: E731
    args = (factor, packed, lines, rows, inner, words)
    return Launch(pack.kernel, args, (packed,), bytes, grid=(grid, 1, 1)), packed
