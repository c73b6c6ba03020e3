"""Winograd's convolution without stride: input transform, products and output transform, in the cache.

for each group of patches:   V = transformed input, for all input channels
    for each batch of output channels:   M[position] = V[position] U[position], for all positions
        output transform of M, epilogue, result
"""

from __future__ import annotations

from typing import Any

from netlang.backends.cpu.tiles.emitter import Emitter
from netlang.backends.cpu.tiles.numbers import Frame, Number, raw
from netlang.backends.cpu.tiles.winograd_input import emit_input
from netlang.backends.cpu.tiles.winograd_output import OutputTransform
from netlang.backends.cpu.tiles.winograd_products import emit_products
from netlang.backends.cpu.tiles.winograd_table import VECTORS, WinogradStructure
from netlang.backends.cpu.tiles.winograd_table import WinogradTable as T


class WinogradKernel:
    """Writes the kernel of one structure; its table is `WinogradTable`."""

    def __init__(self, structure: WinogradStructure, builder: Any, args: Any, tid: Any, threads: Any) -> None:
        self.s = structure
        self.f, self.e = Frame(builder, args, tid, threads), Emitter(builder, structure.lanes)

    def emit(self) -> None:
        f = self.f
        slot = f[T.SCRATCH] + f.tid * f[T.SLOT_BYTES]
        patches = f[T.PATCHES]
        groups = (patches + (f[T.GROUP_PATCHES] - 1)) // f[T.GROUP_PATCHES]
        begin, end = f.share(groups * f[T.CHUNKS], f[T.SLOTS])
        with f.each(begin, end) as task:
            group, chunk = task // f[T.CHUNKS], task % f[T.CHUNKS]
            first, last = patches * group // groups, patches * (group + 1) // groups
            with f.when(task.equals(begin) | chunk.equals(0)):
                emit_input(self.e, f, self.s, slot, first, last)
            low, high = f[T.GROUPS] * chunk // f[T.CHUNKS], f[T.GROUPS] * (chunk + 1) // f[T.CHUNKS]
            with f.each(0, (high - low + (f[T.BATCH] - 1)) // f[T.BATCH]) as b:
                start = low + b * f[T.BATCH]
                stop = (start + f[T.BATCH]).at_most(high)
                self._products(slot, last - first, start, stop)
                OutputTransform(self.e, f, self.s).emit(slot, first, last, start, stop)

    def _products(self, slot: Number, count: Number, start: Number, stop: Number) -> None:
        """M of `count` patches for the channel groups from `start` to `stop`. The last tiles overlap their neighbours;
        with fewer patches than a tile has the rest is computed from whatever is there, and ignored."""
        f, e = self.f, self.e
        height, pixel = self.s.patches, VECTORS * e.line
        blocks, rest = f[T.IN_CHANNELS] // e.lanes, f[T.IN_CHANNELS] % e.lanes
        parts = (count + (height - 1)) // height
        with f.each(0, self.s.positions) as position, f.each(start, stop) as group, f.each(0, parts) as part:
            patch = (part * height).at_most((count - height).at_least(0))
            v = slot + position * f[T.V_POSITION] + patch * e.line
            u = f[T.WEIGHTS] + position * f[T.WEIGHT_POSITION] + group * f[T.WEIGHT_GROUP]
            m = slot + f[T.M_AT] + (group - start) * f[T.M_GROUP] + position * f[T.M_POSITION] + patch * pixel
            emit_products(e, height, VECTORS, [raw(n) for n in (v, u, m, blocks, rest, f[T.V_BLOCK])])


def emit_winograd(structure: WinogradStructure, builder: Any, args: Any, tid: Any, threads: Any) -> None:
    """The body of the kernel, for `kernel.emitted`."""
    WinogradKernel(structure, builder, args, tid, threads).emit()
