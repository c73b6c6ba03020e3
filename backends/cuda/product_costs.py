"""About how long products take on a GPU: cycles of its units, bytes of its memory, blocks that fill it or do not."""

from __future__ import annotations

from math import ceil

from netlang.backends.cuda.product_tiles import CLOCK, resident
from netlang.backends.cuda.target import CudaTarget
from netlang.backends.cuda.tiles.block_tile import DEPTH, FLOAT, BlockTile
from netlang.backends.cuda.tiles.thin import Thin

Sizes = tuple[int, int, int, int]
"""Batch, rows, columns, inner."""

LAUNCH = 2e-6
"""Seconds that one more launch takes."""
_START = 2000
"""Cycles until the first stage of a tile is there, and to store its sums."""
_STAGE = 400
"""Cycles of a stage at least: until its copies are there."""
_BLOCK_BANDWIDTH = 4.0
"""So many times its share of the memory's bandwidth can a multiprocessor use."""


def tiled_seconds(target: CudaTarget, sizes: Sizes, tile: BlockTile, splits: int = 1) -> float:
    """Of a product by tiles, its sums in so many parts."""
    batch, rows, columns, inner = sizes
    tiles = -(-rows // tile.rows) * -(-columns // tile.columns) * batch
    together = resident(target, tile)
    busy = min(together, ceil(tiles * splits / target.multiprocessors))
    stage = max(_STAGE, busy * stage_cycles(target, tile))
    waves = ceil(tiles * splits / (target.multiprocessors * together))
    steps = -(-inner // (DEPTH * splits))
    seconds = waves * (steps * stage + _START) / CLOCK
    moved = batch * (rows * inner + inner * columns + rows * columns) * FLOAT
    parts = splits * batch * rows * columns * FLOAT if splits > 1 else 0
    launches = LAUNCH * (2 if splits > 1 else 1)
    return max(seconds, moved / target.memory_bandwidth) + 2 * parts / target.memory_bandwidth + launches


def stage_cycles(target: CudaTarget, tile: BlockTile) -> float:
    """Cycles that a multiprocessor multiplies for one stage of a tile."""
    each = tile.rows * tile.columns / tile.threads
    if tile.groups:
        rate = 1024.0  # words: twice as many halves
    elif tile.precision == "float32":
        # A thread with fewer sums reads more of shared memory for each product.
        rate = (128.0 if target.capability >= 86 else 64.0) * min(1.0, each / (4.0 * ceil(each**0.5)) + 0.5)
    else:
        rate = {"tf32": 512.0, "bf16": 1024.0, "f16": 1024.0}[tile.precision] * (0.5 if target.capability < 80 else 1)
        rate *= min(1.0, (each / 64) ** 0.5)
    return float(tile.rows * tile.columns * DEPTH / rate)


def packing_seconds(target: CudaTarget, numbers: int) -> float:
    """Of rounding so many numbers for wgmma."""
    return 2 * numbers * FLOAT / target.memory_bandwidth + LAUNCH


def thin_seconds(target: CudaTarget, sizes: Sizes, thin: Thin) -> float:
    """Of a product by thin sums: all of B is read for every group of rows."""
    batch, rows, columns, inner = sizes
    groups = -(-rows // thin.rows)
    blocks = groups * -(-columns // thin.block_columns) * batch
    share = min(1.0, _BLOCK_BANDWIDTH * blocks / target.multiprocessors)
    reading = batch * columns * inner * FLOAT * groups / (target.memory_bandwidth * share)
    adding = batch * groups * thin.rows * columns * inner / (32 * CLOCK * target.multiprocessors * share)
    return max(reading, adding) + LAUNCH
