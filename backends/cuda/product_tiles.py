"""Which tiles there are for products on a GPU, and how many of them it holds at a time."""

from __future__ import annotations

from netlang.backends.cuda.target import CudaTarget
from netlang.backends.cuda.tiles.block_tile import BlockTile, Precision

CLOCK = 1.5e9
"""Cycles a second, about."""
_SINCE_80: dict[str, Precision] = {"tf32": "tf32", "bf16": "bf16"}
_THREADS = 1536
"""Of a multiprocessor at a time, on most GPUs."""
_REGISTERS = 65536
_SHARED_OF_75 = 64 * 1024
"""Bytes of shared memory that a block can have on Turing, and all blocks of a multiprocessor."""


def tiles(target: CudaTarget, precision: str) -> list[BlockTile]:
    """The tiles for products whose factors are rounded to this precision, as far as the GPU can."""
    found = effective(target, precision)
    shared = min(target.shared_bytes, _SHARED_OF_75) if target.capability < 80 else target.shared_bytes
    fits = [tile for tile in _all(target, found) if tile.shared <= shared]
    return fits[:1] if target.small else fits


def effective(target: CudaTarget, precision: str) -> Precision:
    """The precision in which products are computed: float32 where the GPU has no tensor cores for another one."""
    if precision == "f16":
        return "f16"
    if not target.has_async_copies:
        return "float32"
    return _SINCE_80.get(precision, "float32")


def _all(target: CudaTarget, precision: Precision) -> list[BlockTile]:
    copies = target.has_async_copies
    if precision == "float32":
        sizes = [(32, 32, 8, 8, 2)] if target.small else _FFMA
        return [BlockTile(precision, *size, asynchronous=copies) for size in sizes]
    sizes = [(32, 32, 2, 1, 2)] if target.small else _MMA
    return [BlockTile(precision, *size, asynchronous=copies, deep=copies) for size in sizes]


_FFMA = [(128, 128, 16, 16, 2), (64, 128, 8, 16, 2), (64, 64, 8, 8, 3), (32, 64, 8, 8, 3), (16, 64, 8, 8, 4)]
_MMA = [
    (128, 128, 2, 4, 3),
    (128, 128, 2, 4, 2),
    (64, 128, 2, 4, 3),
    (64, 64, 2, 2, 3),
    (32, 64, 1, 4, 4),
    (16, 64, 1, 2, 4),
]
"""Rows, columns, threads or warps down and across, stages."""


def group_tiles(target: CudaTarget, precision: str) -> list[BlockTile]:
    """The tiles for wgmma, where the GPU has it and products may be rounded."""
    found = effective(target, precision)
    if not target.has_warp_groups or found == "float32":
        return []
    sizes = [(128, 128, 2, 1, 3), (64, 128, 1, 1, 4)]
    fits = [tile for size in sizes if (tile := BlockTile(found, *size, groups=True)).shared <= target.shared_bytes]
    return fits[-1:] if target.small else fits


def resident(target: CudaTarget, tile: BlockTile) -> int:
    """Blocks of a tile on a multiprocessor at a time."""
    shared = (228 if target.capability in (90, 100, 103) else 164 if target.capability == 80 else 100) * 1024
    shared = _SHARED_OF_75 if target.capability < 80 else shared
    by_registers = _REGISTERS // (128 * tile.threads)
    return max(1, min(shared // (tile.shared + 1024), _THREADS // tile.threads, by_registers, 16))
