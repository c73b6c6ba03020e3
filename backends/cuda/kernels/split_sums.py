"""The second step of sums that are split into parts, each part by a block of its own."""

from __future__ import annotations

from netlang.backends.common.steps import Buffer, Number, Scratch, Sizes, Step, evaluated
from netlang.backends.cuda.kernel import WARP
from netlang.backends.cuda.lower import LoweringContext
from netlang.backends.cuda.steps import Launch
from netlang.backends.cuda.tiles.part_sums import part_sums
from netlang.backends.cuda.tiles.split_sum import SplitSum

_FEW = 16
"""Parts that one thread adds up."""
_THREADS = 256


def add_parts(context: LoweringContext, sums: Scratch, out: Buffer, count: int, parts: Number, most: int) -> Step:
    """`count` float32 numbers of `out`, each the sum of those in its place in all `parts` of `sums`, `most` of them at
    most."""
    small = context.target.small

    def work(sizes: Sizes) -> int:
        return count * evaluated(parts, sizes)

    def how_many(sizes: Sizes) -> int:
        return evaluated(parts, sizes)

    if most > _FEW:
        kernel, grid = part_sums(2 * WARP if small else _THREADS), (-(-count // WARP), 1, 1)
        return Launch(kernel, (sums, out, count, how_many), (out,), work, grid=grid)
    width = 4 if count % 4 == 0 else 1
    adding = SplitSum(width, (), WARP) if small else SplitSum(width, ())
    args = (sums, out, how_many, count, count)
    return Launch(adding.kernel, args, (out,), work, grid=(adding.blocks(count), 1, 1))
