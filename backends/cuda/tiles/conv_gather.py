"""How a block of a convolution brings a stage of both matrices into shared memory.

Pixels are gathered: each element of a tile row is at an address of its own, or zero beyond the edges of the image. A
thread has one pixel and some chunks of k. What k means is read from a table with an entry of four int32 for every `run`
of k, which are neighbouring channels of one tap:

    bytes from the pixel under tap (0, 0) of channel 0;   rows and columns of x from there;   0

Where the channels of a pixel lie side by side, whole chunks are copied.

Weights lie packed in memory, a row for each output channel with k in the order of the table, and are copied as they
are.
"""

from __future__ import annotations

from netlang.backends.cuda.tiles.block_tile import CHUNK_BYTES, CHUNKS, DEPTH, FLOAT, ROW_BYTES
from netlang.backends.cuda.tiles.conv_pixels import find_pixel
from netlang.backends.cuda.tiles.conv_structure import ConvStructure
from netlang.backends.cuda.tiles.stages import copy
from netlang.backends.cuda.tiles.text import Text

ENTRY_BYTES = 16
NO_PIXEL, NO_TAP = -(1 << 30), 1 << 29
"""Rows of x at which a pixel is that does not exist, and rows from there to a tap that does not: both are outside."""
_CHUNK = CHUNK_BYTES // FLOAT


class Gather:
    """Text for the copies of one kernel."""

    def __init__(self, s: ConvStructure) -> None:
        self.s, tile = s, s.tile
        assert tile.threads % tile.columns == 0 and CHUNKS * tile.columns % tile.threads == 0, tile
        self.chunks = CHUNKS * tile.columns // tile.threads
        """Chunks of a row that a thread gathers."""
        self.rows_at_once = tile.threads // CHUNKS
        """Rows of weights that all threads copy at once."""

    def begin(self, t: Text) -> None:
        """Where this thread reads and writes. Needs `base`."""
        s, tile = self.s, self.s.tile
        t(
            f"column = i32(thread() & i32({tile.columns - 1}))",
            f"chunk = i32(i32(thread() >> i32({tile.columns.bit_length() - 1})) * i32({self.chunks}))",
        )
        find_pixel(t, s, "column")
        t("from_y = i32(i32(h * stride_down) - pad_top)", "from_x = i32(i32(v * stride_across) - pad_left)")
        with t.block("if not held:"):
            t(f"from_y = i32({NO_PIXEL})")
        t(
            "pixel = u64(x + u64(i64(i64(i64(n) * x_image) + i64(i64(group) * group_x))))",
            "pixel = u64(pixel + u64(i64(i64(i64(i64(from_y) * i64(width)) + i64(from_x)) * i64(pixel_bytes))))",
            f"to_pixel = u32(i32(column * i32({ROW_BYTES})) + i32(i32({tile.swizzle('column')} ^ chunk) << i32(4)))",
            f"to_pixel = u32(base + u32(to_pixel + u32({tile.rows * ROW_BYTES})))",
        )
        if s.run == DEPTH:
            further = f"i64(chunk) * i64({CHUNK_BYTES})" if s.last else f"i64(i32(chunk * i32({_CHUNK}))) * plane"
            t(f"pixel = u64(pixel + u64(i64({further})))", "entry = u64(table)")
            self._begin_part(t)
            self._next_entry(t)
        else:
            t(f"entry = u64(table + u64(i32(chunk * i32({_CHUNK // s.run * ENTRY_BYTES}))))")
            self._begin_part(t)
        self._begin_weights(t)

    def _begin_part(self, t: Text) -> None:
        """The first entry of this block's part of k."""
        if self.s.role == "parts":
            t(f"entry = u64(entry + u64(u64(u32(first_stage)) * u64({DEPTH // self.s.run * ENTRY_BYTES})))")

    def _begin_weights(self, t: Text) -> None:
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

    # ---- every step

    def load(self, t: Text, stage: str) -> None:
        """Text for the copies of the next stage, to the bytes `stage` after the first one."""
        if self.s.run == DEPTH:
            t("at = u64(pixel + u64(i64(offset)))")
        t(f"to = u32(to_pixel + {stage})")
        for i in range(self.chunks):
            self._chunk(t, i)
        if self.s.run == DEPTH:
            self._next_entry(t)
        else:
            t(f"entry = u64(entry + u64({DEPTH // self.s.run * ENTRY_BYTES}))")
        self._weights(t, stage)

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
        """Four elements: the addresses of a row's chunks differ in bits alone."""
        s, values = self.s, [f"e{e}" for e in range(_CHUNK)]
        t(f"to_chunk = u32(to ^ u32({i * CHUNK_BYTES}))")
        if s.run == _CHUNK:
            self._entry(t, i)
            t("at = u64(pixel + u64(i64(offset)))")
        if s.last:
            copy(t, s.tile, CHUNK_BYTES, "to_chunk", "at", "inside")
            t(f"at = u64(at + u64({CHUNK_BYTES}))")
            return
        if s.run == 1:
            # All entries of a chunk are read now, and no earlier, which would take more registers than there are.
            for e in range(_CHUNK):
                t(f"o{e}, y{e}, z{e}, unused = load4_i32(entry, i32({(i * _CHUNK + e) * ENTRY_BYTES}))")
        if not s.tile.asynchronous:
            t("; ".join(f"{value} = f32(0)" for value in values))
        for e, value in enumerate(values):
            if s.run == 1:
                t(f"offset = o{e}; dy = y{e}; dx = z{e}", "at = u64(pixel + u64(i64(offset)))")
                self._look_up(t)
            self._element(t, e, value)
        if not s.tile.asynchronous:
            t(f"store4_shared_f32(to_chunk, i32(0), ({', '.join(values)}))")

    def _element(self, t: Text, e: int, value: str) -> None:
        s = self.s
        if s.tile.asynchronous:
            copy(t, s.tile, FLOAT, f"u32(to_chunk + u32({e * FLOAT}))", "at", "inside")
        else:
            with t.block("if inside:"):
                t(f"{value} = load_fixed_f32(at, i32(0))")
        if s.run > 1:
            t("at = u64(at + u64(plane))")

    def _weights(self, t: Text, stage: str) -> None:
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
