"""Which tiles the gradient of a convolution by its weights can be computed in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import cast

from netlang.backends.cuda.target import CudaTarget
from netlang.backends.cuda.tiles.block_tile import BlockTile, Precision

_FFMA = ((128, 128, 16, 16), (64, 128, 8, 16), (64, 64, 8, 8), (32, 128, 8, 16), (32, 64, 8, 8), (64, 256, 8, 32))
"""Rows (output channels), columns (weights of each), threads down and across."""
_MMA = ((128, 128, 2, 4), (64, 128, 1, 4), (64, 64, 2, 2), (32, 128, 1, 4), (32, 64, 1, 2), (64, 256, 2, 4))
"""The same with warps instead of threads."""
_SMALL = {True: (16, 32, 8, 8), False: (16, 32, 1, 1)}
_STAGES = 3
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


def supported(precision: str, target: CudaTarget) -> Precision:
    """The precision that is asked for, or float32 where the target's tensor cores do not have it."""
    if precision == "f16" or (precision in ("tf32", "bf16") and target.has_async_copies):
        return cast(Precision, precision)
    return "float32"


def conv_tiles(
    target: CudaTarget, precision: Precision, work: Work, fits: Callable[[BlockTile], bool]
) -> dict[BlockTile, float]:
    """The tiles that `fits` takes, with how long each takes, in a unit that they share."""
    return {tile: _time(target, tile, work) for tile in _tiles(target, precision) if fits(tile)}


def _tiles(target: CudaTarget, precision: Precision) -> Iterator[BlockTile]:
    exact = precision == "float32"
    shapes = (_SMALL[exact],) if target.small else (_FFMA if exact else _MMA)
    for rows, columns, down, across in shapes:
        stages = _STAGES if target.has_async_copies else 2
        deep = target.has_async_copies
        tile = BlockTile(precision, rows, columns, down, across, stages, target.has_async_copies, deep)
        if tile.shared <= target.shared_bytes:
            yield tile


def _time(target: CudaTarget, tile: BlockTile, work: Work) -> float:
    """How long the blocks of all waves take, in products of a stage: smaller tiles read more for each of them."""
    blocks = -(-work.channels // tile.rows) * -(-work.pixels // tile.columns) * work.groups
    together = target.multiprocessors * max(1, _RESIDENT_THREADS // tile.threads)
    waves = max(1.0, blocks / together) if blocks > 4 * together else -(-blocks // together)
    reads = 16 * (tile.rows + tile.columns)
    sharing = min(max(1, _RESIDENT_THREADS // tile.threads), -(-blocks // target.multiprocessors))
    return waves * sharing * (tile.rows * tile.columns + reads + _FIXED * tile.threads)
