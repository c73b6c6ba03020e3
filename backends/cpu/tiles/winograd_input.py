"""The input transform of Winograd's convolution: patches of the input, in any layout, into V."""

from __future__ import annotations

from functools import partial

from netlang.backends.common.winograd import input_axis
from netlang.backends.cpu.tiles.emitter import Emitter
from netlang.backends.cpu.tiles.numbers import Frame, Number
from netlang.backends.cpu.tiles.winograd_arithmetic import Vectors
from netlang.backends.cpu.tiles.winograd_patches import PatchSource, PatchTransform
from netlang.backends.cpu.tiles.winograd_table import WinogradStructure
from netlang.backends.cpu.tiles.winograd_table import WinogradTable as T


def emit_input(e: Emitter, f: Frame, structure: WinogradStructure, slot: Number, first: Number, last: Number) -> None:
    """V of patches `first` to `last`, for all channels."""
    source = PatchSource(
        address=f[T.X],
        image=f[T.X_IMAGE],
        channels=f[T.IN_CHANNELS],
        height=f[T.IN_HEIGHT],
        width=f[T.IN_WIDTH],
        top=f[T.PAD_TOP],
        left=f[T.PAD_LEFT],
        down=f[T.DOWN],
        across=f[T.ACROSS],
        strip=slot + f[T.STRIP_AT],
        strip_row=f[T.STRIP_ROW],
        size=structure.size,
        step=structure.m,
        blocked=structure.x_blocked,
    )
    transform = PatchTransform(e, f, source, partial(input_axis, Vectors(e)), f[T.V_POSITION])
    with f.each(0, (f[T.IN_CHANNELS] + (e.lanes - 1)) // e.lanes) as block:
        transform.emit(slot + block * f[T.V_BLOCK], block, first, last, e.line)
