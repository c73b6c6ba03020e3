"""About how long the gradient of a convolution by its weights takes in a tile."""

from __future__ import annotations

from dataclasses import dataclass

from netlang.backends.cuda.target import CudaTarget
from netlang.backends.cuda.tiles.block_tile import BlockTile

_RESIDENT_THREADS = 512
"""About so many threads keep a multiprocessor busy: they have half of its registers."""
_FIXED = 48
"""What a block takes for each of its threads besides its products, in products a thread: filling and emptying the
ring, and the epilogue."""


@dataclass(frozen=True)
class Work:
    """channels (rows) and pixels (columns) of one of the `groups` products of matrices."""

    channels: int
    pixels: int
    groups: int


def gradient_cost(target: CudaTarget, tile: BlockTile, work: Work) -> float:
    """How long the blocks of all waves take, in products of a stage: smaller tiles read more for each of them."""
    blocks = -(-work.channels // tile.rows) * -(-work.pixels // tile.columns) * work.groups
    together = target.multiprocessors * max(1, _RESIDENT_THREADS // tile.threads)
    waves = max(1.0, blocks / together) if blocks > 4 * together else -(-blocks // together)
    reads = 16 * (tile.rows + tile.columns)
    sharing = min(max(1, _RESIDENT_THREADS // tile.threads), -(-blocks // target.multiprocessors))
    return waves * sharing * (tile.rows * tile.columns + reads + _FIXED * tile.threads)
