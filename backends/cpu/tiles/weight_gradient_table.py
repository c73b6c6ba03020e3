"""The argument tables of the weight gradient. Distances are in bytes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import auto

from netlang.backends.cpu.tiles.broadcast_tile import BroadcastTile
from netlang.backends.cpu.tiles.tables import Table


class WeightGradientTable(Table):
    """Entries of the table. A task is a part of the images and a part of the groups of output channels.

    Every part of the images has sums of its own, [group][vector][channel][row][column][lanes]; they are added up by a
    second kernel, in order, so that the result does not depend on who computed what.
    """

    X = auto()
    DY = auto()
    SUMS = auto()
    SCRATCH = auto()
    SLOT_BYTES = auto()
    SLOTS = auto()
    IMAGES = auto()
    IMAGE_PARTS = auto()
    GROUPS = auto()  # groups of output channels
    CHANNEL_GROUPS = auto()  # of these, in one convolution group
    GROUP_PARTS = auto()
    X_IMAGE = auto()
    X_CHANNEL = auto()
    X_ROW = auto()
    IN_CHANNELS = auto()
    GROUP_CHANNELS = auto()  # input channels of one convolution group
    SPARE_CHANNELS = auto()  # channels of zeros in the strip after the last
    IN_HEIGHT = auto()
    IN_WIDTH = auto()
    PAD_TOP = auto()
    PAD_LEFT = auto()
    STRIP_WIDTH = auto()
    STRIP_ROW = auto()
    STRIP_IMAGE = auto()
    STRIP_CHANNEL = auto()
    STRIDE_DOWN = auto()
    STRIDE_ACROSS = auto()
    DILATION_DOWN = auto()
    TAPS_DOWN = auto()
    OUT_CHANNELS = auto()
    OUT_HEIGHT = auto()
    OUT_WIDTH = auto()
    ROWS = auto()  # rows of dy at a time
    IMAGES_TOGETHER = auto()  # images at a time: of small maps, several
    DY_AT = auto()  # the rows of dy in a slot
    SUMS_VECTOR = auto()
    SUMS_PART = auto()


class SumTable(Table):
    """Adding the sums of all parts up, and bringing them into the plain layout of the weights."""

    SUMS = auto()
    OUT = auto()
    PARTS = auto()
    PART = auto()
    VECTOR = auto()
    VECTORS = auto()
    OUT_CHANNELS = auto()
    TAPS = auto()  # weights of one output channel


@dataclass(frozen=True)
class WeightGradientStructure:
    """`tile.rows` are input channels, `tile.columns` the columns of the kernel. `stripped`: rows of x are copied into a
    zero-padded strip first; otherwise tiles read x in place, and `STRIP_*` are its own distances."""

    tile: BroadcastTile
    stripped: bool

    @property
    def key(self) -> str:
        return f"weight_gradient:{self!r}"
