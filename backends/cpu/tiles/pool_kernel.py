"""Pools and their gradients as kernels of their own: planes of `lanes` channels are brought into blocks and back.

They share the convolution's table: the map is read instead of computed, and a group is one vector of channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from netlang.backends.cpu.tiles import moving
from netlang.backends.cpu.tiles.conv_table import ConvTable as T
from netlang.backends.cpu.tiles.emitter import FLOAT_BYTES, Emitter
from netlang.backends.cpu.tiles.numbers import Frame, Number, raw
from netlang.backends.cpu.tiles.pool_rows import PoolRows
from netlang.backends.cpu.tiles.pool_tile import PoolTile
from netlang.backends.cpu.tiles.spread_rows import SpreadRows


@dataclass(frozen=True)
class PoolStructure:
    """tile       the pool; in a gradient its kind says what is spread: `switch`, `sum` or `mean`
    kernel     rows and columns of a window
    backward   "" for a pool, `given` for a gradient whose positions are an input, `found` where they are found in x
    switch     element type of the positions that are written or read, or ""
    x_blocked, out_blocked     of a pool: whether its tensors have their channels in blocks of `lanes`
    """

    tile: PoolTile
    kernel: tuple[int, int]
    count_pad: bool
    backward: str = ""
    switch: str = ""
    x_blocked: bool = False
    out_blocked: bool = False

    @property
    def key(self) -> str:
        return f"pool:{self!r}"


class PoolKernel:
    """Writes a kernel; a task is one block of channels of one image, or some rows of its result."""

    def __init__(self, structure: PoolStructure, builder: Any, args: Any, tid: Any, threads: Any) -> None:
        self.structure, self.lanes = structure, structure.tile.lanes
        self.f, self.e = Frame(builder, args, tid, threads), Emitter(builder, self.lanes)
        self.line = self.lanes * FLOAT_BYTES

    def emit(self) -> None:
        f = self.f
        slot = f[T.SCRATCH] + f.tid * f[T.SLOT_BYTES]
        begin, end = f.share(f[T.IMAGES] * f[T.GROUPS] * f[T.ROW_TASKS], f[T.SLOTS])
        with f.each(begin, end) as task:
            part, rest = task % f[T.ROW_TASKS], task // f[T.ROW_TASKS]
            image, group = rest // f[T.GROUPS], rest % f[T.GROUPS]
            channel = image * f[T.OUT_CHANNELS] + group * self.lanes
            held = (f[T.OUT_CHANNELS] - group * self.lanes).at_most(self.lanes)
            row = part * f[T.ROWS]
            stop = (row + f[T.ROWS]).at_most(f[T.OUT_HEIGHT])
            if self.structure.backward:
                self._backward(slot, group, channel, held)
            else:
                self._forward(slot, image, group, held, row, stop)

    def _forward(self, slot: Number, image: Number, group: Number, held: Number, row: Number, stop: Number) -> None:
        """Rows `row` to `stop`; blocked tensors are read and written where they are."""
        f, structure = self.f, self.structure
        channel = group * self.lanes
        x, result = f[T.X] + image * f[T.X_IMAGE], f[T.OUT] + image * f[T.OUT_IMAGE]
        if structure.x_blocked:
            map_ = x + group * f[T.MAP_HEIGHT] * f[T.MAP_WIDTH] * self.line
        else:
            step, top = f[T.POOL_STRIDE_DOWN], f[T.POOL_TOP]
            first = (row * step - top).at_least(0)
            last = ((stop - 1) * step - top + f[T.POOL_DOWN]).at_most(f[T.MAP_HEIGHT])
            self._load("f32", x, slot + f[T.MAP_AT], self._map, channel, held, first, last)
            map_ = slot + f[T.MAP_AT] - first * f[T.MAP_WIDTH] * self.line
        out, switches = slot + f[T.POOLED_AT], slot + f[T.SWITCHES_AT]
        if structure.out_blocked:
            out = result + (group * f[T.OUT_HEIGHT] + row) * f[T.OUT_WIDTH] * self.line
        self._pool(map_, out, switches, group, row, stop)
        if not structure.out_blocked:
            self._store("f32", out, result, self._pooled, channel, held, row, stop)
        if structure.switch:
            channel = image * f[T.OUT_CHANNELS] + channel
            self._store(structure.switch, switches, f[T.SWITCHES], self._pooled, channel, held, row, stop)

    def _pool(self, map_: Number, out: Number, switches: Number, group: Number, row: Number, stop: Number) -> None:
        f, structure = self.f, self.structure
        operands = f[T.POOL_CHANNELS] + group * self.line
        PoolRows(self.e, f, structure.tile, structure.count_pad).emit(map_, out, switches, operands, row, stop)

    def _backward(self, slot: Number, group: Number, channel: Number, held: Number) -> None:
        f, structure = self.f, self.structure
        rows, height = f[T.OUT_HEIGHT], f[T.MAP_HEIGHT]
        start, switches, map_ = f[T.OUT_HEIGHT] * 0, slot + f[T.SWITCHES_AT], slot + f[T.MAP_AT]
        if structure.backward == "found":
            self._load("f32", f[T.X], map_, self._map, channel, held, start, height)
            self._pool(map_, slot + f[T.POOLED_AT], switches, group, start, rows)
            self._as_floats(switches)
        elif structure.switch:
            self._load(structure.switch, f[T.SWITCHES], switches, self._pooled, channel, held, start, rows)
        dy = slot + f[T.POOLED_AT]
        self._load("f32", f[T.WEIGHTS], dy, self._pooled, channel, held, start, rows)
        moving.emit_clear(self.e, [raw(map_), raw(f[T.MAP_VECTOR] // FLOAT_BYTES)])
        kind = structure.tile.kind
        SpreadRows(self.e, f, kind, structure.kernel, structure.count_pad).emit(map_, dy, switches)
        self._store("f32", map_, f[T.OUT], self._map, channel, held, start, height)

    def _as_floats(self, block: Number) -> None:
        """Positions found by the pool are integers; those that are read become floats."""
        e = self.e
        with self.f.each(0, self.f[T.POOLED_VECTOR] // self.line) as pixel:
            (at,) = e.pointers(raw(block + pixel * self.line))
            e.store(e.b.sitofp(e.load(at, kind=e.vector_i32), e.vector), at)

    @property
    def _map(self) -> tuple[Number, Number]:
        return self.f[T.MAP_HEIGHT], self.f[T.MAP_WIDTH]

    @property
    def _pooled(self) -> tuple[Number, Number]:
        return self.f[T.OUT_HEIGHT], self.f[T.OUT_WIDTH]

    def _plain(
        self, element: str, tensor: Number, size: tuple[Number, Number], channel: Number, row: Number, stop: Number
    ) -> tuple[Number, Number, Number]:
        """Address of the first row, number of pixels, distance of channels, of rows of a plain tensor."""
        bytes = moving.element_bytes(element)
        plane = size[0] * size[1]
        return tensor + (channel * plane + row * size[1]) * bytes, (stop - row) * size[1], plane * bytes

    def _load(
        self,
        element: str,
        tensor: Number,
        to: Number,
        size: tuple[Number, Number],
        channel: Number,
        held: Number,
        row: Number,
        stop: Number,
    ) -> None:
        address, pixels, pitch = self._plain(element, tensor, size, channel, row, stop)
        moving.emit_block(self.e, element, [raw(n) for n in (address, to, pixels, held, pitch)])

    def _store(
        self,
        element: str,
        block: Number,
        tensor: Number,
        size: tuple[Number, Number],
        channel: Number,
        held: Number,
        row: Number,
        stop: Number,
    ) -> None:
        address, pixels, pitch = self._plain(element, tensor, size, channel, row, stop)
        moving.emit_unblock(self.e, element, [raw(n) for n in (block, address, pixels, held, pitch)])


def emit_pool(structure: PoolStructure, builder: Any, args: Any, tid: Any, threads: Any) -> None:
    """The body of the kernel, for `kernel.emitted`; its table is `ConvTable`, with dy in place of weights."""
    PoolKernel(structure, builder, args, tid, threads).emit()
