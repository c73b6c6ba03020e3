"""Which register tile for which machine and which map: everything follows from the number and width of registers."""

from __future__ import annotations

from netlang.backends.cpu.target import ARM, Target

MOST_ROWS = 4
"""Rows of pixels in a tile: each has an address of its own, and general registers are few."""
_LATENCY_SUMS = 8
"""Sums that must be under way at once to hide the latency of an FMA."""


def most_pixels(target: Target, vectors: int) -> int:
    """Pixels of a tile with this many vectors: its sums, one register per weight vector, and those of broadcasts."""
    return max(1, min((target.registers - vectors - _broadcasts(target, vectors)) // vectors, 14))


def _broadcasts(target: Target, vectors: int) -> int:
    """Registers that broadcasts and what comes of them need, as LLVM orders them: with AVX-512 one; with AVX2 the next
    is loaded while one is used; with SSE their products need registers too, there being no FMA; on Arm they are loaded
    in pairs, and the next pairs early. Where each is used but once, more of them are under way."""
    if target.masks_are_free:
        return 1
    if target.arch in ARM:
        return 6
    alone = vectors == 1
    return (7 if alone else 2) if target.vector_bytes >= 32 else (8 if alone else 5)


def channel_vectors(target: Target, vectors: int) -> int:
    """Vectors of a tile where each group of output channels has `vectors` of them in all."""
    if vectors == 1:
        return 1
    wide = 3 if target.registers >= 32 else 2
    return 3 if vectors % 2 and vectors % 3 == 0 and wide == 3 else 2


def pixel_block(target: Target, vectors: int, height: int, width: int) -> tuple[int, int]:
    """(rows, columns) of the tile that wastes least on a map of this size: tiles at the edges overlap.

    Of equal ones the one with fewest rows, which needs the fewest addresses.
    """
    best, best_score = (1, 1), 0.0
    for block, score in pixel_blocks(target, vectors, height, width).items():
        if score > best_score * 1.001:
            best, best_score = block, score
    return best


def pixel_blocks(target: Target, vectors: int, height: int, width: int) -> dict[tuple[int, int], float]:
    """By (rows, columns), the widest first, how much of the machine a tile makes use of on a map of this size."""
    most = most_pixels(target, vectors)
    return {
        (rows, columns): _score(vectors, rows, columns, height, width)
        for columns in range(min(width, most), 0, -1)
        for rows in range(1, min(height, MOST_ROWS, most // columns) + 1)
    }


def _score(vectors: int, rows: int, columns: int, height: int, width: int) -> float:
    """Useful part of the FMAs, less what loads and latency cost where a tile is small."""
    done = -(-height // rows) * rows * -(-width // columns) * columns
    sums = vectors * rows * columns
    loads = (vectors + rows * columns) / sums
    return height * width / done * min(1.0, sums / _LATENCY_SUMS) / (1 + 0.1 * loads)
