"""The strip of a convolution by lanes: for every vector of output channels, the input channels that its lanes need.

With groups an output channel reads few input channels. Plane q of a vector holds, in lane l, the q-th input channel of
the group that the vector's channel l is in, as [row][pixel][lanes] with zeros around. In a depthwise convolution there
is one plane, and it is a block of the input.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from llvmlite import ir

from netlang.backends.cpu.tiles import moving
from netlang.backends.cpu.tiles.emitter import FLOAT_BYTES, I64, Emitter
from netlang.backends.cpu.tiles.numbers import Frame, Number, raw
from netlang.backends.cpu.tiles.strip import Strip


@dataclass(frozen=True)
class LaneSource:
    """Where lanes find their input: `inputs` and `outputs` are channels of one group; `blocked` is how x is stored."""

    lanes: int
    inputs: int
    outputs: int
    blocked: bool

    @property
    def span(self) -> int:
        """Input channels of the groups of one vector, where whole groups make a vector."""
        return self.lanes // self.outputs * self.inputs

    @property
    def readable(self) -> bool:
        """Whether every vector finds its input in one block of channels."""
        return self.lanes % self.outputs == 0 and self.lanes % self.span == 0

    @property
    def same(self) -> bool:
        """Whether the only plane of a vector is the block of the same number."""
        return self.blocked and self.inputs == self.outputs == 1


class LaneStripFiller:
    """Writes the code that fills the planes of one vector; widths of the strip are in pixels of `lanes` floats."""

    def __init__(self, e: Emitter, f: Frame, strip: Strip, source: LaneSource) -> None:
        self.e, self.f, self.s, self.source = e, f, strip, source
        self.line = e.lanes * FLOAT_BYTES

    def fill(self, to: Number, x: Number, channels: Number, vector: Number, first: Number, rows: Number) -> None:
        """`rows` rows of the image at `x`, which has so many channels, from row `first` of the padded input on."""
        if self.source.blocked:
            self._rows(to, first, rows, self.source.inputs, partial(self._move, self._block(x, vector)))
            return
        with self.f.each(0, self.source.inputs) as plane:
            addresses = self._addresses(x, channels, vector, plane)
            self._rows(to + plane * self.s.channel, first, rows, 1, partial(self._transpose, addresses))

    def _rows(
        self,
        to: Number,
        first: Number,
        rows: Number,
        planes: int,
        move: Callable[[Number, tuple[Number, Number], Number], None],
    ) -> None:
        """Zeros, the input's pixels, zeros; nothing but zeros where a row is outside."""
        f, s = self.f, self.s
        with f.each(0, rows) as r:
            at, row = to + r * s.row, first - s.top + r
            with f.either((row >= 0) & (row < s.height)) as (filled, empty):
                with filled:
                    low = s.left.at_least(0).at_most(s.row_width)
                    skipped = (-s.left).at_least(0)
                    count = (s.width - skipped).at_most(s.row_width - low).at_least(0)
                    self._clear(at, low, planes)
                    move(at + low * self.line, (row, skipped), count)
                    self._clear(at + (low + count) * self.line, s.row_width - low - count, planes)
                with empty:
                    self._clear(at, s.row_width, planes)

    def _clear(self, at: Number, pixels: Number, planes: int) -> None:
        with self.f.each(0, planes) as plane:
            moving.emit_clear(self.e, [raw(at + plane * self.s.channel), raw(pixels * self.e.lanes)])

    # ---- from blocks

    def _block(self, x: Number, vector: Number) -> Number:
        """Where the first input channel of a vector is."""
        if self.source.span == self.e.lanes:
            return x + vector * self.s.x_channel
        channel = vector * self.source.span
        return x + channel // self.e.lanes * self.s.x_channel + channel % self.e.lanes * FLOAT_BYTES

    def _move(self, start: Number, at: Number, place: tuple[Number, Number], count: Number) -> None:
        e, source = self.e, self.source
        address = start + place[0] * self.s.x_row + place[1] * self.line
        if source.same:
            moving.emit_copy(e, [raw(n) for n in (at, address, count * e.lanes)])
            return
        mask = e.prefix_mask(I64(source.span))

        def pixel(pointers: list[Any], _: list[Any]) -> None:
            channels = e.load_masked(mask, pointers[0])
            for plane in range(source.inputs):
                order = [lane // source.outputs * source.inputs + plane for lane in range(e.lanes)]
                chosen = e.b.shuffle_vector(channels, e.undefined, ir.Constant(e.vector_i32, order))
                e.store(chosen, pointers[1], e.mul(plane, raw(self.s.channel)))

        e.loop(raw(count), e.pointers(raw(address), raw(at)), [e.line, e.line], [], pixel, guarded=True)

    # ---- from planes of channels

    def _addresses(self, x: Number, channels: Number, vector: Number, plane: Number) -> list[Number]:
        """The first pixel of every lane's channel; lanes beyond the last channel get that one's."""
        source = self.source
        found = []
        for lane in range(self.e.lanes):
            channel = (vector * self.e.lanes + lane) // source.outputs * source.inputs + plane
            found.append(x + channel.at_most(channels - 1) * self.s.x_channel)
        return found

    def _transpose(self, addresses: Sequence[Number], at: Number, place: tuple[Number, Number], count: Number) -> None:
        """`count` pixels of a row, from as many planes as there are lanes."""
        e = self.e
        start = place[0] * self.s.x_row + place[1] * FLOAT_BYTES
        pixels = (count + (e.lanes - 1)) // e.lanes

        def chunk(pointers: list[Any], state: list[Any]) -> list[Any]:
            left, offset = state
            mask = e.prefix_mask(left)
            rows = [e.load_masked(mask, p, offset) for p in e.pointers(*map(raw, addresses))]
            moving.store_pixels(e, e.transpose(rows), pointers[0], left, e.line)
            return [e.b.sub(left, I64(e.lanes)), e.b.add(offset, I64(e.line))]

        state = [raw(count), raw(start)]
        e.loop(raw(pixels), e.pointers(raw(at)), [e.lanes * e.line], state, chunk, guarded=True)
