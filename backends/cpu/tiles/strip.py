"""The strip of a convolution: rows of all input channels, copied with zeros around them (and between, if asked)."""

from __future__ import annotations

from dataclasses import dataclass

from netlang.backends.cpu.tiles import moving
from netlang.backends.cpu.tiles.emitter import FLOAT_BYTES, Emitter
from netlang.backends.cpu.tiles.numbers import Frame, Number, raw


@dataclass(frozen=True)
class Strip:
    """Where input and strip have their rows. Distances are in bytes, sizes in elements.

    height, width      of the input, spread out by `insert` if that is given: (down, across) elements apart
    top, left          rows and columns of zeros before the input; negative where the strip begins inside it
    """

    x_channel: Number
    x_row: Number
    height: Number
    width: Number
    top: Number
    left: Number
    row: Number
    channel: Number
    row_width: Number
    insert: tuple[Number, Number] | None = None


class StripFiller:
    """Writes the code that fills a strip."""

    def __init__(self, e: Emitter, f: Frame, strip: Strip) -> None:
        self.e, self.f, self.s = e, f, strip

    def fill(self, to: Number, x: Number, channels: Number, first: Number, rows: Number) -> None:
        """`rows` rows of `channels` channels of the image at `x`, from row `first` of the padded input on."""
        s = self.s
        with self.f.each(0, channels) as c, self.f.each(0, rows) as r:
            self._row(to + c * s.channel + r * s.row, x + c * s.x_channel, first - s.top + r)

    def _row(self, to: Number, plane: Number, row: Number) -> None:
        """Zeros, the input's row, zeros; nothing but zeros where the row is outside."""
        s = self.s
        inside = (row >= 0) & (row < s.height)
        if s.insert:
            inside = inside & (row.at_least(0) % s.insert[0]).equals(0)
        with self.f.either(inside) as (filled, empty):
            with filled:
                low = s.left.at_least(0).at_most(s.row_width)
                skipped = (-s.left).at_least(0)
                count = (s.width - skipped).at_most(s.row_width - low).at_least(0)
                self.clear(to, low)
                kept = row // s.insert[0] if s.insert else row
                self._copy(to + low * FLOAT_BYTES, plane + kept * s.x_row, skipped, count)
                self.clear(to + (low + count) * FLOAT_BYTES, s.row_width - low - count)
            with empty:
                self.clear(to, s.row_width)

    def clear(self, to: Number, count: Number) -> None:
        moving.emit_clear(self.e, [raw(to), raw(count)])

    def _copy(self, to: Number, source: Number, first: Number, count: Number) -> None:
        """`count` positions of a row from position `first` on."""
        if not self.s.insert:
            moving.emit_copy(self.e, [raw(n) for n in (to, source + first * FLOAT_BYTES, count)])
            return
        step = self.s.insert[1]
        self.clear(to, count)
        with self.f.each((first + step - 1) // step, (first + count + step - 1) // step) as i:
            kept, target = self.e.pointers(raw(source), raw(to))
            value = self.e.scalar(kept, raw(i * FLOAT_BYTES))
            self.e.store(value, target, raw((i * step - first) * FLOAT_BYTES))
