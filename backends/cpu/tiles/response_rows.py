"""Local response normalisation of plain tensors, and its gradient: vectors are pixels, windows go over planes.

A task is a stretch of pixels of one image, all channels of it: few enough for the caches to hold what windows share.
With d as in the op's definition, the gradient is

    dx[c] = dy[c] / d[c]^beta - 2 alpha beta / size * x[c] * sum of t[j] over the channels j whose windows hold c
    t[j] = dy[j] * x[j] / d[j]^(beta + 1)
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import auto
from typing import Any

from netlang.backends.cpu.tiles.emitter import FLOAT_BYTES, Emitter
from netlang.backends.cpu.tiles.numbers import Frame, Number, raw
from netlang.backends.cpu.tiles.response import Response, base, power
from netlang.backends.cpu.tiles.tables import Table

VECTORS = 4
"""Vectors of pixels of a task."""


class ResponseTable(Table):
    """`PIXELS` are those of a plane. A slot of the scratch memory, for gradients alone, holds t of all channels."""

    X = auto()
    DY = auto()
    OUT = auto()
    SCRATCH = auto()
    SLOTS = auto()
    IMAGES = auto()
    CHANNELS = auto()
    PIXELS = auto()


T = ResponseTable


@dataclass(frozen=True)
class ResponseRowsStructure:
    response: Response
    lanes: int
    gradient: bool

    @property
    def key(self) -> str:
        return f"response_rows:{self!r}"


class ResponseRowsKernel:
    """Writes the kernel of one structure."""

    def __init__(self, structure: ResponseRowsStructure, builder: Any, args: Any, tid: Any, threads: Any) -> None:
        self.structure, self.response = structure, structure.response
        self.f, self.e = Frame(builder, args, tid, threads), Emitter(builder, structure.lanes)
        self.line = structure.lanes * FLOAT_BYTES
        self.row = VECTORS * self.line
        self.plane = self.f[T.PIXELS] * FLOAT_BYTES

    def emit(self) -> None:
        f, pixels = self.f, VECTORS * self.structure.lanes
        slot = f[T.SCRATCH] + f.tid * f[T.CHANNELS] * self.row
        stretches = (f[T.PIXELS] + (pixels - 1)) // pixels
        begin, end = f.share(f[T.IMAGES] * stretches, f[T.SLOTS])
        with f.each(begin, end) as task:
            image, first = task // stretches, task % stretches * pixels
            place = (image * f[T.CHANNELS] * f[T.PIXELS] + first) * FLOAT_BYTES
            left = (f[T.PIXELS] - first).at_most(pixels)
            if self.structure.gradient:
                self._shares(slot, place, left)
                self._slopes(slot, place, left)
            else:
                self._values(place, left)

    @contextmanager
    def _vectors(self, place: Number, left: Number) -> Iterator[tuple[Number, Number, Number, Any]]:
        """For every channel and vector: the channel, its place in tensors, that in the slot, and the vector's mask."""
        lanes = self.structure.lanes
        with self.f.each(0, self.f[T.CHANNELS]) as channel, self.f.each(0, (left + (lanes - 1)) // lanes) as v:
            mask = self.e.prefix_mask(raw(left - v * lanes))
            yield channel, place + channel * self.plane + v * self.line, channel * self.row + v * self.line, mask

    def _values(self, place: Number, left: Number) -> None:
        e, f = self.e, self.f
        with self._vectors(place, left) as (channel, at, _, mask):
            x = self._load(T.X, at, mask)
            y = e.b.fdiv(x, power(e, self._base(channel, at, mask), self.response.beta))
            e.store_masked(y, mask, *e.pointers(raw(f[T.OUT] + at)))

    def _shares(self, slot: Number, place: Number, left: Number) -> None:
        """t into the slot, and the first term of the gradient where the gradient will be."""
        e, f = self.e, self.f
        with self._vectors(place, left) as (channel, at, held, mask):
            value = self._base(channel, at, mask)
            direct = e.b.fdiv(self._load(T.DY, at, mask), power(e, value, self.response.beta))
            share = e.b.fdiv(e.b.fmul(direct, self._load(T.X, at, mask)), value)
            e.store(share, *e.pointers(raw(slot + held)))
            e.store_masked(direct, mask, *e.pointers(raw(f[T.OUT] + at)))

    def _slopes(self, slot: Number, place: Number, left: Number) -> None:
        e, f, response = self.e, self.f, self.response
        factor = -2 * response.alpha * response.beta / response.size
        with self._vectors(place, left) as (channel, at, held, mask):
            low, count = self._window(channel, response.after, response.before)
            start = e.pointers(raw(slot + held - (channel - low) * self.row))

            def add(pointers: list[Any], sums: list[Any]) -> list[Any]:
                return [e.b.fadd(sums[0], e.load(pointers[0]))]

            (total,) = e.loop(raw(count), start, [self.row], [e.zero], add)
            x = e.b.fmul(self._load(T.X, at, mask), e.constant(factor))
            e.store_masked(e.fma(x, total, self._load(T.OUT, at, mask)), mask, *e.pointers(raw(f[T.OUT] + at)))

    def _load(self, entry: T, at: Number, mask: Any) -> Any:
        return self.e.load_masked(mask, *self.e.pointers(raw(self.f[entry] + at)))

    def _window(self, channel: Number, before: int, after: int) -> tuple[Number, Number]:
        """First channel of a window, and how many it has."""
        low = (channel - before).at_least(0)
        return low, (channel + (after + 1)).at_most(self.f[T.CHANNELS]) - low

    def _base(self, channel: Number, at: Number, mask: Any) -> Any:
        """d of a vector."""
        e, response = self.e, self.response
        low, count = self._window(channel, response.before, response.after)

        def add(pointers: list[Any], sums: list[Any]) -> list[Any]:
            x = e.load_masked(mask, pointers[0])
            return [e.fma(x, x, sums[0])]

        start = e.pointers(raw(self.f[T.X] + at - (channel - low) * self.plane))
        (total,) = e.loop(raw(count), start, [raw(self.plane)], [e.zero], add)
        return base(e, response, total)


def emit_response_rows(structure: ResponseRowsStructure, builder: Any, args: Any, tid: Any, threads: Any) -> None:
    """The body of the kernel, for `kernel.emitted`."""
    ResponseRowsKernel(structure, builder, args, tid, threads).emit()
