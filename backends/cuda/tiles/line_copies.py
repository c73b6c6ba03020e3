"""Copies to an n-major tile: a line for each k, in chunks of four columns as they lie in device memory.

Lines lie on multiples of 16 bytes and have a multiple of four columns.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from netlang.backends.cuda.tiles.block_tile import CHUNK_BYTES, DEPTH, FLOAT, ROW_BYTES, BlockTile
from netlang.backends.cuda.tiles.stages import copy
from netlang.backends.cuda.tiles.text import Text, times, written

CHUNK = CHUNK_BYTES // FLOAT


class LineCopies(ABC):
    """Text for the copies of one kernel: a thread has four columns and some lines of each stage.

    After `place` there are `b_column`, the first of this thread's columns of the tile, and `b_line`, its first line of
    a stage. The kernel then sets `b_from`, the address of that column in that line of the first stage, and keeps
    `left`, how many lines there are from the next stage on. Columns past the edge are read as others are, lines are
    zeros.
    """

    def __init__(self, tile: BlockTile) -> None:
        self.tile = tile
        self.chunks = tile.columns // CHUNK
        """Of a line."""
        self.at_once = tile.threads // self.chunks
        """Lines that all threads copy at once."""
        assert tile.n_major and tile.threads % self.chunks == 0 and DEPTH % self.at_once == 0, tile

    def place(self, t: Text) -> None:
        """Where this thread writes. Needs `base`."""
        tile = self.tile
        t(
            f"b_column = i32(i32(thread() & i32({self.chunks - 1})) * i32({CHUNK}))",
            f"b_line = i32(thread() >> i32({self.chunks.bit_length() - 1}))",
            f"b_to = i32(i32(i32(b_column >> i32(2)) ^ {written(tile.line_swizzle('b_line'))}) << i32(4))",
            f"b_to = i32(b_to + i32(b_line * i32({tile.line_bytes})))",
            f"b_to = u32(base + u32(i32(b_to + i32({tile.rows * ROW_BYTES}))))",
        )

    @property
    def _line(self) -> str:
        return f"i32(again_i32(thread()) >> i32({self.chunks.bit_length() - 1}))"

    def load(self, t: Text, stage: str) -> None:
        """Text for the copies of the next stage, to the bytes `stage` after the first one."""
        tile = self.tile
        # What is not kept takes no registers, of which FFMA leaves few.
        t(f"to = u32(b_to + {stage})", f"b_there = i32(left - {self._line})", f"further = {self._further}")
        for k in range(0, DEPTH, self.at_once):
            # No bits of k and of the thread's line meet.
            chunk = f"u32(to ^ u32({times(tile.line_swizzle(k), CHUNK_BYTES)}))"
            copy(t, tile, CHUNK_BYTES, f"u32({chunk} + u32({k * tile.line_bytes}))", "b_from", f"b_there > i32({k})")
            t("b_from = u64(b_from + further)")

    @property
    @abstractmethod
    def _further(self) -> str:
        """u64 bytes from a line of this thread to its next one."""


class MatrixLines(LineCopies):
    """The copies of a matrix B [K, N]: see `MatrixCopies` for the variables that are expected."""

    def begin(self, t: Text) -> None:
        """Where this thread copies from and to."""
        self.place(t)
        t(
            f"b_column = i32(b_first + min_i32(b_column, i32(b_last - i32({CHUNK - 1}))))",
            f"b_from = b + u64(i64(b_column) + i64(first_k + b_line) * i64(b_pitch)) * u64({FLOAT})",
        )

    @property
    def _further(self) -> str:
        return f"u64(u64(again_i32(b_pitch)) * u64({self.at_once * FLOAT}))"
