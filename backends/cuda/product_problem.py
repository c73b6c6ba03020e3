"""A matrix product with its epilogue, and the launch that computes it by tiles."""

from __future__ import annotations

from dataclasses import dataclass, replace

from netlang.backends.common.epilogue import Epilogue
from netlang.backends.common.product import Product
from netlang.backends.common.steps import Arg, Buffer, Number, Sizes, evaluated
from netlang.backends.cuda.steps import Launch
from netlang.backends.cuda.tiles.block_tile import DEPTH, BlockTile
from netlang.backends.cuda.tiles.gemm import Gemm
from netlang.backends.cuda.tiles.matrix_copies import Kind

_MOST_WIDE = 1 << 22
"""Numbers of k up to which all rows of a tile lie within 4 GB."""


@dataclass(frozen=True)
class Factors:
    """Where and how the factors of a product are in memory.

    inner      words of four bytes along k
    pitches    words from a line of A and of B to the next
    batches    bytes from one matrix to the next, 0 where all products share it
    """

    a: Buffer
    b: Buffer
    kinds: tuple[Kind, Kind]
    inner: Number
    pitches: tuple[Number, Number]
    batches: tuple[Number, Number]


@dataclass(frozen=True)
class Problem:
    """out = epilogue(a b); `operands` are those of the epilogue, channels before tensors."""

    product: Product
    a: Buffer
    b: Buffer
    out: Buffer
    epilogue: Epilogue
    operands: tuple[Buffer, ...]

    @property
    def width(self) -> int:
        """Columns that are stored at once."""
        columns = self.product.columns
        return 4 if isinstance(columns, int) and columns % 4 == 0 else 1

    @property
    def factors(self) -> Factors:
        """The factors as they are in memory."""
        p = self.product
        pitches = p.rows if p.transposed_a else p.inner, p.inner if p.transposed_b else p.columns
        return Factors(self.a, self.b, self.kinds, p.inner, pitches, (p.a_batch, p.b_batch))

    @property
    def kinds(self) -> tuple[Kind, Kind]:
        """How the factors lie in memory."""
        p = self.product
        along: Kind = "wide" if isinstance(p.inner, int) and p.inner % 4 == 0 and p.inner < _MOST_WIDE else "rows"
        across: Kind = "lines" if self.width == 4 else "columns"
        return "columns" if p.transposed_a else along, along if p.transposed_b else across

    def sizes(self, sizes: Sizes) -> tuple[int, int, int, int]:
        """Batch, rows, columns, inner; none of them 0."""
        p = self.product
        batch, rows, columns, inner = (evaluated(n, sizes) for n in (p.batch, p.rows, p.columns, p.inner))
        return max(1, batch), max(1, rows), max(1, columns), max(1, inner)

    @property
    def total(self) -> Number:
        """Results."""
        return self.product.batch * self.product.rows * self.product.columns

    @property
    def work(self) -> Number:
        return self.product.batch * self.product.rows * self.product.columns * self.product.inner


def gemm_launch(problem: Problem, tile: BlockTile, factors: Factors, splits: Number, out: Buffer) -> Launch:
    """The product by tiles; `splits` other than 1: `out` gets the parts of the sums, without the epilogue."""
    product, whole, kinds = problem.product, splits == 1, factors.kinds
    if tile.precision == "float32" and kinds == ("columns", "lines"):
        # Together with an epilogue they would take more registers than FFMA leaves.
        kinds = ("columns", "columns")
    tile = replace(tile, n_major=kinds[1] == "lines")
    gemm = Gemm(tile, *kinds, problem.width, problem.epilogue if whole else (), not whole)

    def row_tiles(sizes: Sizes) -> int:
        return -(-evaluated(product.rows, sizes) // tile.rows)

    def column_tiles(sizes: Sizes) -> int:
        return -(-evaluated(product.columns, sizes) // tile.columns)

    def split_steps(sizes: Sizes) -> int:
        return max(1, -(-evaluated(factors.inner, sizes) // (DEPTH * evaluated(splits, sizes))))

    def blocks(sizes: Sizes) -> int:
        tiles = row_tiles(sizes) * column_tiles(sizes)
        return tiles * evaluated(splits, sizes) * evaluated(product.batch, sizes)

    numbers: tuple[Arg, ...] = (
        product.rows,
        product.columns,
        factors.inner,
        *factors.pitches,
        row_tiles,
        column_tiles,
        splits,
        split_steps,
    )
    distances: tuple[Arg, ...] = (*factors.batches, lambda s: evaluated(problem.total, s))
    operands = problem.operands if whole else ()
    args = (factors.a, factors.b, out, *operands, *numbers, *distances)
    return Launch(gemm.kernel, args, (out,), problem.work, grid=(blocks, 1, 1))
