"""The second step of sums that are split into parts, each part by a block of its own."""

from __future__ import annotations

from netlang.backends.common.steps import Buffer, Number, Scratch, Step, evaluated
from netlang.backends.cuda.lower import LoweringContext
from netlang.backends.cuda.steps import Launch
from netlang.backends.cuda.tiles.split_sum import SplitSum


def add_parts(context: LoweringContext, sums: Scratch, out: Buffer, count: int, parts: Number) -> Step:
    """`count` float32 numbers of `out`, each the sum of those in its place in all `parts` of `sums`, in order."""
    adding = SplitSum(1, (), 32) if context.target.small else SplitSum(1, ())
    return Launch(
        adding.kernel,
        (sums, out, lambda sizes: evaluated(parts, sizes), count, count),
        (out,),
        lambda sizes: count * evaluated(parts, sizes),
        grid=(adding.blocks(count), 1, 1),
    )
