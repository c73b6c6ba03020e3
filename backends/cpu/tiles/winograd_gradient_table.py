"""The argument tables of Winograd's weight gradient. Distances are in bytes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import auto

from netlang.backends.cpu.tiles.tables import Table

VECTORS = 2
"""Vectors of output channels in the tile of the products."""
SIZE = 6
"""Rows and columns of x that a patch reads, and of positions in its transform."""


class GradientTable(Table):
    """Entries of the table. A patch is m by m places of dy and the 6 by 6 of x that they meet. A task is a part of the
    images and a part of the groups of output channels; its slot holds for some patches

        V       transformed x       [position][channel block][patch][lanes]
        U       transformed dy      [position][group][patch][VECTORS][lanes]
        strip   x or dy around some patches, with zeros where there is none

    Every part of the images has sums of its own, [position][group][channel][VECTORS][lanes].
    """

    X = auto()
    DY = auto()
    SUMS = auto()
    SCRATCH = auto()
    SLOT_BYTES = auto()
    SLOTS = auto()
    IMAGES = auto()
    IMAGE_PARTS = auto()
    GROUPS = auto()  # groups of VECTORS * lanes output channels
    GROUP_PARTS = auto()
    X_IMAGE = auto()
    IN_CHANNELS = auto()
    IN_HEIGHT = auto()
    IN_WIDTH = auto()
    PAD_TOP = auto()
    PAD_LEFT = auto()
    DY_IMAGE = auto()
    OUT_CHANNELS = auto()
    OUT_HEIGHT = auto()
    OUT_WIDTH = auto()
    DOWN = auto()  # patches in a column and in a row
    ACROSS = auto()
    GROUP_PATCHES = auto()  # most patches at a time
    V_BLOCK = auto()
    V_POSITION = auto()
    U_AT = auto()
    U_GROUP = auto()
    U_POSITION = auto()
    STRIP_AT = auto()
    STRIP_ROW = auto()
    SUMS_GROUP = auto()
    SUMS_POSITION = auto()
    SUMS_PART = auto()


class GradientSumTable(Table):
    """Adding up the sums of all parts, and transforming them into weights. The slot holds the weights of one vector of
    output channels and one block of input channels."""

    SUMS = auto()
    OUT = auto()
    SCRATCH = auto()
    SLOT_BYTES = auto()
    SLOTS = auto()
    PARTS = auto()
    SUMS_PART = auto()
    SUMS_POSITION = auto()
    SUMS_GROUP = auto()
    X = auto()
    DY = auto()
    IMAGES = auto()
    X_IMAGE = auto()
    IN_CHANNELS = auto()
    IN_HEIGHT = auto()
    IN_WIDTH = auto()
    PAD_TOP = auto()
    PAD_LEFT = auto()
    DY_IMAGE = auto()
    OUT_CHANNELS = auto()
    OUT_HEIGHT = auto()
    OUT_WIDTH = auto()


@dataclass(frozen=True)
class GradientStructure:
    """What the machine code depends on.

    m                       rows and columns of dy in a patch; the kernel has 7 - m
    channels                input channels of the tile of the products, a divisor of the lanes
    x_blocked, dy_blocked   which tensors have their channels in blocks of `lanes`
    """

    lanes: int
    m: int
    channels: int
    x_blocked: bool = False
    dy_blocked: bool = False

    @property
    def taps(self) -> int:
        """Rows and columns of the kernel."""
        return SIZE + 1 - self.m

    def key(self, kernel: str) -> str:
        return f"winograd_gradient_{kernel}:{self!r}"
