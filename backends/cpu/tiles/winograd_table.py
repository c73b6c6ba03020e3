"""The argument tables of Winograd's convolution: what kernels and lowering agree on. Distances are in bytes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import auto

from netlang.backends.common.epilogue import Epilogue, operands
from netlang.backends.cpu.tiles.tables import Table

VECTORS = 2
"""Vectors of output channels in the tile of the products."""


class WinogradTable(Table):
    """Entries of the table; the addresses of the epilogue's tensors follow after `COUNT`.

    A patch is what one application of the transform computes: m by m places of the map from size by size of the input,
    where size is m plus the taps of an axis less 1. A task is a group of patches, of all images in a row, and a chunk
    of the output channels. Its slot holds

        V     transformed input     [position][channel block][patch][lanes]
        M     products              [channel group of a batch][position][patch][VECTORS][lanes]
        strip                       input around some patches, with zeros where there is none
        map                         the results of some patches side by side, and the epilogue's tensors there
    """

    X = auto()
    KERNEL = auto()  # the weights as they are
    WEIGHTS = auto()  # transformed
    CHANNELS = auto()
    POOL_CHANNELS = auto()  # the per-channel operands of what follows the pool
    OUT = auto()
    SCRATCH = auto()
    SLOT_BYTES = auto()
    SLOTS = auto()
    PATCHES = auto()
    GROUP_PATCHES = auto()  # most patches of a group
    CHUNKS = auto()
    BATCH = auto()  # channel groups between two output transforms
    DOWN = auto()  # patches in a column and in a row
    ACROSS = auto()
    IN_CHANNELS = auto()
    X_IMAGE = auto()
    IN_HEIGHT = auto()
    IN_WIDTH = auto()
    PAD_TOP = auto()
    PAD_LEFT = auto()
    OUT_CHANNELS = auto()
    OUT_IMAGE = auto()  # from an image of the result to the next, which may be parts of larger ones
    OUT_HEIGHT = auto()
    OUT_WIDTH = auto()
    GROUPS = auto()  # groups of VECTORS * lanes output channels
    CHANNEL_PITCH = auto()
    WEIGHT_GROUP = auto()
    WEIGHT_POSITION = auto()
    STRIDE_OUT = auto()  # of the weights as they are
    STRIDE_IN = auto()
    STRIDE_DOWN = auto()
    STRIDE_ACROSS = auto()
    V_BLOCK = auto()
    V_POSITION = auto()
    M_AT = auto()
    M_GROUP = auto()
    M_POSITION = auto()
    STRIP_AT = auto()
    STRIP_ROW = auto()
    PATCH_AT = auto()  # one patch that is computed without the transform
    MAP_AT = auto()
    MAP_ROW = auto()
    TENSORS_AT = auto()
    TENSOR_PITCH = auto()
    COUNT = auto()


class TransformTable(Table):
    """Transforming the weights; the addresses of the per-channel operands follow after `COUNT`."""

    KERNEL = auto()
    PACKED = auto()
    OPERANDS = auto()
    PITCH = auto()
    OUT_CHANNELS = auto()
    IN_CHANNELS = auto()
    STRIDE_OUT = auto()
    STRIDE_IN = auto()
    STRIDE_DOWN = auto()
    STRIDE_ACROSS = auto()
    GROUPS = auto()
    WEIGHT_GROUP = auto()
    WEIGHT_POSITION = auto()
    COUNT = auto()


@dataclass(frozen=True)
class WinogradStructure:
    """What the machine code depends on; everything else is in the table.

    m, taps     F(m x m, taps x taps): 2 or 4 with 3 taps, 2 with 5
    patches     patches of the tile of the products
    before      the epilogue of the map, of which the first `tensors` are its tensors' element types
    pooled      a 2x2 maximum follows, and then `after`
    x_blocked, out_blocked, tensors_blocked     which tensors have their channels in blocks of `lanes`
    """

    lanes: int
    m: int
    taps: int
    patches: int
    before: Epilogue = ()
    pooled: bool = False
    after: Epilogue = ()
    tensors: tuple[str, ...] = ()
    x_blocked: bool = False
    out_blocked: bool = False
    tensors_blocked: tuple[bool, ...] = ()

    @property
    def key(self) -> str:
        return f"winograd:{self!r}"

    @property
    def size(self) -> int:
        """Rows and columns of input that a patch needs."""
        return self.m + self.taps - 1

    @property
    def positions(self) -> int:
        return self.size * self.size

    @property
    def step(self) -> int:
        """Rows and columns of the result that a patch gives."""
        return self.m // 2 if self.pooled else self.m

    @property
    def direct(self) -> bool:
        """Whether whole patches are written where they belong, without a map in between."""
        return self.out_blocked and all(self.tensors_blocked)

    @property
    def channel_operands(self) -> int:
        return operands(self.before, "channel") + operands(self.after, "channel")


@dataclass(frozen=True)
class TransformStructure:
    """Of the transform of the weights; `operands` per-channel vectors are packed besides."""

    lanes: int
    m: int
    taps: int
    operands: int

    @property
    def key(self) -> str:
        return f"winograd_weights:{self!r}"
