"""What distinguishes one convolution kernel from another: its tile, its order of pixels, what is fused into it.

A convolution is a product of matrices. A row of the first is an output channel, a column of the second a pixel of the
map (of all images), and the sum runs over k, all taps of all input channels. So the rows of the result are planes, as
they lie in memory. Blocks are numbered (tile of pixels, tile of channels, group of channels).

Where blocks are few and k is long, k is split: each block has a part of it and stores its bare sums, as [part, group,
tile of pixels, channel, column]. A second kernel adds up the parts, in their order, and does the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from netlang.backends.common.epilogue import Epilogue, operands
from netlang.backends.cuda.tiles.block_tile import BlockTile

Role = Literal["whole", "parts", "rest"]
NUMBERS = {
    "x_image": "l",  # bytes from an image to the next
    "out_image": "l",
    "group_x": "l",  # bytes from a group's first input channel to the next group's
    "plane": "l",  # bytes of a channel of x, where it is in planes,
    "out_plane": "l",  # of the result,
    "map_plane": "l",  # and of what the convolution computes
    "groups": "i",
    "splits": "i",  # parts of k
    "split_depth": "i",  # stages of each
    "pixel_bytes": "i",  # of x, from a pixel to the next
    "total": "i",  # pixels or patches of all images, whichever the columns are
    "depth": "i",  # how many stages of k
    "words": "i",  # of k
    "pitch": "i",  # rows of packed weights in a group
    "group_out": "i",  # channels of the result in a group
    "height": "i",  # of x
    "width": "i",
    "map_height": "i",  # of what the convolution computes
    "map_width": "i",
    "stride_down": "i",
    "stride_across": "i",
    "pad_top": "i",
    "pad_left": "i",
    "out_height": "i",  # of the result, after the pool
    "out_width": "i",
    "first": "i",  # where `strided`: bytes in a plane before the first pixel, between rows, between pixels
    "row_step": "i",
    "pixel_step": "i",
}
"""Numbers that every kernel gets, with their kinds."""


@dataclass(frozen=True)
class TilePool:
    """A pool inside the tile. The map is cut into patches, each with all taps of some windows: pixels that windows of
    two patches need are computed twice. A column is a pixel of a patch.

    kind     `max`, `switch` (max with positions), `sum` or `mean`
    low      padding above and to the left
    high     padding below and to the right, as far as a mean counts it; None where it counts none
    whole    no window is cut off by the edges of the map
    patch    windows of a patch (down, across)
    """

    kind: str
    kernel: tuple[int, int]
    stride: tuple[int, int]
    low: tuple[int, int]
    high: tuple[int, int] | None
    whole: bool
    patch: tuple[int, int]

    @property
    def patch_size(self) -> tuple[int, int]:
        """Pixels of a patch (down, across)."""
        down, across = ((n - 1) * s + k for n, s, k in zip(self.patch, self.stride, self.kernel, strict=True))
        return down, across

    @property
    def pixels(self) -> int:
        """Of a patch."""
        return self.patch_size[0] * self.patch_size[1]

    @property
    def windows(self) -> int:
        """Of a patch."""
        return self.patch[0] * self.patch[1]


@dataclass(frozen=True)
class ConvStructure:
    """role    `whole`, or one of the two kernels of a split: `parts` and `rest`
    run        how many of k at a time are neighbouring words of one tap: 32 (a stage), 4 (a chunk) or 1
    last       the channels of a pixel lie side by side in x, in words (`channels_last`); else x is in planes
    pointwise  the kernel is one element, inside of x for all results: k are the words of a pixel, and there is no table
    vector     four columns are neighbouring pixels of a plane of the result, aligned to 16 bytes
    strided    the result is some of the pixels of a plane: see `ConvProblem.phase`
    tensors    element types (f32, bool) of the operands of the map's shape
    switch     element type of the positions; empty where they are not asked for
    """

    tile: BlockTile
    run: int
    vector: bool = False
    strided: bool = False
    before: Epilogue = ()
    after: Epilogue = ()
    tensors: tuple[str, ...] = ()
    pool: TilePool | None = None
    switch: str = ""
    role: Role = "whole"
    last: bool = False
    pointwise: bool = False

    @property
    def chunks(self) -> bool:
        """Whether pixels are copied by 16 bytes."""
        return self.last or self.tile.n_major

    @property
    def rows(self) -> int:
        """Channels of a block."""
        return self.tile.rows if self.role != "rest" else self.tile.threads // self.places

    @property
    def places(self) -> int:
        """Places in the planes of a tile, four neighbouring pixels counting as one, rounded up to a power of two: each
        thread has one."""
        if self.pool is None:
            return self.tile.columns // (4 if self.vector else 1)
        return 1 << (self.patches * self.pool.windows - 1).bit_length()

    @property
    def patches(self) -> int:
        """Of a tile. Columns behind the last one have no pixel."""
        assert self.pool is not None
        return self.tile.columns // self.pool.pixels

    @property
    def key(self) -> str:
        """All that code depends on."""
        steps = ";".join(map(str, self.before)) + "|" + ";".join(map(str, self.after))
        run = f"run{self.run}{'l' * self.last}{'p' * self.pointwise}"
        flags = f"{run}{'v' * self.vector}{'s' * self.strided}"
        if self.role == "parts":
            return f"conv_parts:{self.tile.key}:{run}:{self.pool or ''}"
        role = "conv" if self.role == "whole" else "conv_rest"
        return f"{role}:{self.tile.key}:{flags}:{steps}:{','.join(self.tensors)}:{self.switch}:{self.pool or ''}"

    @property
    def _table(self) -> list[str]:
        return [] if self.pointwise else ["table"]

    @property
    def arguments(self) -> dict[str, str]:
        """Names of the kernel's arguments in order, with their kinds."""
        addresses = {
            "whole": ["x", "weights", *self._table],
            "parts": ["x", "weights", *self._table, "parts"],
            "rest": ["parts"],
        }[self.role]
        if self.role != "parts":
            addresses += ["out"] + ["switches"] * bool(self.switch)
            addresses += [f"channel{i}" for i in range(operands((*self.before, *self.after), "channel"))]
            addresses += [f"tensor{i}" for i in range(len(self.tensors))]
        return {**dict.fromkeys(addresses, "p"), **NUMBERS}
