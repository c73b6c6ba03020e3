"""Copies for the gradient by the weights of a convolution: operands whose k runs over the pixels of all images.

`PlaneCopies` are rows that are channels: those of dy, and of x where a window is one element of it. Where windows are
side by side, pixels are neighbours in memory, in chunks of 16 bytes if their number is a multiple of four.
`WindowCopies` are rows that are one tap of one channel of x each, gathered number by number: where a tap reads is the
pixel's place plus the row's distance, which a table in shared memory holds together with the tap's place in the window.

A warp takes 32 pixels of a row (`PlaneCopies` of chunks: of four rows), so a thread finds its pixel once in a stage.
Rows past the edge are read as the last one again; pixels past the last one are zero.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

from netlang.backends.cuda.kernel import WARP
from netlang.backends.cuda.tiles.block_tile import CHUNK_BYTES, CHUNKS, DEPTH, FLOAT, ROW_BYTES, BlockTile, swizzle
from netlang.backends.cuda.tiles.stages import copy
from netlang.backends.cuda.tiles.text import Text

_ENTRY = 16
"""Bytes of an entry of the table: int32 bytes, rows and columns from the pixel's place, and nothing."""
_TOGETHER = 4
"""Copies of a thread that are written out in a loop over many of them."""
_OUTSIDE = 1 << 29
"""Rows of x above its first one, where no tap reaches it: the place of a pixel past the last one."""


@dataclass(frozen=True)
class Window:
    """The taps of a kernel: how many, and the distances between them; `flip`: the weights lie reversed."""

    kernel: tuple[int, int]
    dilation: tuple[int, int]
    flip: bool

    @property
    def taps(self) -> int:
        return self.kernel[0] * self.kernel[1]


class PixelCopies(ABC):
    """What all kinds have in common.

    Variables that they expect, NAME being "a" (of dy) or "b" (of x): `base`; NAME_first, the first row of the tile;
    NAME_last, the last row that there is, from that one on; NAME, the address of the group's first channel in the first
    image; NAME_image, int64 bytes to the next image; `pixels` of an image, `total` of all, and `first_k`.
    """

    def __init__(self, tile: BlockTile, name: str) -> None:
        self.tile, self.name = tile, name
        self.rows = tile.rows if name == "a" else tile.columns
        self.operand = "base" if name == "a" else f"u32(base + u32({tile.rows * ROW_BYTES}))"
        self.warps = tile.threads // WARP

    @property
    def bytes(self) -> int:
        """Of shared memory besides the ring."""
        return 0

    @abstractmethod
    def begin(self, t: Text) -> None:
        """Where this thread copies from and to."""

    @abstractmethod
    def load(self, t: Text, stage: str) -> None:
        """The copies of the next stage to `base + stage`; moves on by one stage."""

    def _pixel(self, t: Text) -> None:
        """The image and place in it of this thread's k, and whether there is such a pixel; k moves on by a stage."""
        n = self.name
        t(
            f"{n}_held = u32({n}_k) < u32(total)",
            f"image = div_u32(u32({n}_k), u32(pixels))",
            f"pixel = u32(u32({n}_k) - u32(image * u32(pixels)))",
            f"{n}_k = i32({n}_k + i32({DEPTH}))",
        )

    def _begin_numbers(self, t: Text) -> None:
        """Where this lane's number of a row lies, for each of the rows that differ in their swizzle."""
        n = self.name
        t(f"{n}_k = i32(first_k + lane())")
        for p in range(self._turns):
            row = f"i32(warp() + i32({p * self.warps}))"
            chunk = f"i32(i32(i32(lane() >> i32(2)) ^ {swizzle(row)}) << i32(4))"
            inside = f"i32({chunk} + i32(i32(lane() & i32(3)) << i32(2)))"
            t(f"{n}_to{p} = u32({self.operand} + u32(i32(i32(warp() * i32({ROW_BYTES})) + {inside})))")

    @property
    def _turns(self) -> int:
        return max(1, CHUNKS // self.warps)

    def _each_row(self, t: Text, stage: str, step: int, body: Callable[[int, str], None]) -> None:
        """Have `body` written for every row of a thread, which are `step` apart; in a loop where that would be too much
        code. It gets a number of rows, to which the variable `passed` (int32) is added, and the place (u32) of that
        row, from that of the thread's first row on."""
        count = self.rows // step
        together = max(_TOGETHER, self._turns) if count > 2 * _TOGETHER else count
        t("passed = i32(0)")
        with t.block(f"while passed < i32({self.rows}):") if count > together else nullcontext():
            t(f"there = u32({stage} + u32(i32(passed * i32({ROW_BYTES}))))")
            for q in range(together):
                body(q * step, f"u32(there + u32({q * step * ROW_BYTES}))")
            if count > together:
                t(f"passed = i32(passed + i32({together * step}))")

    def _to(self, rows: int, place: str) -> str:
        """Where this lane's number of its warp's row goes."""
        return f"u32({self.name}_to{rows // self.warps % self._turns} + {place})"


class PlaneCopies(PixelCopies):
    """Rows that are channels. `wide`: by chunks of four pixels; `strided`: some pixels of each plane, for which the
    variables `height` and `width` of x, `out_width`, `stride_down` and `stride_across` are needed too."""

    def __init__(self, tile: BlockTile, name: str, wide: bool, strided: bool = False) -> None:
        super().__init__(tile, name)
        self.wide, self.strided = wide, strided
        assert not (wide and strided), name
        self.step = tile.threads // CHUNKS if wide else self.warps
        """Rows that are copied at once."""
        assert not wide or self.step % 8 == 0, "a thread's rows have one swizzle"

    def begin(self, t: Text) -> None:
        n = self.name
        elements = "u32(i32(height * width))" if self.strided else "u32(pixels)"
        t(f"{n}_plane = u64({elements}) * u64({FLOAT})", f"{n} = u64({n} + u64(u32({n}_first)) * {n}_plane)")
        if not self.wide:
            self._begin_numbers(t)
            return
        t(
            f"{n}_row = i32(thread() >> i32(3))",
            f"{n}_chunk = i32(i32(thread() & i32(7)) ^ {swizzle(f'{n}_row')})",
            f"{n}_to = i32(i32({n}_chunk << i32(4)) + i32({n}_row * i32({ROW_BYTES})))",
            f"{n}_to = u32({self.operand} + u32({n}_to))",
            f"{n}_k = i32(first_k + i32(i32(thread() & i32(7)) << i32(2)))",
        )

    def load(self, t: Text, stage: str) -> None:
        n = self.name
        self._pixel(t)
        if self.strided:
            t(
                "out_row = div_u32(pixel, u32(out_width))",
                "out_column = i32(pixel - u32(out_row * u32(out_width)))",
                "pixel = u32(i32(i32(i32(out_row) * stride_down) * width) + i32(out_column * stride_across))",
            )
        t(f"{n}_at = u64({n} + u64(i64(image) * {n}_image) + u64(pixel) * u64({FLOAT}))")
        first = f"again_i32({n}_row)" if self.wide else "again_i32(warp())"

        def one(rows: int, place: str) -> None:
            row = f"u32(min_i32(i32(i32({first} + passed) + i32({rows})), {n}_last))"
            source = f"u64({n}_at + u64({row}) * {n}_plane)"
            to = f"u32({n}_to + {place})" if self.wide else self._to(rows, place)
            copy(t, self.tile, CHUNK_BYTES if self.wide else FLOAT, to, source, f"{n}_held")

        self._each_row(t, stage, self.step, one)


class WindowCopies(PixelCopies):
    """Rows that are taps. Further variables: `height` and `width` of x, `out_width`, `stride_down`, `stride_across`,
    `pad_top` and `pad_left`. The table lies behind the ring."""

    def __init__(self, tile: BlockTile, name: str, window: Window) -> None:
        super().__init__(tile, name)
        self.window = window
        self.table = tile.shared

    @property
    def bytes(self) -> int:
        return self.rows * _ENTRY

    def begin(self, t: Text) -> None:
        n, window = self.name, self.window
        t("entry = thread()", f"{n}_plane = i32(i32(height * width) * i32({FLOAT}))")
        with t.block(f"while entry < i32({self.rows}):"):
            t(
                f"row = u32(i32({n}_first + min_i32(entry, {n}_last)))",
                f"channel = i32(div_u32(row, u32({window.taps})))",
                f"tap = i32(row - u32(u32(channel) * u32({window.taps})))",
                *([f"tap = i32(i32({window.taps - 1}) - tap)"] if window.flip else []),
                f"down = i32(div_u32(u32(tap), u32({window.kernel[1]})))",
                f"across = i32(tap - i32(down * i32({window.kernel[1]})))",
                f"down = i32(down * i32({window.dilation[0]}))",
                f"across = i32(across * i32({window.dilation[1]}))",
                f"further = i32(i32(i32(down * width) + across) * i32({FLOAT}))",
                f"further = i32(further + i32(channel * {n}_plane))",
                f"place = i32(i32({self.table}) + i32(entry * i32({_ENTRY})))",
                "store4_shared_i32(base, place, (further, down, across, i32(0)))",
                f"entry = i32(entry + i32({self.tile.threads}))",
            )
        t("sync()", f"{n}_table = u32(base + u32(i32(i32({self.table}) + i32(warp() * i32({_ENTRY})))))")
        self._begin_numbers(t)

    def load(self, t: Text, stage: str) -> None:
        n = self.name
        self._pixel(t)
        t(
            "out_row = div_u32(pixel, u32(out_width))",
            "out_column = i32(pixel - u32(out_row * u32(out_width)))",
            "row = i32(i32(i32(out_row) * stride_down) - pad_top)",
            "column = i32(i32(out_column * stride_across) - pad_left)",
            f"{n}_at = u64({n} + u64(i64(image) * {n}_image + (i64(row) * i64(width) + i64(column)) * i64({FLOAT})))",
        )
        with t.block(f"if not {n}_held:"):
            t(f"row = i32({-_OUTSIDE})")

        def one(rows: int, place: str) -> None:
            entry = f"i32(i32(passed * i32({_ENTRY})) + i32({rows * _ENTRY}))"
            t(
                f"further, down, across, nothing = load4_shared_i32({n}_table, {entry})",
                "inside = u32(i32(row + down)) < u32(height) and u32(i32(column + across)) < u32(width)",
            )
            copy(t, self.tile, FLOAT, self._to(rows, place), f"u64({n}_at + u64(i64(further)))", "inside")

        self._each_row(t, stage, self.warps, one)
