"""How a block of a convolution brings a stage of pixels into shared memory, one line for each channel of it.

For kernels of one element without a stride: then the map has the pixels of x, and where planes are whole chunks, four
neighbours are copied at once, as they lie.
"""

from __future__ import annotations

from netlang.backends.cuda.tiles.block_tile import DEPTH, FLOAT
from netlang.backends.cuda.tiles.conv_structure import ConvStructure
from netlang.backends.cuda.tiles.line_copies import CHUNK, LineCopies
from netlang.backends.cuda.tiles.text import Text


class ChannelLines(LineCopies):
    """Text for the copies of one kernel."""

    def __init__(self, s: ConvStructure) -> None:
        super().__init__(s.tile)
        self.s = s

    def begin(self, t: Text) -> None:
        """Where this thread reads and writes. Needs `base`."""
        self.place(t)
        t(
            f"m = min_i32(i32(i32(block_x() * i32({self.tile.columns})) + b_column), i32(total - i32({CHUNK})))",
            "n = i32(div_u32(u32(m), u32(i32(map_height * map_width))))",
            "pixel = i32(m - i32(n * i32(map_height * map_width)))",
            f"k = i32(first_stage * i32({DEPTH}))" if self.s.role == "parts" else "k = i32(0)",
            "b_from = u64(x + u64(i64(i64(i64(n) * x_image) + i64(i64(group) * group_x))))",
            f"b_from = u64(b_from + u64(i64(i64(i64(pixel) * i64({FLOAT})) + i64(i64(i32(k + b_line)) * plane))))",
            "left = i32(words - k)",
        )

    def load(self, t: Text, stage: str) -> None:
        """See `LineCopies`."""
        super().load(t, stage)
        t(f"left = i32(left - i32({DEPTH}))")

    @property
    def _further(self) -> str:
        return f"u64(i64(i64(again_i32(i32(plane))) * i64({self.at_once})))"
