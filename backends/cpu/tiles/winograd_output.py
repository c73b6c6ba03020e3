"""The output transform of Winograd's convolution, with epilogue and 2x2 maximum: from M into the result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from netlang.backends.common.epilogue import Epilogue
from netlang.backends.common.winograd import both_axes, output_axis
from netlang.backends.cpu.tiles import moving
from netlang.backends.cpu.tiles.emitter import Emitter
from netlang.backends.cpu.tiles.epilogue import apply
from netlang.backends.cpu.tiles.numbers import Frame, Number, raw
from netlang.backends.cpu.tiles.winograd_arithmetic import Vectors
from netlang.backends.cpu.tiles.winograd_exact import ExactPatch, not_finite
from netlang.backends.cpu.tiles.winograd_table import VECTORS, WinogradStructure
from netlang.backends.cpu.tiles.winograd_table import WinogradTable as T


@dataclass(frozen=True)
class Place:
    """A place of the result; `channel` is the first of a vector."""

    image: Number
    channel: Number
    row: Number
    column: Number


class OutputTransform:
    """Writes the code. Whole patches of blocked results are stored where they belong, others in a map of patches side
    by side, of which the valid part is then moved."""

    def __init__(self, e: Emitter, f: Frame, structure: WinogradStructure) -> None:
        self.e, self.f, self.s = e, f, structure

    def emit(self, slot: Number, first: Number, last: Number, start: Number, stop: Number) -> None:
        """The results of patches `first` to `last` in channel groups `start` to `stop`."""
        f, e, across = self.f, self.e, self.f[T.ACROSS]
        with f.each(start * VECTORS, stop * VECTORS) as block, f.when(block * e.lanes < f[T.OUT_CHANNELS]):
            m = slot + f[T.M_AT] + (block // VECTORS - start) * f[T.M_GROUP] + block % VECTORS * e.line
            with f.each(first // across, (last - 1) // across + 1) as line:
                begin, end = (line * across).at_least(first), ((line + 1) * across).at_most(last)
                source = m + (begin - first) * (VECTORS * e.line)
                row, column = line % f[T.DOWN] * self.s.step, (begin - line * across) * self.s.step
                place = Place(line // f[T.DOWN], block * e.lanes, row, column)
                if self.s.direct:
                    with f.each(0, end - begin) as k:
                        self._one(slot, source + k * (VECTORS * e.line), self._right(place, k))
                else:
                    self._several(slot, source, end - begin, place)

    def _right(self, place: Place, patches: Number) -> Place:
        return Place(place.image, place.channel, place.row, place.column + patches * self.s.step)

    def _one(self, slot: Number, source: Number, place: Place) -> None:
        """One patch of a blocked result."""
        f, step = self.f, self.s.step
        whole = (place.row + step <= f[T.OUT_HEIGHT]) & (place.column + step <= f[T.OUT_WIDTH])
        with f.either(whole) as (inside, cut):
            with inside:
                at = self._blocked_at(place)
                tensors = [self._tensor(k, place.image) + at for k in range(len(self.s.tensors))]
                self._patch(slot, source, place, self._out(place.image) + at, tensors, f[T.OUT_WIDTH] * self.e.line)
            with cut:
                self._several(slot, source, Number(f.builder, raw(1)), place)

    def _out(self, image: Number) -> Number:
        """Where an image of the result is."""
        return self.f[T.OUT] + image * self.f[T.OUT_IMAGE]

    def _tensor(self, k: int, image: Number) -> Number:
        """Where an image of one of the epilogue's tensors is."""
        f, lanes = self.f, self.e.lanes
        channels = f[T.OUT_CHANNELS]
        if self.s.tensors_blocked[k]:
            channels = (channels + (lanes - 1)) // lanes * lanes
        size = f[T.OUT_HEIGHT] * f[T.OUT_WIDTH] * moving.element_bytes(self.s.tensors[k])
        return f[T.COUNT + k] + image * channels * size

    def _blocked_at(self, place: Place) -> Number:
        """Bytes from the start of an image of a blocked tensor."""
        f, lanes = self.f, self.e.lanes
        plane = place.channel // lanes * f[T.OUT_HEIGHT]
        return ((plane + place.row) * f[T.OUT_WIDTH] + place.column) * self.e.line

    def _several(self, slot: Number, source: Number, count: Number, place: Place) -> None:
        """`count` patches side by side, by way of the map."""
        f, e, step = self.f, self.e, self.s.step
        rows = (f[T.OUT_HEIGHT] - place.row).at_most(step)
        columns = (f[T.OUT_WIDTH] - place.column).at_most(count * step)
        out = slot + f[T.MAP_AT]
        maps = [slot + f[T.TENSORS_AT] + f[T.TENSOR_PITCH] * k for k in range(len(self.s.tensors))]
        with f.each(0, rows) as r:
            here = Place(place.image, place.channel, place.row + r, place.column)
            for n, element in enumerate(self.s.tensors):
                blocked = self.s.tensors_blocked[n]
                self._move(
                    element, self._tensor(n, place.image), maps[n] + r * f[T.MAP_ROW], here, columns, blocked, load=True
                )
        with f.each(0, count) as k:
            skip = k * (step * e.line)
            patch = source + k * (VECTORS * e.line)
            self._patch(slot, patch, self._right(place, k), out + skip, [t + skip for t in maps], f[T.MAP_ROW])
        with f.each(0, rows) as r:
            here = Place(place.image, place.channel, place.row + r, place.column)
            self._move(
                "f32", self._out(place.image), out + r * f[T.MAP_ROW], here, columns, self.s.out_blocked, load=False
            )

    def _move(
        self, element: str, tensor: Number, block: Number, place: Place, count: Number, blocked: bool, load: bool
    ) -> None:
        """`count` pixels of a row from an image of a tensor like the result into a map, or back."""
        f, e = self.f, self.e
        if blocked:
            at = tensor + self._blocked_at(place)
            to, source = (block, at) if load else (at, block)
            moving.emit_copy(e, [raw(n) for n in (to, source, count * e.lanes)])
            return
        size, channels = moving.element_bytes(element), f[T.OUT_CHANNELS]
        plane = place.channel * f[T.OUT_HEIGHT] + place.row
        at = tensor + (plane * f[T.OUT_WIDTH] + place.column) * size
        pitch = f[T.OUT_HEIGHT] * f[T.OUT_WIDTH] * size
        source, to = (at, block) if load else (block, at)
        move = moving.emit_block if load else moving.emit_unblock
        move(e, element, [raw(n) for n in (source, to, count, channels - place.channel, pitch)])

    # ---- one patch

    def _patch(
        self, slot: Number, source: Number, place: Place, out: Number, tensors: Sequence[Number], row: Number
    ) -> None:
        """Transform one patch and store it at `out`; rows of result and tensors are `row` apart."""
        e, f, m = self.e, self.f, self.s.m
        (products,) = e.pointers(raw(source))
        position = f[T.M_POSITION]

        def load(i: int, j: int) -> Any:
            return e.load(products, raw(position * (i * self.s.size + j)))

        y = both_axes(partial(output_axis, Vectors(e), m), (self.s.size, self.s.size), load)
        y = self._checked(slot, place, y)
        (to,) = e.pointers(raw(out))
        sources = e.pointers(*map(raw, tensors))
        step = raw(row)
        before = self._channel_operands(f[T.CHANNELS], place.channel, self.s.before)
        after = self._channel_operands(f[T.POOL_CHANNELS], place.channel, self.s.after)
        for i in range(m):
            for j in range(m):
                offset = e.add(e.mul(i, step), j * e.line)
                loads = [lambda p=p, o=offset: e.load(p, o) for p in sources]
                y[i][j] = apply(e, self.s.before, y[i][j], before, loads)
                if not self.s.pooled:
                    e.store(y[i][j], to, offset)
        if self.s.pooled:
            for i in range(m // 2):
                for j in range(m // 2):
                    taps = [y[2 * i + a][2 * j + b] for a in (0, 1) for b in (0, 1)]
                    value = apply(e, self.s.after, self._largest(taps), after, [])
                    e.store(value, to, e.add(e.mul(i, step), j * e.line))

    def _channel_operands(self, start: Number, channel: Number, steps: Epilogue) -> list[Any]:
        e, f = self.e, self.f
        (base,) = e.pointers(raw(start + channel * (e.line // e.lanes)))
        return [lambda k=k: e.load(base, raw(f[T.CHANNEL_PITCH] * k)) for k in range(len(steps))]

    def _largest(self, taps: Sequence[Any]) -> Any:
        """The largest; NaN if one is."""
        e, best = self.e, taps[0]
        for tap in taps[1:]:
            best = e.b.select(e.greater_or_nan(tap, best), tap, best)
        return best

    def _checked(self, slot: Number, place: Place, y: list[list[Any]]) -> list[list[Any]]:
        """`y`, computed again without the transform where it is not finite: the transform mixes all of a patch."""
        e, f, b, m = self.e, self.f, self.e.b, self.s.m
        bad = not_finite(e, [value for row in y for value in row])
        before = b.block
        with b.if_then(bad, likely=False):
            map_step = m // self.s.step
            at = slot + f[T.PATCH_AT]
            exact = ExactPatch(e, f, self.s)
            exact.emit(at, place.image, place.channel, place.row * map_step, place.column * map_step)
            (base,) = e.pointers(raw(at))
            fixed = [[e.load(base, (i * m + j) * e.line) for j in range(m)] for i in range(m)]
            after = b.block
        merged = [[b.phi(e.vector) for _ in range(m)] for _ in range(m)]
        for i in range(m):
            for j in range(m):
                merged[i][j].add_incoming(y[i][j], before)
                merged[i][j].add_incoming(fixed[i][j], after)
        return merged
