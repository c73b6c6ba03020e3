"""Walking over the windows of a pool inside a kernel: those that lie in the map whole, and those its edges cut off.

The map is blocked: [row][column][lanes]. Sizes come from the kernel's `ConvTable`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from netlang.backends.cpu.tiles.conv_table import ConvTable as T
from netlang.backends.cpu.tiles.emitter import FLOAT_BYTES, Emitter
from netlang.backends.cpu.tiles.numbers import Frame, Number


@dataclass(frozen=True)
class Window:
    """Taps that exist: `rows` times `columns` from map row `row` and column `column` on.

    `position` is the number of the first of them in the window, `divisor` what a mean over the window divides by.
    """

    row: Number
    column: Number
    rows: Number
    columns: Number
    position: Number
    divisor: Number


class WindowRows(ABC):
    """Walks over pooled rows; `whole` and `cut` are what is done there."""

    def __init__(self, e: Emitter, f: Frame, count_pad: bool) -> None:
        self.e, self.f, self.count_pad = e, f, count_pad
        self.line = e.lanes * FLOAT_BYTES

    @abstractmethod
    def whole(self, top: Number, row: Number, first: Number, count: Number) -> None:
        """`count` windows of pooled row `row`, from column `first` on, whose taps all exist; the first row is `top`."""

    @abstractmethod
    def cut(self, row: Number, column: Number, window: Window) -> None:
        """One window, perhaps without some of its taps."""

    def walk_row(self, row: Number) -> None:
        """Windows cut off on the left, whole ones, windows cut off on the right."""
        f = self.f
        step, left = f[T.POOL_STRIDE_ACROSS], f[T.POOL_LEFT]
        top, count = row * f[T.POOL_STRIDE_DOWN] - f[T.POOL_TOP], f[T.OUT_WIDTH]
        room = f[T.MAP_WIDTH] + left - f[T.POOL_ACROSS]
        begin = ((left + step - 1) // step).at_most(count)
        end = (room >= 0).choose((room.at_least(0) // step + 1).at_most(count), 0).at_least(begin)
        whole = (top >= 0) & (top + f[T.POOL_DOWN] <= f[T.MAP_HEIGHT])
        begin, end = whole.choose(begin, count), whole.choose(end, count)
        with f.each(0, begin) as column:
            self.cut(row, column, self._window(top, column))
        self.whole(top, row, begin, end - begin)
        with f.each(end, count) as column:
            self.cut(row, column, self._window(top, column))

    def _window(self, top: Number, column: Number) -> Window:
        f = self.f
        left = column * f[T.POOL_STRIDE_ACROSS] - f[T.POOL_LEFT]
        r0, c0 = top.at_least(0), left.at_least(0)
        rows = (top + f[T.POOL_DOWN]).at_most(f[T.MAP_HEIGHT]) - r0
        columns = (left + f[T.POOL_ACROSS]).at_most(f[T.MAP_WIDTH]) - c0
        position = (r0 - top) * f[T.POOL_ACROSS] + c0 - left
        return Window(r0, c0, rows, columns, position, self._divisor(top, left) if self.count_pad else rows * columns)

    def _divisor(self, top: Number, left: Number) -> Number:
        """How many taps a mean divides by; padding counts, what lies beyond it does not."""
        f = self.f
        bottom = (top + f[T.POOL_DOWN]).at_most(f[T.MAP_HEIGHT] + f[T.POOL_BOTTOM])
        right = (left + f[T.POOL_ACROSS]).at_most(f[T.MAP_WIDTH] + f[T.POOL_RIGHT])
        return (bottom - top) * (right - left)
