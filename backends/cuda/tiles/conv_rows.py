"""How a block of a convolution brings a stage of pixels into shared memory, one tile row for each.

A thread has one pixel and some chunks of k. Where the channels of a pixel lie side by side, whole chunks are copied,
else number by number: neighbouring threads have neighbouring pixels of a plane.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from netlang.backends.cuda.tiles.block_tile import CHUNK_BYTES, CHUNKS, DEPTH, FLOAT, ROW_BYTES
from netlang.backends.cuda.tiles.conv_pixels import find_pixel
from netlang.backends.cuda.tiles.conv_structure import ConvStructure
from netlang.backends.cuda.tiles.stages import copy
from netlang.backends.cuda.tiles.text import Text

CHUNK = CHUNK_BYTES // FLOAT


class PixelRows(ABC):
    """Text for the copies of one kernel."""

    def __init__(self, s: ConvStructure) -> None:
        self.s, tile = s, s.tile
        assert tile.threads % tile.columns == 0 and CHUNKS * tile.columns % tile.threads == 0, tile
        self.chunks = CHUNKS * tile.columns // tile.threads
        """Chunks of a row that a thread copies."""

    def begin(self, t: Text) -> None:
        """Where this thread reads and writes. Needs `base`."""
        tile = self.s.tile
        t(
            f"column = i32(thread() & i32({tile.columns - 1}))",
            f"chunk = i32(i32(thread() >> i32({tile.columns.bit_length() - 1})) * i32({self.chunks}))",
        )
        find_pixel(t, self.s, "column")
        t(
            f"to_pixel = u32(i32(column * i32({ROW_BYTES})) + i32(i32({tile.swizzle('column')} ^ chunk) << i32(4)))",
            f"to_pixel = u32(base + u32(to_pixel + u32({tile.rows * ROW_BYTES})))",
            "pixel = u64(x + u64(i64(i64(i64(n) * x_image) + i64(i64(group) * group_x))))",
        )
        self._find(t)

    @abstractmethod
    def _find(self, t: Text) -> None:
        """Move `pixel` from the first of its image and group on to this thread's."""

    @abstractmethod
    def load(self, t: Text, stage: str) -> None:
        """Text for the copies of the next stage, to the bytes `stage` after the first one."""

    @abstractmethod
    def _inside(self, t: Text, number: int) -> str:
        """The condition under which number `number` of this thread's numbers of a stage is there; sets `at` to where,
        if that is not where it is anyway. Asked once for a chunk that is copied as a whole."""

    def _copy(self, t: Text, i: int) -> None:
        """Chunk i of this thread, from `at` on, which is moved behind it: the addresses of a row's chunks differ in
        bits alone."""
        s, values = self.s, [f"e{e}" for e in range(CHUNK)]
        t(f"to_chunk = u32(to ^ u32({i * CHUNK_BYTES}))")
        if s.last:
            copy(t, s.tile, CHUNK_BYTES, "to_chunk", "at", self._inside(t, CHUNK * i))
            t(f"at = u64(at + u64({CHUNK_BYTES}))")
            return
        if not s.tile.asynchronous:
            t("; ".join(f"{value} = f32(0)" for value in values))
        for e, value in enumerate(values):
            inside = self._inside(t, CHUNK * i + e)
            if s.tile.asynchronous:
                copy(t, s.tile, FLOAT, f"u32(to_chunk + u32({e * FLOAT}))", "at", inside)
            else:
                with t.block(f"if {inside}:"):
                    t(f"{value} = load_fixed_f32(at, i32(0))")
            t("at = u64(at + u64(plane))")
        if not s.tile.asynchronous:
            t(f"store4_shared_f32(to_chunk, i32(0), ({', '.join(values)}))")


class Channels(PixelRows):
    """For kernels of one element inside of the image: k are the channels, one after the other."""

    def _find(self, t: Text) -> None:
        s = self.s
        t(
            "element = i64(i64(i64(i32(h * stride_down)) * i64(width)) + i64(i32(v * stride_across)))",
            "pixel = u64(pixel + u64(i64(element * i64(pixel_bytes))))",
            f"k = i32(chunk * i32({CHUNK}))",
            *([f"k = i32(k + i32(first_stage * i32({DEPTH})))"] * (s.role == "parts")),
            f"pixel = u64(pixel + u64(i64(i64(k) * {f'i64({FLOAT})' if s.last else 'plane'})))",
            "there = i32(words - k) if held else i32(0)",
        )

    def load(self, t: Text, stage: str) -> None:
        t(f"to = u32(to_pixel + {stage})", "at = pixel")
        for i in range(self.chunks):
            self._copy(t, i)
        t(
            f"pixel = u64(pixel + u64({ROW_BYTES if self.s.last else f'i64(plane * i64({DEPTH}))'}))",
            f"there = i32(there - i32({DEPTH}))",
        )

    def _inside(self, t: Text, number: int) -> str:
        return "held" if self.s.run == DEPTH else f"there > i32({number})"
