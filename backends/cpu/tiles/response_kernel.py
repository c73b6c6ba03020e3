"""Local response normalisation on blocks of channels, with the pool after it.

A task is one block of channels of some rows, as for a pool. The windows of its first and last channels reach into the
blocks before and after, so three blocks are read; the normalised rows stay in the slot if a pool follows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from llvmlite import ir

from netlang.backends.cpu.tiles.conv_table import ConvTable as T
from netlang.backends.cpu.tiles.numbers import Number, raw
from netlang.backends.cpu.tiles.pool_kernel import PoolKernel, PoolStructure
from netlang.backends.cpu.tiles.response import Response, base, power


@dataclass(frozen=True)
class ResponseStructure:
    """`pooled` says whether the pool of `pool`, which also says how tensors are stored, follows at all."""

    response: Response
    pool: PoolStructure
    pooled: bool

    @property
    def key(self) -> str:
        return f"response:{self!r}"


class ResponseKernel(PoolKernel):
    """Writes the kernel of one structure; its table is `ConvTable`, with plain blocks of x at `TENSORS_AT`."""

    def __init__(self, structure: ResponseStructure, builder: Any, args: Any, tid: Any, threads: Any) -> None:
        super().__init__(structure.pool, builder, args, tid, threads)
        self.response, self.pooled = structure.response, structure.pooled

    def _forward(self, slot: Number, image: Number, group: Number, held: Number, row: Number, stop: Number) -> None:
        f, structure = self.f, self.structure
        channel, result = group * self.lanes, f[T.OUT] + image * f[T.OUT_IMAGE]
        step, top = f[T.POOL_STRIDE_DOWN], f[T.POOL_TOP]
        first = (row * step - top).at_least(0)
        last = ((stop - 1) * step - top + f[T.POOL_DOWN]).at_most(f[T.MAP_HEIGHT])
        pixels = (last - first) * f[T.MAP_WIDTH]
        blocks = self._blocks(slot, image, group, first, last)
        out, switches = slot + f[T.POOLED_AT], slot + f[T.SWITCHES_AT]
        if structure.out_blocked:
            out = result + (group * f[T.OUT_HEIGHT] + row) * f[T.OUT_WIDTH] * self.line
        map_ = slot + f[T.MAP_AT]
        self._normalise(blocks, map_ if self.pooled else out, group, held, pixels)
        if self.pooled:
            self._pool(map_ - first * f[T.MAP_WIDTH] * self.line, out, switches, group, row, stop)
        if not structure.out_blocked:
            self._store("f32", out, result, self._pooled, channel, held, row, stop)
        if structure.switch:
            channel = image * f[T.OUT_CHANNELS] + channel
            self._store(structure.switch, switches, f[T.SWITCHES], self._pooled, channel, held, row, stop)

    def _blocks(self, slot: Number, image: Number, group: Number, first: Number, last: Number) -> list[Number]:
        """Addresses of map row `first` in the block before, the group's own and the one after. Where there is none it
        is an address that may be read."""
        f = self.f
        x = f[T.X] + image * f[T.X_IMAGE]
        neighbours = [(group - 1).at_least(0), group, (group + 1).at_most(f[T.GROUPS] - 1)]
        if self.structure.x_blocked:
            planes = (n * f[T.MAP_HEIGHT] + first for n in neighbours)
            return [x + plane * f[T.MAP_WIDTH] * self.line for plane in planes]
        found = []
        for i, neighbour in enumerate(neighbours):
            to, channel = slot + f[T.TENSORS_AT] + i * f[T.TENSOR_PITCH], neighbour * self.lanes
            held = (f[T.OUT_CHANNELS] - channel).at_most(self.lanes)
            self._load("f32", x, to, self._map, channel, held, first, last)
            found.append(to)
        return found

    def _normalise(self, blocks: Sequence[Number], to: Number, group: Number, held: Number, pixels: Number) -> None:
        """All pixels at hand. Channels that do not exist, whole blocks of them or lanes of the last, count as 0."""
        e, f, response = self.e, self.f, self.response
        following = f[T.OUT_CHANNELS] - (group + 1) * self.lanes
        counts = (raw((group > 0).choose(self.lanes, 0)), raw(held), raw(following))
        masks = [e.prefix_mask(count) for count in counts]

        def pixel(pointers: list[Any], _: list[Any]) -> None:
            x = e.load(pointers[1])
            values = (e.load(pointers[0]), x, e.load(pointers[2]))
            squares = [e.b.select(m, e.b.fmul(v, v), e.zero) for m, v in zip(masks, values, strict=True)]
            total = squares[1]
            for offset in (*range(-response.before, 0), *range(1, response.after + 1)):
                total = e.b.fadd(total, self._shifted(squares, offset))
            e.store(e.b.fdiv(x, power(e, base(e, response, total), response.beta)), pointers[3])

        addresses = e.pointers(*map(raw, (*blocks, to)))
        e.loop(raw(pixels), addresses, [self.line] * 4, [], pixel, guarded=True)

    def _shifted(self, squares: Sequence[Any], offset: int) -> Any:
        """The lanes `offset` further on, from the neighbouring block at the end; `offset` is not 0."""
        left, right = squares[:2] if offset < 0 else squares[1:]
        start = offset % self.lanes or (0 if offset < 0 else self.lanes)
        order = [start + lane for lane in range(self.lanes)]
        return self.e.b.shuffle_vector(left, right, ir.Constant(self.e.vector_i32, order))


def emit_response(structure: ResponseStructure, builder: Any, args: Any, tid: Any, threads: Any) -> None:
    """The body of the kernel, for `kernel.emitted`."""
    ResponseKernel(structure, builder, args, tid, threads).emit()
