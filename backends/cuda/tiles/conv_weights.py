"""Copies of a convolution's weights to shared memory.

They lie packed in memory, a row for each output channel with k in the order of the kernel (`conv_pack`), and are copied
as they are.
"""

from __future__ import annotations

from netlang.backends.cuda.tiles.block_tile import CHUNK_BYTES, CHUNKS, ROW_BYTES
from netlang.backends.cuda.tiles.conv_structure import ConvStructure
from netlang.backends.cuda.tiles.stages import copy
from netlang.backends.cuda.tiles.text import Text


class WeightCopies:
    """Text for the copies of one kernel."""

    def __init__(self, s: ConvStructure) -> None:
        self.s = s
        self.rows_at_once = s.tile.threads // CHUNKS
        """Rows that all threads copy at once."""

    def begin(self, t: Text) -> None:
        """Where this thread reads and writes. Needs `base`."""
        tile = self.s.tile
        t(
            f"k_chunk = i32(thread() & i32({CHUNKS - 1}))",
            f"weight_row = i32(thread() >> i32({CHUNKS.bit_length() - 1}))",
            f"from_row = i32(i32(block_y() * i32({tile.rows})) + weight_row)",
            f"row_bytes = u64(u64(u32(depth)) * u64({ROW_BYTES}))",
            "weight = u64(u64(u64(u32(group)) * u64(u32(pitch))) + u64(u32(from_row)))",
            f"weight = u64(weights + u64(weight * row_bytes) + u64(u32(i32(k_chunk * i32({CHUNK_BYTES})))))",
            *([f"weight = u64(weight + u64(u64(u32(first_stage)) * u64({ROW_BYTES})))"] * (self.s.role == "parts")),
            f"rows_bytes = u64(row_bytes * u64({self.rows_at_once}))",
        )
        for i in range(self._swizzles):
            row = f"i32(weight_row + i32({i * self.rows_at_once}))"
            t(f"chunk = i32(k_chunk ^ {tile.swizzle(row)})")
            t(f"to_weight{i} = u32(base + u32(i32(i32({row} * i32({ROW_BYTES})) + i32(chunk << i32(4)))))")

    @property
    def _swizzles(self) -> int:
        """After how many copies a thread's rows have the swizzle of the first one again."""
        return max(1, 8 // self.rows_at_once)

    def load(self, t: Text, stage: str) -> None:
        """The copies of the next stage, to the bytes `stage` after the first one."""
        tile, at_once = self.s.tile, self.rows_at_once
        t("from_weight = u64(weight)")
        for i in range(max(1, tile.rows // at_once)):
            to = f"to_weight{i % self._swizzles}"
            further = i // self._swizzles * self._swizzles * at_once * ROW_BYTES
            place = f"u32({to} + {stage} + u32({further}))"
            if tile.rows < at_once:
                with t.block(f"if weight_row < i32({tile.rows}):"):
                    copy(t, tile, CHUNK_BYTES, place, "from_weight")
            else:
                copy(t, tile, CHUNK_BYTES, place, "from_weight")
            t("from_weight = u64(from_weight + rows_bytes)")
        t(f"weight = u64(weight + u64({ROW_BYTES}))")
