"""The transposes of pools inside a kernel: what each window got goes back to its taps, on blocks of lanes."""

from __future__ import annotations

from typing import Any

from netlang.backends.cpu.tiles.conv_table import ConvTable as T
from netlang.backends.cpu.tiles.emitter import F32, Emitter
from netlang.backends.cpu.tiles.numbers import Frame, Number, raw
from netlang.backends.cpu.tiles.pool_tile import window_if_small
from netlang.backends.cpu.tiles.window_rows import Window, WindowRows


class SpreadRows(WindowRows):
    """Adds a block of pooled gradients to a block of the map.

    kind: `switch` (to the tap whose number the second block holds, as floats), `sum` (to all taps), `mean`
    """

    def __init__(self, e: Emitter, f: Frame, kind: str, kernel: tuple[int, int], count_pad: bool) -> None:
        super().__init__(e, f, count_pad)
        self.kind, self.window = kind, window_if_small(*kernel)

    def emit(self, map_: Number, dy: Number, switches: Number) -> None:
        """All windows of the blocks at these addresses."""
        self.map, self.dy, self.switches = map_, dy, switches
        with self.f.each(0, self.f[T.OUT_HEIGHT]) as row:
            self.walk_row(row)

    def whole(self, top: Number, row: Number, first: Number, count: Number) -> None:
        f = self.f
        down, across = f[T.POOL_DOWN], f[T.POOL_ACROSS]
        with f.each(first, first + count) as column:
            left = column * f[T.POOL_STRIDE_ACROSS] - f[T.POOL_LEFT]
            window = Window(top, left, down, across, down * 0, down * across)
            if self.window is None:
                self.cut(row, column, window)
            else:
                self._unrolled(row, column, window)

    def _unrolled(self, row: Number, column: Number, window: Window) -> None:
        assert self.window is not None
        dy, switch = self._pooled(row, column, window)
        for r in range(self.window[0]):
            for c in range(self.window[1]):
                tap = self.e.constant(r * self.window[1] + c)
                self._add(window.row + r, window.column + c, dy, switch, tap)

    def cut(self, row: Number, column: Number, window: Window) -> None:
        f, e = self.f, self.e
        dy, switch = self._pooled(row, column, window)
        with f.each(0, window.rows) as r, f.each(0, window.columns) as c:
            number = window.position + r * f[T.POOL_ACROSS] + c
            tap = e.splat(e.b.sitofp(raw(number), F32))
            self._add(window.row + r, window.column + c, dy, switch, tap)

    def _pooled(self, row: Number, column: Number, window: Window) -> tuple[Any, Any]:
        """What a window got, and its position."""
        e = self.e
        place = (row * self.f[T.OUT_WIDTH] + column) * self.line
        dy_at, switch_at = e.pointers(raw(self.dy + place), raw(self.switches + place))
        dy = e.load(dy_at)
        if self.kind == "mean":
            dy = e.b.fdiv(dy, e.splat(e.b.sitofp(raw(window.divisor), F32)))
        return dy, e.load(switch_at) if self.kind == "switch" else None

    def _add(self, row: Number, column: Number, dy: Any, switch: Any, tap: Any) -> None:
        e = self.e
        (at,) = e.pointers(raw(self.map + (row * self.f[T.MAP_WIDTH] + column) * self.line))
        if switch is not None:
            dy = e.b.select(e.b.fcmp_ordered("==", switch, tap), dy, e.zero)
        e.store(e.b.fadd(e.load(at), dy), at)
