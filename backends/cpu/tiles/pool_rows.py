"""Pooling of blocked map rows inside a kernel: whole windows by one tile, those cut off at an edge by another."""

from __future__ import annotations

from dataclasses import replace

from netlang.backends.cpu.tiles.conv_table import ConvTable as T
from netlang.backends.cpu.tiles.emitter import FLOAT_BYTES, Emitter
from netlang.backends.cpu.tiles.numbers import Frame, Number, raw
from netlang.backends.cpu.tiles.pool_tile import PoolTile, emit_pool_tile


class PoolRows:
    """Pools the map rows of one group into the slot's pooled rows (and positions)."""

    def __init__(self, e: Emitter, f: Frame, pool: PoolTile, vectors: int, count_pad: bool) -> None:
        self.e, self.f, self.pool, self.vectors, self.count_pad = e, f, pool, vectors, count_pad
        self.line = pool.lanes * FLOAT_BYTES
        self.edge = replace(pool, window=None)

    def emit(self, slot: Number, group: Number, first: Number, row: Number, stop: Number) -> None:
        """Result rows `row` to `stop`, of a map that is held from row `first` on."""
        f = self.f
        operands = f[T.POOL_CHANNELS] + group * (self.vectors * self.line)
        with f.each(0, self.vectors) as v, f.each(row, stop) as r:
            offset = v * f[T.POOLED_VECTOR] + (r - row) * f[T.OUT_WIDTH] * self.line
            self.operands = operands + v * self.line
            self.rows_at = slot + f[T.MAP_AT] + v * f[T.MAP_VECTOR]
            self.out, self.switches = slot + f[T.POOLED_AT] + offset, slot + f[T.SWITCHES_AT] + offset
            self._row(first, r)

    def _row(self, first: Number, row: Number) -> None:
        """One pooled row of one vector: windows cut off on the left, whole ones, windows cut off on the right."""
        f = self.f
        step, left, down, across = f[T.POOL_STRIDE_ACROSS], f[T.POOL_LEFT], f[T.POOL_DOWN], f[T.POOL_ACROSS]
        top, count = row * f[T.POOL_STRIDE_DOWN] - f[T.POOL_TOP], f[T.OUT_WIDTH]
        room = f[T.MAP_WIDTH] + left - across
        begin = ((left + step - 1) // step).at_most(count)
        end = (room >= 0).choose((room.at_least(0) // step + 1).at_most(count), 0).at_least(begin)
        whole = (top >= 0) & (top + down <= f[T.MAP_HEIGHT])
        begin, end = whole.choose(begin, count), whole.choose(end, count)
        with f.each(0, begin) as column:
            self._cut(first, top, column)
        source_row = f[T.MAP_WIDTH] * self.line
        source = self.rows_at + (top - first) * source_row + (begin * step - left) * self.line
        at = begin * self.line
        self._tile(self.pool, source, step * self.line, end - begin, down, across, at, 0, down * across)
        with f.each(end, count) as column:
            self._cut(first, top, column)

    def _cut(self, first: Number, top: Number, column: Number) -> None:
        """One window that may be cut off by the map's edge."""
        f = self.f
        left = column * f[T.POOL_STRIDE_ACROSS] - f[T.POOL_LEFT]
        r0, c0 = top.at_least(0), left.at_least(0)
        rows = (top + f[T.POOL_DOWN]).at_most(f[T.MAP_HEIGHT]) - r0
        columns = (left + f[T.POOL_ACROSS]).at_most(f[T.MAP_WIDTH]) - c0
        source = self.rows_at + ((r0 - first) * f[T.MAP_WIDTH] + c0) * self.line
        position = (r0 - top) * f[T.POOL_ACROSS] + c0 - left
        divisor = self._divisor(top, left) if self.count_pad else rows * columns
        self._tile(self.edge, source, 0, 1, rows, columns, column * self.line, position, divisor)

    def _divisor(self, top: Number, left: Number) -> Number:
        """How many taps a mean divides by; padding counts, what lies beyond it does not."""
        f = self.f
        bottom = (top + f[T.POOL_DOWN]).at_most(f[T.MAP_HEIGHT] + f[T.POOL_BOTTOM])
        right = (left + f[T.POOL_ACROSS]).at_most(f[T.MAP_WIDTH] + f[T.POOL_RIGHT])
        return (bottom - top) * (right - left)

    def _tile(
        self,
        tile: PoolTile,
        source: Number,
        step: Number | int,
        pixels: Number | int,
        rows: Number,
        columns: Number,
        at: Number,
        position: Number | int,
        divisor: Number,
    ) -> None:
        f = self.f
        source_row = f[T.MAP_WIDTH] * self.line
        values = (
            source, source_row, step, pixels, rows, columns, self.out + at, self.switches + at, position,
            f[T.POOL_ACROSS], divisor, self.operands, f[T.CHANNEL_PITCH],
        )  # fmt: skip
        emit_pool_tile(self.e, tile, [raw(v) for v in values])
