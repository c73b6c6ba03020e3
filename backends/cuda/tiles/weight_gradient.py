"""The kernel of the gradient by the weights of a convolution: a product of matrices whose k runs over all pixels.

    dw[o, (c, t)] = sum over the pixels p of all images of dy[o, p] x[c, where tap t of p reads]

for the channels of each group. There are few results and many pixels, so a block has a tile of the results and a part
of the pixels; its sums go to memory of their own, and `split_sum` adds the parts up in order. Parts are cut by the
sizes alone, so that results do not depend on the GPU.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from netlang.backends.cuda.kernel import Kernel
from netlang.backends.cuda.tiles import sums_tile
from netlang.backends.cuda.tiles.block_tile import DEPTH, FLOAT, BlockTile
from netlang.backends.cuda.tiles.gemm import main_loop, resident_bound
from netlang.backends.cuda.tiles.pixel_copies import PixelCopies, PlaneCopies, Window, WindowCopies
from netlang.backends.cuda.tiles.stages import ring
from netlang.backends.cuda.tiles.text import Text

ARGUMENTS = {
    "b": "p",  # x
    "a": "p",  # dy
    "parts": "p",  # [parts][weights]
    "b_image": "l",  # bytes from an image to the next
    "a_image": "l",
    "b_group": "l",  # bytes from a group's first channel to the next one's
    "a_group": "l",
    "rows": "i",  # output channels of a group
    "columns": "i",  # input channels of a group times taps
    "row_tiles": "i",
    "column_tiles": "i",
    "part_steps": "i",  # stages of a part
    "pixels": "i",  # of dy in an image
    "total": "i",  # of all images
    "weights": "i",  # of all groups
    "height": "i",  # of x
    "width": "i",
    "out_width": "i",
    "stride_down": "i",
    "stride_across": "i",
    "pad_top": "i",
    "pad_left": "i",
}


@dataclass(frozen=True)
class WeightGradient:
    """window   the kernel's taps; None where it is one element, which is on x in all places
    wide     the pixels of an image are a multiple of four, and channels lie on multiples of 16 bytes
    strided  without a window: these elements are not side by side
    """

    tile: BlockTile
    window: Window | None
    wide: bool
    strided: bool = False

    @property
    def _copies(self) -> tuple[PixelCopies, PixelCopies]:
        of_y = PlaneCopies(self.tile, "a", self.wide)
        if self.window is None:
            return of_y, PlaneCopies(self.tile, "b", self.wide and not self.strided, self.strided)
        return of_y, WindowCopies(self.tile, "b", self.window)

    @property
    def shared(self) -> int:
        """Bytes of shared memory."""
        return self.tile.shared + sum(part.bytes for part in self._copies)

    @property
    def kernel(self) -> Kernel:
        """Its arguments are `ARGUMENTS`; the grid is (column tiles * row tiles * groups, parts)."""
        window = "strided" if self.strided else self.window
        key = f"weight_gradient:{self.tile.key}:{'wide' if self.wide else 'narrow'}:{window}"
        arguments = "".join(ARGUMENTS.values())
        return Kernel(key, partial(_source, self), arguments, self.tile.threads, self.shared, resident_bound(self.tile))


def _source(s: WeightGradient) -> str:
    t, tile = Text(), s.tile
    loop, copies = main_loop(tile), s._copies
    t.open(f"def kernel({', '.join(ARGUMENTS)}):")
    _places(t, tile)
    for part in copies:
        part.begin(t)
    loop.begin(t)

    def load(stage: str) -> None:
        for part in copies:
            part.load(t, stage)

    left = f"i32(i32(total - first_k) + i32({DEPTH - 1})) >> i32({DEPTH.bit_length() - 1})"
    ring(t, tile, f"min_i32(part_steps, i32({left}))", load, lambda stage: loop.stage(t, stage))
    sums_tile.exchange(t, loop.put)
    sums_tile.each(t, tile, 1, lambda: _store(t, tile))
    return str(t)


def _places(t: Text, tile: BlockTile) -> None:
    """Which tile of which group this block has, and from which pixel on."""
    t("base = shared_base()", "rest = u32(block_x())")
    for name, count in (("column_tile", "column_tiles"), ("row_tile", "row_tiles")):
        t(f"above = div_u32(rest, u32({count}))", f"{name} = i32(rest - u32(above * u32({count})))", "rest = above")
    t(
        "a = u64(a + u64(i64(rest) * a_group))",
        "b = u64(b + u64(i64(rest) * b_group))",
        f"a_first = i32(row_tile * i32({tile.rows}))",
        f"b_first = i32(column_tile * i32({tile.columns}))",
        "a_last = i32(i32(rows - a_first) - i32(1))",
        "b_last = i32(i32(columns - b_first) - i32(1))",
        f"first_k = i32(i32(block_y() * part_steps) * i32({DEPTH}))",
        "corner = (i64(rest) * i64(rows) + i64(a_first)) * i64(columns) + i64(b_first)",
        "corner = corner + i64(block_y()) * i64(weights)",
    )


def _store(t: Text, tile: BlockTile) -> None:
    with t.block("if row <= a_last and column <= b_last:"):
        (value,) = sums_tile.read(t, tile, "row", "column", 1)
        t(f"store_f32(parts, (corner + i64(row) * i64(columns) + i64(column)) * i64({FLOAT}), {value})")
