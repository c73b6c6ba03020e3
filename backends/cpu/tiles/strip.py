"""The strip of a convolution: rows of all input channels, copied with zeros around them."""

from __future__ import annotations

from dataclasses import dataclass

from netlang.backends.cpu.tiles import moving
from netlang.backends.cpu.tiles.emitter import FLOAT_BYTES, Emitter
from netlang.backends.cpu.tiles.numbers import Frame, Number, raw


@dataclass(frozen=True)
class Strip:
    """Where input and strip have their rows. Distances are in bytes, sizes in elements.

    height, width      of the input
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
        with self.f.either(inside) as (filled, empty):
            with filled:
                low = s.left.at_least(0).at_most(s.row_width)
                skipped = (-s.left).at_least(0)
                count = (s.width - skipped).at_most(s.row_width - low).at_least(0)
                self.clear(to, low)
                source = plane + row * s.x_row + skipped * FLOAT_BYTES
                moving.emit_copy(self.e, [raw(n) for n in (to + low * FLOAT_BYTES, source, count)])
                self.clear(to + (low + count) * FLOAT_BYTES, s.row_width - low - count)
            with empty:
                self.clear(to, s.row_width)

    def clear(self, to: Number, count: Number) -> None:
        moving.emit_clear(self.e, [raw(to), raw(count)])
