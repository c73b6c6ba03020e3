"""How a block of a convolution brings a stage of pixels into shared memory, whatever its kernel.

Each element of a tile row is at an address of its own, or zero beyond the edges of the image. What k means is read from
a table with an entry of four int32 for every `run` of k, which are neighbouring channels of one tap:

    bytes from the pixel under tap (0, 0) of channel 0;   rows and columns of x from there;   0
"""

from __future__ import annotations

from netlang.backends.cuda.tiles.block_tile import CHUNK_BYTES, DEPTH
from netlang.backends.cuda.tiles.conv_rows import CHUNK, PixelRows
from netlang.backends.cuda.tiles.text import Text

ENTRY_BYTES = 16
NO_PIXEL, NO_TAP = -(1 << 30), 1 << 29
"""Rows of x at which a pixel is that does not exist, and rows from there to a tap that does not: both are outside."""


class Gather(PixelRows):
    """Text for the copies of one kernel."""

    def _find(self, t: Text) -> None:
        s = self.s
        t("from_y = i32(i32(h * stride_down) - pad_top)", "from_x = i32(i32(v * stride_across) - pad_left)")
        with t.block("if not held:"):
            t(f"from_y = i32({NO_PIXEL})")
        t("pixel = u64(pixel + u64(i64(i64(i64(i64(from_y) * i64(width)) + i64(from_x)) * i64(pixel_bytes))))")
        if s.run == DEPTH:
            further = f"i64(chunk) * i64({CHUNK_BYTES})" if s.last else f"i64(i32(chunk * i32({CHUNK}))) * plane"
            t(f"pixel = u64(pixel + u64(i64({further})))", "entry = u64(table)")
            self._begin_part(t)
            self._next_entry(t)
        else:
            t(f"entry = u64(table + u64(i32(chunk * i32({CHUNK // s.run * ENTRY_BYTES}))))")
            self._begin_part(t)

    def _begin_part(self, t: Text) -> None:
        """The first entry of this block's part of k."""
        if self.s.role == "parts":
            t(f"entry = u64(entry + u64(u64(u32(first_stage)) * u64({DEPTH // self.s.run * ENTRY_BYTES})))")

    # ---- every step

    def load(self, t: Text, stage: str) -> None:
        if self.s.run == DEPTH:
            t("at = u64(pixel + u64(i64(offset)))")
        t(f"to = u32(to_pixel + {stage})")
        for i in range(self.chunks):
            self._chunk(t, i)
        if self.s.run == DEPTH:
            self._next_entry(t)
        else:
            t(f"entry = u64(entry + u64({DEPTH // self.s.run * ENTRY_BYTES}))")

    def _next_entry(self, t: Text) -> None:
        """The entry of the stage after this one: it is read long before it is needed."""
        self._entry(t, 0)
        t(f"entry = u64(entry + u64({ENTRY_BYTES}))")

    def _entry(self, t: Text, number: int) -> None:
        t(f"offset, dy, dx, unused = load4_fixed_i32(entry, i32({number * ENTRY_BYTES}))")
        self._look_up(t)

    @staticmethod
    def _look_up(t: Text) -> None:
        """Whether a tap is inside of the image."""
        t(
            "inside = u32(i32(from_y + dy)) < u32(height) and u32(i32(from_x + dx)) < u32(width)",
        )

    def _chunk(self, t: Text, i: int) -> None:
        s = self.s
        if s.run == CHUNK:
            self._entry(t, i)
            t("at = u64(pixel + u64(i64(offset)))")
        elif s.run == 1:
            # All entries of a chunk are read now, and no earlier, which would take more registers than there are.
            for e in range(CHUNK):
                t(f"o{e}, y{e}, z{e}, unused = load4_i32(entry, i32({(i * CHUNK + e) * ENTRY_BYTES}))")
        self._copy(t, i)

    def _inside(self, t: Text, number: int) -> str:
        if self.s.run == 1:
            e = number % CHUNK
            t(f"offset = o{e}; dy = y{e}; dx = z{e}", "at = u64(pixel + u64(i64(offset)))")
            self._look_up(t)
        return "inside"
