"""Max pools with small windows on blocked map rows: neighbouring windows share the maxima of their columns.

A window that an edge of the map cuts off reads the nearest row or column once more. That changes no maximum, so that
all windows are of one size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from netlang.backends.cpu.tiles.conv_table import ConvTable as T
from netlang.backends.cpu.tiles.emitter import FLOAT_BYTES, Emitter
from netlang.backends.cpu.tiles.epilogue import apply
from netlang.backends.cpu.tiles.numbers import Frame, Number, raw
from netlang.backends.cpu.tiles.pool_tile import PoolTile

Column = tuple[Any, Any]
"""The largest of some taps that are not NaN, and the lanes in which one is NaN. A compare finds NaN in two taps at
once, while a maximum that keeps NaN would take three instructions a tap."""


class MaxRows:
    """Writes the code for a pool that is `shared`."""

    def __init__(self, e: Emitter, f: Frame, pool: PoolTile) -> None:
        assert pool.window is not None
        self.e, self.f, self.pool = e, f, pool
        self.down, self.across = pool.window
        self.line = e.lanes * FLOAT_BYTES

    def emit(self, map_: Number, out: Number, operands: Number, row: Number) -> None:
        """Result row `row` at `out`, of the map whose row 0 is, or would be, at `map_`."""
        f, step = self.f, self.pool.stride
        top, left, count = row * f[T.POOL_STRIDE_DOWN] - f[T.POOL_TOP], f[T.POOL_LEFT], f[T.OUT_WIDTH]
        (self.operands,) = self.e.pointers(raw(operands))
        places = [_nearest(top + i, f[T.MAP_HEIGHT]) * f[T.MAP_WIDTH] * self.line for i in range(self.down)]
        rows = self.e.pointers(*[raw(map_ + place) for place in places])
        room = f[T.MAP_WIDTH] + left - self.across
        begin = ((left + (step - 1)) // step).at_most(count)
        end = (room >= 0).choose((room.at_least(0) // step + 1).at_most(count), 0).at_least(begin)
        for low, high in ((begin * 0, begin), (end, count)):
            with f.each(low, high) as column:
                self._edge(rows, column * step - left, out + column * self.line)
        with f.when(end > begin):
            self._whole(rows, begin * step - left, end - begin, out + begin * self.line)

    def _edge(self, rows: Sequence[Any], first: Number, out: Number) -> None:
        """One window whose first column is `first`, which may lie outside of the map as others may."""
        places = [raw(_nearest(first + j, self.f[T.MAP_WIDTH]) * self.line) for j in range(self.across)]
        self._store([self._column(rows, place) for place in places], *self.e.pointers(raw(out)))

    def _whole(self, rows: Sequence[Any], first: Number, count: Number, out: Number) -> None:
        """`count` windows, the first of which begins at column `first`."""
        e, kept = self.e, max(0, self.across - self.pool.stride)
        rows = [e.at(row, raw(first * self.line)) for row in rows]
        held = [part for c in range(kept) for part in self._column(rows, c * self.line)]
        starts = [*(e.at(row, kept * self.line) for row in rows), *e.pointers(raw(out))]

        def window(pointers: list[Any], held: list[Any]) -> list[Any]:
            columns = list(zip(held[::2], held[1::2], strict=True))
            columns += [self._column(pointers[:-1], c * self.line) for c in range(self.across - kept)]
            self._store(columns, pointers[-1])
            return [part for column in columns[self.across - kept :] for part in column]

        e.loop(raw(count), starts, [self.pool.stride * self.line] * self.down + [self.line], held, window)

    def _column(self, rows: Sequence[Any], place: Any) -> Column:
        """The taps of one column of a window, `place` bytes after the start of each row."""
        e = self.e
        taps = [e.load(row, place) for row in rows]
        best = taps[0]
        for tap in taps[1:]:
            best = e.maximum(best, tap)
        pairs = [(taps[i], taps[min(i + 1, len(taps) - 1)]) for i in range(0, len(taps), 2)]
        missing = [e.b.fcmp_unordered("uno", x, y) for x, y in pairs]
        return best, self._any(missing)

    def _any(self, masks: Sequence[Any]) -> Any:
        found = masks[0]
        for mask in masks[1:]:
            found = self.e.b.or_(found, mask)
        return found

    def _store(self, columns: Sequence[Column], out: Any) -> None:
        e = self.e
        best = columns[0][0]
        for value, _ in columns[1:]:
            best = e.maximum(best, value)
        best = e.b.select(self._any([missing for _, missing in columns]), e.constant(float("nan")), best)
        pitch = raw(self.f[T.CHANNEL_PITCH])
        channel = [lambda k=k: e.load(self.operands, e.mul(k, pitch)) for k in range(len(self.pool.epilogue))]
        e.store(apply(e, self.pool.epilogue, best, channel, []), out)


def _nearest(index: Number, size: Number) -> Number:
    """The row or column of the map nearest to a place that may lie outside."""
    return index.at_most(size - 1).at_least(0)
