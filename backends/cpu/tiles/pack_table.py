"""The argument table of weight packing. Strides are in elements, from a weight to its neighbour in that direction."""

from __future__ import annotations

from enum import auto

from netlang.backends.cpu.tiles.tables import Table


class PackTable(Table):
    """Entries of the table; the addresses of the per-channel operands follow after `COUNT`."""

    WEIGHTS = auto()  # the first weight
    PACKED = auto()
    OPERANDS = auto()
    PITCH = auto()  # bytes of one packed operand
    OUT_CHANNELS = auto()
    GROUPS = auto()  # groups of `width` output channels
    CHANNEL_GROUPS = auto()  # of these, in one convolution group
    GROUP_BYTES = auto()
    GROUP_IN = auto()  # input and output channels of one convolution group
    GROUP_OUT = auto()
    TAPS_DOWN = auto()
    TAPS_ACROSS = auto()
    STRIDE_GROUP = auto()
    STRIDE_OUT = auto()
    STRIDE_IN = auto()
    STRIDE_DOWN = auto()
    STRIDE_ACROSS = auto()
    COUNT = auto()
