"""The input transform of Winograd's convolution: patches of the input, in any layout, into V."""

from __future__ import annotations

from netlang.backends.cpu.tiles import moving
from netlang.backends.cpu.tiles.emitter import FLOAT_BYTES, Emitter
from netlang.backends.cpu.tiles.numbers import Frame, Number, raw
from netlang.backends.cpu.tiles.winograd_table import WinogradStructure
from netlang.backends.cpu.tiles.winograd_table import WinogradTable as T
from netlang.backends.cpu.tiles.winograd_transform import both_axes, input_axis


class InputTransform:
    """Writes the code. Patches that reach beyond the input, and all of a plain one, are read from a strip."""

    def __init__(self, e: Emitter, f: Frame, structure: WinogradStructure) -> None:
        self.e, self.f, self.s = e, f, structure

    def emit(self, slot: Number, first: Number, last: Number) -> None:
        """V of patches `first` to `last`, for all channels."""
        f, lanes = self.f, self.e.lanes
        across = f[T.ACROSS]
        blocks = (f[T.IN_CHANNELS] + (lanes - 1)) // lanes
        with f.each(0, blocks) as block, f.each(first // across, (last - 1) // across + 1) as line:
            begin, end = (line * across).at_least(first), ((line + 1) * across).at_most(last)
            v = slot + block * f[T.V_BLOCK] + (begin - first) * self.e.line
            image, row = line // f[T.DOWN], line % f[T.DOWN] * self.s.m - f[T.PAD_TOP]
            column = (begin - line * across) * self.s.m - f[T.PAD_LEFT]
            plane = f[T.X] + image * f[T.X_IMAGE] + block * (f[T.IN_HEIGHT] * f[T.IN_WIDTH] * self.e.line)
            if self.s.x_blocked:
                with f.each(0, end - begin) as k:
                    self._blocked(slot, plane, row, column + k * self.s.m, v + k * self.e.line)
            else:
                self._fill(slot, plane, block, row, column, (end - begin) * self.s.m + 2)
                with f.each(0, end - begin) as k:
                    strip = slot + f[T.STRIP_AT] + k * (self.s.m * self.e.line)
                    self._patch(strip, f[T.STRIP_ROW], v + k * self.e.line)

    def _blocked(self, slot: Number, plane: Number, row: Number, column: Number, v: Number) -> None:
        """One patch of a blocked input."""
        f, size, line = self.f, self.s.size, self.e.line
        down, across = (row >= 0) & (row + size <= f[T.IN_HEIGHT]), (column >= 0) & (column + size <= f[T.IN_WIDTH])
        with f.either(down & across) as (inside, beyond):
            with inside:
                self._patch(plane + (row * f[T.IN_WIDTH] + column) * line, f[T.IN_WIDTH] * line, v)
            with beyond:
                self._fill(slot, plane, None, row, column, size)
                self._patch(slot + f[T.STRIP_AT], f[T.STRIP_ROW], v)

    def _fill(
        self, slot: Number, plane: Number, block: Number | None, row: Number, column: Number, width: Number | int
    ) -> None:
        """Input rows from `row` on, `width` pixels from `column` on, with zeros where there is no input. `block` is
        that of the channels of a plain input."""
        f, e = self.f, self.e
        with f.each(0, self.s.size) as r:
            to, y = slot + f[T.STRIP_AT] + r * f[T.STRIP_ROW], row + r
            low = (-column).at_least(0).at_most(width)
            start = column.at_least(0)
            held = (f[T.IN_WIDTH] - start).at_most(width - low).at_least(0)
            held = ((y >= 0) & (y < f[T.IN_HEIGHT])).choose(held, 0)
            moving.emit_clear(e, [raw(to), raw(low * e.lanes)])
            moving.emit_clear(e, [raw(to + (low + held) * e.line), raw((width - low - held) * e.lanes)])
            place = y * f[T.IN_WIDTH] + start
            if block is None:
                values = (to + low * e.line, plane + place * e.line, held * e.lanes)
                moving.emit_copy(e, [raw(n) for n in values])
            else:
                channels = f[T.IN_CHANNELS] - block * e.lanes
                pitch = f[T.IN_HEIGHT] * f[T.IN_WIDTH] * FLOAT_BYTES
                values_plain = (plane + place * FLOAT_BYTES, to + low * e.line, held, channels, pitch)
                moving.emit_block(e, "f32", [raw(n) for n in values_plain])

    def _patch(self, source: Number, row: Number, v: Number) -> None:
        """Transform one patch, whose rows are `row` apart."""
        e, size = self.e, self.s.size
        rows = e.pointers(*[raw(source + row * i) for i in range(size)])
        (to,) = e.pointers(raw(v))
        position = raw(self.f[T.V_POSITION])
        for line in both_axes(e, self.s.m, input_axis, (size, size), lambda i, j: e.load(rows[i], j * e.line)):
            for value in line:
                e.store(value, to)
                to = e.at(to, position)
