"""The argument table of the direct convolution: what the kernel and its lowering agree on. Distances are in bytes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import auto

from netlang.backends.common.epilogue import Epilogue, operands
from netlang.backends.cpu.tiles.broadcast_tile import BroadcastTile
from netlang.backends.cpu.tiles.pool_tile import PoolTile
from netlang.backends.cpu.tiles.tables import Table


class ConvTable(Table):
    """Entries of the table; the addresses of the epilogue's tensors follow after `COUNT`, then those of the per-channel
    operands of the prologue.

    A task is one image, `ROWS` rows of the result and some groups of output channels; a group is one tile wide. Its
    slot of the scratch memory holds the padded strip of the input, the map before the pool, and the pooled rows.
    """

    X = auto()
    WEIGHTS = auto()
    CHANNELS = auto()
    POOL_CHANNELS = auto()  # the per-channel operands of what follows the pool
    OUT = auto()
    SWITCHES = auto()
    SCRATCH = auto()
    SLOT_BYTES = auto()
    SLOTS = auto()
    IMAGES = auto()
    X_IMAGE = auto()
    X_CHANNEL = auto()
    X_ROW = auto()
    OUT_IMAGE = auto()  # from an image of the result to the next, which may be parts of larger ones
    IN_CHANNELS = auto()
    GROUP_CHANNELS = auto()  # input channels of one convolution group
    CHANNEL_GROUPS = auto()  # groups of output channels in one convolution group
    GROUPS = auto()  # groups of output channels in all
    CHUNKS = auto()  # parts into which the groups are split
    WEIGHT_GROUP = auto()
    CHANNEL_PITCH = auto()
    IN_HEIGHT = auto()
    IN_WIDTH = auto()
    PAD_TOP = auto()
    PAD_LEFT = auto()
    STRIP_WIDTH = auto()
    STRIP_ROW = auto()
    STRIP_CHANNEL = auto()
    TAPS_DOWN = auto()
    TAPS_ACROSS = auto()
    DILATION_DOWN = auto()
    ACROSS = auto()
    STRIDE_DOWN = auto()
    MAP_HEIGHT = auto()
    MAP_WIDTH = auto()
    OUT_CHANNELS = auto()
    OUT_HEIGHT = auto()
    OUT_WIDTH = auto()
    ROWS = auto()
    ROW_TASKS = auto()
    POOL_DOWN = auto()
    POOL_ACROSS = auto()
    POOL_STRIDE_DOWN = auto()
    POOL_STRIDE_ACROSS = auto()
    POOL_TOP = auto()
    POOL_LEFT = auto()
    POOL_BOTTOM = auto()
    POOL_RIGHT = auto()
    MAP_AT = auto()
    MAP_VECTOR = auto()
    TENSORS_AT = auto()
    TENSOR_PITCH = auto()
    POOLED_AT = auto()
    SWITCHES_AT = auto()
    POOLED_VECTOR = auto()
    PHASE_START = auto()  # where the first pixel is in its plane; all of these in elements
    PHASE_ROW = auto()
    PHASE_PIXEL = auto()
    PHASE_PLANE = auto()
    COUNT = auto()


@dataclass(frozen=True)
class ConvStructure:
    """What the machine code of a convolution depends on; everything else is in the table.

    stripped     rows are copied into a zero-padded strip first; otherwise tiles read the input in place
    phased       the result has places between its own that belong to others: every some rows and columns (`PHASE_*`)
    tensors      element types of the epilogue's tensors
    x_blocked, out_blocked, tensors_blocked     which tensors have their channels in blocks of `lanes`
    pool, after  the pool and what follows it; its pooled mean divides by all taps, or by those in the map only
    switch       element type of the positions, or ""
    prologue     what is done to the input before it is convolved, when its rows are copied into the strip; there is no
                 padding then, and the input is blocked
    """

    tile: BroadcastTile
    stripped: bool
    phased: bool
    tensors: tuple[str, ...] = ()
    pool: PoolTile | None = None
    count_pad: bool = True
    switch: str = ""
    x_blocked: bool = False
    out_blocked: bool = False
    tensors_blocked: tuple[bool, ...] = ()
    prologue: Epilogue = ()

    @property
    def key(self) -> str:
        return f"conv:{self!r}"

    @property
    def direct(self) -> bool:
        """Whether tiles write the result where it belongs, without a map in between."""
        return self.out_blocked and self.pool is None and all(self.tensors_blocked)

    @property
    def after(self) -> Epilogue:
        return self.pool.epilogue if self.pool else ()

    @property
    def channel_operands(self) -> int:
        return operands(self.tile.epilogue, "channel") + operands(self.after, "channel")
