"""A convolution to few channels: vectors along the rows of the map, every weight broadcast, the pool in registers.

Where channels would fill less than half of a vector, pixels fill it: a tile is all output channels of `ROWS` rows by
some vectors of pixels. Table, tasks and strip are those of the direct kernel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from llvmlite import ir

from netlang.backends.cpu.tiles.conv_kernel import ConvKernel
from netlang.backends.cpu.tiles.conv_table import ConvStructure
from netlang.backends.cpu.tiles.conv_table import ConvTable as T
from netlang.backends.cpu.tiles.emitter import FLOAT_BYTES, I8
from netlang.backends.cpu.tiles.epilogue import Operand, apply
from netlang.backends.cpu.tiles.numbers import Number, raw

ROWS = 2
"""Rows of a tile: as many as the window of the pool has."""


@dataclass(frozen=True)
class RowStructure:
    """`conv` is what the direct kernel would be; `inputs` and `outputs` are channels; `columns` are vectors of pixels.

    A pool, if there is one, is the maximum of two by two; only without one are there tensors.
    """

    conv: ConvStructure
    inputs: int
    outputs: int
    columns: int

    @property
    def key(self) -> str:
        return f"conv:{self!r}"


class RowKernel(ConvKernel):
    """Writes the kernel of one structure; a task has no map in scratch memory, tiles write the result."""

    def __init__(self, structure: RowStructure, builder: Any, args: Any, tid: Any, threads: Any) -> None:
        super().__init__(structure.conv, builder, args, tid, threads)
        self.own = structure
        self.pixels = structure.columns * self.lanes

    def _map_rows(self, row: Number, stop: Number) -> tuple[Number, Number]:
        first, last = super()._map_rows(row, stop)
        return first.at_most(last - ROWS), last

    def _run_tiles(self, x: Number, slot: Number, image: Number, group: Number, first: Number, count: Number) -> None:
        """`count` map rows; the last ones may overlap their neighbours."""
        f = self.f
        with f.each(0, (count + (ROWS - 1)) // ROWS) as r:
            row = (r * ROWS).at_most(count - ROWS)
            with f.each(0, (f[T.MAP_WIDTH] + (self.pixels - 1)) // self.pixels) as q:
                column = q * self.pixels
                sums = self._sums(x, row, column)
                if self.structure.pool is None:
                    self._store(sums, image, first + row, column)
                else:
                    self._store_pooled(sums, image, (first + row) // ROWS, column)

    def _load_tensors(self, to: Number, image: Number, group: Number, first: Number, last: Number) -> None:
        """Nothing to do: tiles read tensors where they are."""

    def _finish(self, slot: Number, image: Number, group: Number, first: Number, row: Number, stop: Number) -> None:
        """Nothing is left to do: tiles have written the result."""

    def _sums(self, x: Number, row: Number, column: Number) -> list[Any]:
        """The sums of a tile: of each channel, each row, each vector."""
        e, f, own = self.e, self.f, self.own
        stripped = self.structure.stripped
        x_row = f[T.STRIP_ROW] if stripped else f[T.X_ROW]
        x_channel = f[T.STRIP_CHANNEL] if stripped else f[T.X_CHANNEL]
        x_step = raw(f[T.STRIDE_DOWN] * x_row)
        masks = [e.prefix_mask(raw(f[T.MAP_WIDTH] - column - v * self.lanes)) for v in range(own.columns)]
        start = x + row * f[T.STRIDE_DOWN] * x_row + column * FLOAT_BYTES

        def tap(pointers: list[Any], sums: list[Any]) -> Sequence[Any]:
            # Without the fence weights of several taps are loaded at once, and registers spilled.
            e.fence()
            rows = [e.at(pointers[0], e.mul(r, x_step)) for r in range(ROWS)]
            pixels = [e.load_masked(masks[v], at, v * self.line) for at in rows for v in range(own.columns)]
            weights = (e.broadcast(pointers[1], o * FLOAT_BYTES) for o in range(own.outputs))
            factors = [(pixel, weight) for weight in weights for pixel in pixels]
            return [e.fma(*pair, total) for pair, total in zip(factors, sums, strict=True)]

        def channels(pointers: list[Any], sums: list[Any]) -> Sequence[Any]:
            # A number that is known would be unrolled, and registers spilled.
            count = raw(f[T.GROUP_CHANNELS]) if own.inputs > 1 else 1
            return e.loop(count, pointers, [raw(x_channel), self.line], sums, tap)

        def across(pointers: list[Any], sums: list[Any]) -> Sequence[Any]:
            strides = [raw(f[T.ACROSS]), own.inputs * self.line]
            return e.loop(raw(f[T.TAPS_ACROSS]), pointers, strides, sums, channels)

        strides = [raw(f[T.DILATION_DOWN] * x_row), raw(f[T.TAPS_ACROSS] * (own.inputs * self.line))]
        sums = [e.zero] * (own.outputs * ROWS * own.columns)
        return e.loop(raw(f[T.TAPS_DOWN]), e.pointers(raw(start), raw(f[T.WEIGHTS])), strides, sums, across)

    def _channel(self, table: T, output: int) -> list[Any]:
        """Loads of the per-channel operands of one output channel."""
        (base,) = self.e.pointers(raw(self.f[table]))
        pitch = raw(self.f[T.CHANNEL_PITCH])

        def operand(k: int) -> Any:
            return lambda: self.e.broadcast(base, self.e.add(self.e.mul(k, pitch), output * FLOAT_BYTES))

        return [operand(k) for k in range(self.structure.channel_operands)]

    def _finished(self, sums: Sequence[Any], output: int, tensors: Sequence[Sequence[Operand]] = ()) -> list[Any]:
        """The vectors of one output channel after the steps that come before the pool; `tensors` are those of each."""
        own = self.own
        size = ROWS * own.columns
        channel = self._channel(T.CHANNELS, output)
        values = sums[output * size : (output + 1) * size]
        return [
            apply(self.e, self.tile.epilogue, value, channel, operands)
            for value, operands in zip(values, tensors or [()] * size, strict=True)
        ]

    def _pixel(self, image: Number, output: int, row: Number, column: Number) -> Number:
        """The number of a pixel of the result, and of tensors of its size."""
        f = self.f
        return image * (f[T.OUT_CHANNELS] * f[T.OUT_HEIGHT] * f[T.OUT_WIDTH]) + self._inside(output, row, column)

    def _inside(self, output: int, row: Number, column: Number) -> Number:
        """The number of a pixel in its image."""
        f = self.f
        return (f[T.OUT_HEIGHT] * output + row) * f[T.OUT_WIDTH] + column

    def _at(self, image: Number, output: int, row: Number, column: Number) -> Any:
        """The address of a pixel of the result, whose images may be parts of larger ones."""
        place = self.f[T.OUT] + image * self.f[T.OUT_IMAGE] + self._inside(output, row, column) * FLOAT_BYTES
        return self.e.pointers(raw(place))[0]

    def _store(self, sums: Sequence[Any], image: Number, row: Number, column: Number) -> None:
        e, f, own = self.e, self.f, self.own
        masks = [e.prefix_mask(raw(f[T.OUT_WIDTH] - column - v * self.lanes)) for v in range(own.columns)]
        for output in range(own.outputs):
            places = [self._pixel(image, output, row + r, column) * FLOAT_BYTES for r in range(ROWS)]
            tensors = [self._tensors(places[r], masks[v], v) for r in range(ROWS) for v in range(own.columns)]
            values = self._finished(sums, output, tensors)
            for r in range(ROWS):
                at = self._at(image, output, row + r, column)
                for v in range(own.columns):
                    e.store_masked(values[r * own.columns + v], masks[v], at, v * self.line)

    def _tensors(self, place: Number, mask: Any, v: int) -> list[Operand]:
        """Loads of the tensors of the result's size, at a vector of it."""

        def load(k: int) -> Any:
            (at,) = self.e.pointers(raw(self.f[T.COUNT + k] + place))
            return self.e.load_masked(mask, at, v * self.line)

        return [partial(load, k) for k in range(len(self.structure.tensors))]

    def _store_pooled(self, sums: Sequence[Any], image: Number, row: Number, column: Number) -> None:
        """The largest of two by two pixels, and where it was if that is asked for."""
        e, f, own, structure = self.e, self.f, self.own, self.structure
        half = column // 2
        most = self.lanes if own.columns > 1 else self.lanes // 2
        left = [(f[T.OUT_WIDTH] - half - v * self.lanes).at_most(most) for v in range((own.columns + 1) // 2)]
        masks = [e.prefix_mask(raw(n)) for n in left]
        for output in range(own.outputs):
            values = self._finished(sums, output)
            upper, lower = values[: own.columns], values[own.columns :]
            pixel = self._pixel(image, output, row, half)
            at = self._at(image, output, row, half)
            channel = self._channel(T.POOL_CHANNELS, output)
            for v, mask in enumerate(masks):
                pairs = [(line[2 * v], line[min(2 * v + 1, own.columns - 1)]) for line in (upper, lower)]
                if structure.switch:
                    pooled, position = self._first_largest(pairs)
                    (switch,) = e.pointers(raw(f[T.SWITCHES] + pixel + v * self.lanes))
                    e.store_masked(e.b.trunc(position, e.vector_of(I8)), mask, switch)
                else:
                    both = [self._larger(a, b) for a, b in zip(*pairs, strict=True)]
                    pooled = self._larger(*(self._every_second(both[0], both[1], start) for start in (0, 1)))
                e.store_masked(apply(e, structure.after, pooled, channel, ()), mask, at, v * self.line)

    def _first_largest(self, pairs: Sequence[tuple[Any, Any]]) -> tuple[Any, Any]:
        """The largest of each window, of equal ones the first, and its number in the window."""
        e = self.e
        best, *others = [self._every_second(*pair, start) for pair in pairs for start in (0, 1)]
        position = e.constant_i32(0)
        for number, value in enumerate(others, 1):
            better = e.greater_or_nan(value, best)
            best = e.b.select(better, value, best)
            position = e.b.select(better, e.constant_i32(number), position)
        return best, position

    def _larger(self, x: Any, y: Any) -> Any:
        """The larger of each pair; NaN where one is NaN."""
        return self.e.b.select(self.e.greater_or_nan(y, x), y, x)

    def _every_second(self, x: Any, y: Any, start: int) -> Any:
        """Lanes start, start + 2, ... of both vectors, one after the other."""
        order = [2 * i + start for i in range(self.lanes)]
        return self.e.b.shuffle_vector(x, y, ir.Constant(self.e.vector_i32, order))


def emit_rows(structure: RowStructure, builder: Any, args: Any, tid: Any, threads: Any) -> None:
    """The body of the kernel, for `kernel.emitted`."""
    RowKernel(structure, builder, args, tid, threads).emit()
