"""Patches of a tensor of any layout through a transform of both axes: what Winograd's convolutions are made from."""

from __future__ import annotations

from dataclasses import dataclass

from netlang.backends.common.winograd import Axis, both_axes
from netlang.backends.cpu.tiles import moving
from netlang.backends.cpu.tiles.emitter import FLOAT_BYTES, Emitter
from netlang.backends.cpu.tiles.numbers import Condition, Frame, Number, raw


@dataclass(frozen=True)
class PatchSource:
    """A tensor [N, C, height, width] that is cut into patches of `size` by `size`, `step` apart.

    address, image     of the first element, and from one image to the next, in bytes
    channels           of which `blocked` ones have `lanes` side by side
    top, left          rows and columns before the first of the tensor that the first patches begin with
    down, across       patches in a column and in a row
    strip, strip_row   memory for some rows of patches with zeros around them, [size][...][lanes]
    """

    address: Number
    image: Number
    channels: Number
    height: Number
    width: Number
    top: Number | int
    left: Number | int
    down: Number
    across: Number
    strip: Number
    strip_row: Number
    size: int
    step: int
    blocked: bool


class PatchTransform:
    """Writes the code. Patches that reach beyond the tensor, and all of a plain one, are read from the strip."""

    def __init__(self, e: Emitter, f: Frame, source: PatchSource, axis: Axis, position: Number) -> None:
        self.e, self.f, self.s, self.axis, self.position = e, f, source, axis, position

    def emit(self, to: Number, block: Number, first: Number, last: Number, pitch: int) -> None:
        """Patches `first` to `last`, counted through all images, of one block of channels; the results of neighbouring
        patches are `pitch` bytes apart, those of neighbouring positions `position`."""
        f, s = self.f, self.s
        with f.each(first // s.across, (last - 1) // s.across + 1) as line:
            begin, end = (line * s.across).at_least(first), ((line + 1) * s.across).at_most(last)
            at = to + (begin - first) * pitch
            image, row = line // s.down, line % s.down * s.step - s.top
            column = (begin - line * s.across) * s.step - s.left
            plane = s.address + image * s.image + block * (s.height * s.width * self.e.line)
            if s.blocked:
                with f.each(0, end - begin) as k:
                    self._blocked(plane, row, column + k * s.step, at + k * pitch)
            else:
                self._fill(plane, block, row, column, (end - begin) * s.step + (s.size - s.step))
                with f.each(0, end - begin) as k:
                    self._patch(s.strip + k * (s.step * self.e.line), s.strip_row, at + k * pitch)

    def _blocked(self, plane: Number, row: Number, column: Number, to: Number) -> None:
        f, s, line = self.f, self.s, self.e.line
        inside = self._inside(row, s.height) & self._inside(column, s.width)
        with f.either(inside) as (whole, beyond):
            with whole:
                self._patch(plane + (row * s.width + column) * line, s.width * line, to)
            with beyond:
                self._fill(plane, None, row, column, s.size)
                self._patch(s.strip, s.strip_row, to)

    def _inside(self, first: Number, held: Number) -> Condition:
        return (first >= 0) & (first + self.s.size <= held)

    def _fill(self, plane: Number, block: Number | None, row: Number, column: Number, width: Number | int) -> None:
        """The strip: rows from `row` on, `width` pixels from `column` on, with zeros where the tensor has none. `block`
        is that of the channels of a plain tensor."""
        f, e, s = self.f, self.e, self.s
        with f.each(0, s.size) as r:
            to, y = s.strip + r * s.strip_row, row + r
            low = (-column).at_least(0).at_most(width)
            start = column.at_least(0)
            held = (s.width - start).at_most(width - low).at_least(0)
            held = ((y >= 0) & (y < s.height)).choose(held, 0)
            moving.emit_clear(e, [raw(to), raw(low * e.lanes)])
            moving.emit_clear(e, [raw(to + (low + held) * e.line), raw((width - low - held) * e.lanes)])
            place = y * s.width + start
            if block is None:
                values = (to + low * e.line, plane + place * e.line, held * e.lanes)
                moving.emit_copy(e, [raw(n) for n in values])
            else:
                channels = s.channels - block * e.lanes
                values_plain = (plane + place * FLOAT_BYTES, to + low * e.line, held, channels)
                pitch = s.height * s.width * FLOAT_BYTES
                moving.emit_block(e, "f32", [raw(n) for n in (*values_plain, pitch)])

    def _patch(self, source: Number, row: Number, to: Number) -> None:
        """Transform one patch, whose rows are `row` apart."""
        e, size = self.e, self.s.size
        rows = e.pointers(*[raw(source + row * i) for i in range(size)])
        (at,) = e.pointers(raw(to))
        position = raw(self.position)
        for line in both_axes(self.axis, (size, size), lambda i, j: e.load(rows[i], j * e.line)):
            for value in line:
                e.store(value, at)
                at = e.at(at, position)
