"""Packing of weights into the order in which tiles read them, and of per-channel operands into whole vectors."""

from __future__ import annotations

from netlang.backends.cpu.intrinsics import LOAD, STORE, number, quotient, remainder
from netlang.backends.cpu.kernel import KernelFunction
from netlang.backends.cpu.native.pack_table import PackTable as T
from numba import njit

_inlined = njit(forceinline=True, error_model="numpy")
_load, _store = LOAD["f32"], STORE["f32"]


def make_pack(lanes: int, width: int, operands: int) -> KernelFunction:
    """[group][channel block][row][column][channel][width] from weights with any strides, and `operands` vectors."""

    @_inlined
    def pack_tap(args: int, to: int, source: int, out: int) -> None:
        """The `width` output channels of one input channel and tap; those that do not exist are 0."""
        held = min(width, number(args, T.GROUP_OUT) - out)
        step = number(args, T.STRIDE_OUT)
        for o in range(held):
            _store(to, o, _load(source, o * step))
        for o in range(held, width):
            _store(to, o, 0.0)

    @_inlined
    def pack_block(args: int, to: int, source: int, out: int, channels: int) -> int:
        """All taps of `channels` input channels; returns where the next block goes."""
        for row in range(number(args, T.TAPS_DOWN)):
            for column in range(number(args, T.TAPS_ACROSS)):
                tap = source + (row * number(args, T.STRIDE_DOWN) + column * number(args, T.STRIDE_ACROSS)) * 4
                for c in range(channels):
                    pack_tap(args, to, tap + c * number(args, T.STRIDE_IN) * 4, out)
                    to += width * 4
        return to

    @_inlined
    def pack_group(args: int, group: int) -> None:
        part = quotient(group, number(args, T.CHANNEL_GROUPS))
        out = remainder(group, number(args, T.CHANNEL_GROUPS)) * width
        to = number(args, T.PACKED) + group * number(args, T.GROUP_BYTES)
        first = part * number(args, T.STRIDE_GROUP) + out * number(args, T.STRIDE_OUT)
        source = number(args, T.WEIGHTS) + first * 4
        for block in range(quotient(number(args, T.GROUP_IN) + lanes - 1, lanes)):
            c = block * lanes
            channels = min(lanes, number(args, T.GROUP_IN) - c)
            to = pack_block(args, to, source + c * number(args, T.STRIDE_IN) * 4, out, channels)

    @_inlined
    def pack_operand(args: int, k: int) -> None:
        source, held = number(args, T.COUNT + k), number(args, T.OUT_CHANNELS)
        to = number(args, T.OPERANDS) + k * number(args, T.PITCH)
        for o in range(held):
            _store(to, o, _load(source, o))
        for o in range(held, quotient(number(args, T.PITCH), 4)):
            _store(to, o, 0.0)

    def pack(args: int, tid: int, threads: int) -> None:
        groups = number(args, T.GROUPS)
        for group in range(quotient(groups * tid, threads), quotient(groups * (tid + 1), threads)):
            pack_group(args, group)
        if tid == 0:
            for k in range(operands):
                pack_operand(args, k)

    return pack
