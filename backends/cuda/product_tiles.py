"""Which tiles there are for products on a GPU, and how many of them it holds at a time."""

from __future__ import annotations

from netlang.backends.cuda.target import CudaTarget
from netlang.backends.cuda.tiles.block_tile import BlockTile, Precision
from netlang.backends.cuda.tiles.gemm import blocks_of, warps

CLOCK = 1.5e9
"""Cycles a second, about."""
_SINCE_80: dict[str, Precision] = {"tf32": "tf32", "bf16": "bf16"}
_THREADS = 1536
"""Of a multiprocessor at a time, on most GPUs."""
_SHARED_OF_75 = 64 * 1024
"""Bytes of shared memory that a block can have on Turing, and all blocks of a multiprocessor."""


def tiles(target: CudaTarget, precision: str) -> list[BlockTile]:
    """The tiles for products whose factors are rounded to this precision, as far as the GPU can."""
    found = effective(target, precision)
    if target.small:
        return [_tile(target, found, (32, 32, 8, 8, 2) if found == "float32" else (32, 32, 2, 1, 2))]
    made = [_tile(target, found, size) for size in (_FFMA if found == "float32" else _MMA)]
    return [tile for tile in made if tile.shared <= most_shared(target)]


def gradient_tiles(target: CudaTarget, precision: str) -> list[BlockTile]:
    """The tiles for gradients by weights: rows are output channels, columns the weights of each."""
    found = effective(target, precision)
    if target.small:
        shapes = [(16, 32, 8, 8) if found == "float32" else (16, 32, 1, 1)]
    else:
        shapes = _FFMA_GRADIENTS if found == "float32" else _MMA_GRADIENTS
    made = [_tile(target, found, (*shape, 3 if target.has_async_copies else 2)) for shape in shapes]
    return [tile for tile in made if tile.shared <= most_shared(target)]


def most_shared(target: CudaTarget) -> int:
    """Bytes of shared memory that a block can have."""
    return min(target.shared_bytes, _SHARED_OF_75) if target.capability < 80 else target.shared_bytes


def effective(target: CudaTarget, precision: str) -> Precision:
    """The precision in which products are computed: float32 where the GPU has no tensor cores for another one."""
    if precision == "f16":
        return "f16"
    if not target.has_async_copies:
        return "float32"
    return _SINCE_80.get(precision, "float32")


def _tile(target: CudaTarget, precision: Precision, size: tuple[int, int, int, int, int]) -> BlockTile:
    copies = target.has_async_copies
    return BlockTile(precision, *size, asynchronous=copies, deep=copies or precision == "float32")


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
_FFMA_GRADIENTS = [
    (128, 128, 16, 16),
    (64, 128, 8, 16),
    (64, 64, 8, 8),
    (32, 128, 8, 16),
    (32, 64, 8, 8),
    (64, 256, 8, 32),
]
_MMA_GRADIENTS = [(128, 128, 2, 4), (64, 128, 1, 4), (64, 64, 2, 2), (32, 128, 1, 4), (32, 64, 1, 2), (64, 256, 2, 4)]
"""The same but for the stages."""


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
    return max(1, min(shared // (tile.shared + 1024), _THREADS // tile.threads, blocks_of(tile, warps(tile)), 16))
