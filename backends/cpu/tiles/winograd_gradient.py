"""Winograd's weight gradient of convolutions without stride: patches of x and dy transformed, their products summed up.

    dw = G^T [sum over patches of (A dy A^T) * (B^T x B)] G

For some patches at a time, V and U (the two transforms) stay in the cache; the products are added to sums in memory,
which a second kernel adds up and transforms. The same multiplications as in the convolution itself are saved.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from netlang.backends.common.winograd import gradient_axis, input_axis
from netlang.backends.cpu.tiles.emitter import FLOAT_BYTES, Emitter
from netlang.backends.cpu.tiles.numbers import Condition, Frame, Number, raw
from netlang.backends.cpu.tiles.winograd_arithmetic import Vectors
from netlang.backends.cpu.tiles.winograd_gradient_table import SIZE, VECTORS, GradientStructure
from netlang.backends.cpu.tiles.winograd_gradient_table import GradientTable as T
from netlang.backends.cpu.tiles.winograd_patches import PatchSource, PatchTransform

UNROLL = 4
"""Patches at a time in the sum."""


class GradientKernel:
    """Writes the kernel that fills the sums; its table is `GradientTable`."""

    def __init__(self, structure: GradientStructure, builder: Any, args: Any, tid: Any, threads: Any) -> None:
        self.s = structure
        self.f, self.e = Frame(builder, args, tid, threads), Emitter(builder, structure.lanes)
        self.pixel = VECTORS * self.e.line

    def emit(self) -> None:
        f = self.f
        slot = f[T.SCRATCH] + f.tid * f[T.SLOT_BYTES]
        begin, end = f.share(f[T.IMAGE_PARTS] * f[T.GROUP_PARTS], f[T.SLOTS])
        with f.each(begin, end) as task:
            part, group_part = task // f[T.GROUP_PARTS], task % f[T.GROUP_PARTS]
            groups, images = f[T.GROUPS], f[T.IMAGES]
            low, high = groups * group_part // f[T.GROUP_PARTS], groups * (group_part + 1) // f[T.GROUP_PARTS]
            patches = f[T.DOWN] * f[T.ACROSS]
            first = images * part // f[T.IMAGE_PARTS] * patches
            count = images * (part + 1) // f[T.IMAGE_PARTS] * patches - first
            chunks = (count + (f[T.GROUP_PATCHES] - 1)) // f[T.GROUP_PATCHES]
            sums = f[T.SUMS] + part * f[T.SUMS_PART]
            with f.each(0, chunks) as chunk:
                start, stop = first + count * chunk // chunks, first + count * (chunk + 1) // chunks
                self._transform(slot, start, stop, low, high)
                self._products(slot, sums, stop - start, low, high, chunk.equals(0))

    def _transform(self, slot: Number, start: Number, stop: Number, low: Number, high: Number) -> None:
        """V of all input channels and U of the groups from `low` to `high`."""
        f, e = self.f, self.e
        x = PatchTransform(e, f, self._x(slot), partial(input_axis, Vectors(e)), f[T.V_POSITION])
        with f.each(0, (f[T.IN_CHANNELS] + (e.lanes - 1)) // e.lanes) as block:
            x.emit(slot + block * f[T.V_BLOCK], block, start, stop, e.line)
        dy = PatchTransform(e, f, self._dy(slot), partial(gradient_axis, Vectors(e)), f[T.U_POSITION])
        vectors = (f[T.OUT_CHANNELS] + (e.lanes - 1)) // e.lanes
        with f.each(low * VECTORS, (high * VECTORS).at_most(vectors)) as vector:
            group, v = vector // VECTORS - low, vector % VECTORS
            dy.emit(slot + f[T.U_AT] + group * f[T.U_GROUP] + v * e.line, vector, start, stop, self.pixel)

    def _x(self, slot: Number) -> PatchSource:
        f = self.f
        return PatchSource(
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
            size=SIZE,
            step=self.s.m,
            blocked=self.s.x_blocked,
        )

    def _dy(self, slot: Number) -> PatchSource:
        f = self.f
        return PatchSource(
            address=f[T.DY],
            image=f[T.DY_IMAGE],
            channels=f[T.OUT_CHANNELS],
            height=f[T.OUT_HEIGHT],
            width=f[T.OUT_WIDTH],
            top=0,
            left=0,
            down=f[T.DOWN],
            across=f[T.ACROSS],
            strip=slot + f[T.STRIP_AT],
            strip_row=f[T.STRIP_ROW],
            size=self.s.m,
            step=self.s.m,
            blocked=self.s.dy_blocked,
        )

    def _products(self, slot: Number, sums: Number, count: Number, low: Number, high: Number, fresh: Condition) -> None:
        """Sums of `count` patches, for all positions, groups and channels; added to what is there unless `fresh`."""
        f, e = self.f, self.e
        channels = self.s.channels
        parts = e.lanes // channels
        tiles = (f[T.IN_CHANNELS] + (channels - 1)) // channels
        with f.each(0, SIZE * SIZE) as position, f.each(low, high) as group:
            v = slot + position * f[T.V_POSITION]
            u = slot + f[T.U_AT] + position * f[T.U_POSITION] + (group - low) * f[T.U_GROUP]
            out = sums + position * f[T.SUMS_POSITION] + group * f[T.SUMS_GROUP]
            with f.each(0, tiles) as tile:
                at = v + tile // parts * f[T.V_BLOCK] + tile % parts * (channels * FLOAT_BYTES)
                to = out + tile * (channels * self.pixel)
                emit_patch_products(e, channels, [raw(n) for n in (at, u, to, count)], fresh.value)


def emit_patch_products(e: Emitter, channels: int, arguments: Sequence[Any], fresh: Any) -> None:
    """(v, u, out, count): out[channel][vector] = (or, unless the i1 `fresh`, +=) sum over `count` patches of
    v[patch][channel] * u[patch][vector]. Patches of v are a line apart, those of u VECTORS lines."""
    v, u, out = e.pointers(*arguments[:3])
    count = arguments[3]
    u_patch = VECTORS * e.line

    def patches(number: int) -> Any:
        def body(pointers: list[Any], sums: list[Any]) -> list[Any]:
            for p in range(number):
                sums = _one_patch(e, channels, e.at(pointers[0], p * e.line), e.at(pointers[1], p * u_patch), sums)
            return sums

        return body

    whole = e.b.sdiv(count, e.i64(UNROLL))
    sums = [e.zero] * (channels * VECTORS)
    sums = e.loop(whole, [v, u], [UNROLL * e.line, UNROLL * u_patch], sums, patches(UNROLL), guarded=True)
    done = e.b.mul(whole, e.i64(UNROLL))
    rest = [e.at(v, e.mul(done, e.line)), e.at(u, e.mul(done, u_patch))]
    sums = e.loop(e.b.sub(count, done), rest, [e.line, u_patch], sums, patches(1), guarded=True)
    with e.b.if_else(fresh) as (first, later):
        with first:
            for i, value in enumerate(sums):
                e.store(value, out, i * e.line)
        with later:
            for i, value in enumerate(sums):
                e.store(e.b.fadd(value, e.load(out, i * e.line)), out, i * e.line)


def _one_patch(e: Emitter, channels: int, v: Any, u: Any, sums: Sequence[Any]) -> list[Any]:
    held = [e.load(u, q * e.line) for q in range(VECTORS)]
    out: list[Any] = []
    for c in range(channels):
        value = e.broadcast(v, c * FLOAT_BYTES)
        out += [e.fma(value, held[q], sums[c * VECTORS + q]) for q in range(VECTORS)]
    return out


def emit_gradient(structure: GradientStructure, builder: Any, args: Any, tid: Any, threads: Any) -> None:
    """The body of the kernel, for `kernel.emitted`."""
    GradientKernel(structure, builder, args, tid, threads).emit()
