"""The ways to carry out a matrix product of float32 tensors, and about how long each takes."""

from __future__ import annotations

from collections.abc import Iterator

from netlang.backends.common.steps import Arg, Buffer, Number, Sizes, evaluated
from netlang.backends.cuda.lower import LoweringContext
from netlang.backends.cuda.product_costs import thin_seconds, tiled_seconds
from netlang.backends.cuda.product_packed import packed_ways
from netlang.backends.cuda.product_problem import Problem, gemm_launch
from netlang.backends.cuda.product_tiles import tiles
from netlang.backends.cuda.steps import Launch
from netlang.backends.cuda.tiles.block_tile import DEPTH, BlockTile
from netlang.backends.cuda.tiles.split_sum import SplitSum
from netlang.backends.cuda.tiles.thin import Thin
from netlang.backends.cuda.tiles.thin_product import ThinProduct
from netlang.backends.cuda.ways import Needed, Way

_FLOAT = 4
_LEAST_STEPS = 4
"""Stages that a part of a sum has at least."""
_MOST_SPLITS = 64
_THIN_ROWS = 16
"""More rows than that are no case for thin sums."""


def ways(context: LoweringContext, problem: Problem) -> list[Way]:
    """All that are worth a thought."""
    rows = problem.product.rows
    found = [way for tile in tiles(context.target, context.precision) for way in _tiled(context, problem, tile)]
    found += packed_ways(context, problem)
    for count in (1, 4):
        if not isinstance(rows, int) or (rows <= _THIN_ROWS and (count == 1) == (rows == 1)):
            found.append(_thin(context, problem, count))
    return found


# ---- tiles


def _tiled(context: LoweringContext, problem: Problem, tile: BlockTile) -> Iterator[Way]:
    """A tile with whole sums, and with sums in several parts."""
    yield Way(
        tile.key,
        lambda sizes: tiled_seconds(context.target, problem.sizes(sizes), tile),
        lambda needed: [gemm_launch(problem, tile, problem.factors, 1, problem.out)],
    )

    def splits(sizes: Sizes) -> int:
        steps = -(-problem.sizes(sizes)[3] // DEPTH)
        counts = [n for n in (2, 4, 8, 16, 32, _MOST_SPLITS) if n == 2 or steps >= n * _LEAST_STEPS]
        return min(counts, key=lambda n: tiled_seconds(context.target, problem.sizes(sizes), tile, n))

    def launches(needed: Needed) -> list[Launch]:
        parts = context.scratch(needed(lambda s: splits(s) * evaluated(problem.total, s) * _FLOAT))
        return [gemm_launch(problem, tile, problem.factors, splits, parts), _split_sum(context, problem, splits, parts)]

    if not isinstance(problem.product.inner, int) or problem.product.inner > DEPTH:
        yield Way(
            f"{tile.key}/split",
            lambda s: tiled_seconds(context.target, problem.sizes(s), tile, splits(s)),
            launches,
            "split",
        )


def _split_sum(context: LoweringContext, problem: Problem, splits: Number, parts: Buffer) -> Launch:
    adding = SplitSum(problem.width, problem.epilogue, 32 if context.target.small else 128)
    args = (parts, problem.out, *problem.operands, splits, problem.product.columns, problem.total)
    grid: Number = lambda s: adding.blocks(evaluated(problem.total, s))  # noqa: E731
    return Launch(adding.kernel, args, (problem.out,), problem.total, grid=(grid, 1, 1))


# ---- thin sums


def _thin(context: LoweringContext, problem: Problem, count: int) -> Way:
    """So many rows at a time."""
    product, thin = problem.product, thin_sums(context, problem, count)
    kernel = ThinProduct(thin, problem.epilogue).kernel

    def row_groups(sizes: Sizes) -> int:
        return -(-evaluated(product.rows, sizes) // thin.rows)

    def column_groups(sizes: Sizes) -> int:
        return -(-evaluated(product.columns, sizes) // thin.block_columns)

    def blocks(sizes: Sizes) -> int:
        return row_groups(sizes) * column_groups(sizes) * evaluated(product.batch, sizes)

    def seconds(sizes: Sizes) -> float:
        return thin_seconds(context.target, problem.sizes(sizes), thin)

    def launches(needed: Needed) -> list[Launch]:
        numbers: tuple[Arg, ...] = (
            product.rows,
            product.columns,
            product.inner,
            1 if product.transposed_a else product.inner,
            product.rows if product.transposed_a else 1,
            product.inner if product.transposed_b else product.columns,
            row_groups,
            column_groups,
        )
        args = (problem.a, problem.b, problem.out, *problem.operands, *numbers, product.a_batch, product.b_batch)
        return [Launch(kernel, args, (problem.out,), problem.work, grid=(blocks, 1, 1))]

    return Way(f"thin/{thin.key}", seconds, launches, "thin")


def thin_sums(context: LoweringContext, problem: Problem, count: int) -> Thin:
    """Warps of a block, and how they share the work."""
    product = problem.product
    warps = 2 if context.target.small else 8
    if not product.transposed_b:
        return Thin(count, False, problem.width, warps, warps, columns=1)
    vector = 4 if problem.kinds == ("wide", "wide") else 1
    inner = product.inner if isinstance(product.inner, int) else 1024
    parts = 1
    while parts < warps and inner >= 2 * parts * 32 * vector:
        parts *= 2
    return Thin(count, True, vector, warps, parts)
