"""The direct convolution with its epilogue and pool, as one kernel. The map before the pool stays in the cache."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from netlang.backends.common.epilogue import operands as operand_count
from netlang.backends.cpu.tiles import moving
from netlang.backends.cpu.tiles.broadcast_tile import BroadcastTile, emit_broadcast_tile
from netlang.backends.cpu.tiles.conv_table import ConvStructure
from netlang.backends.cpu.tiles.conv_table import ConvTable as T
from netlang.backends.cpu.tiles.emitter import FLOAT_BYTES, Emitter
from netlang.backends.cpu.tiles.epilogue import apply
from netlang.backends.cpu.tiles.numbers import Frame, Number, raw
from netlang.backends.cpu.tiles.pool_rows import PoolRows
from netlang.backends.cpu.tiles.pool_tile import PoolTile
from netlang.backends.cpu.tiles.strip import Strip, StripFiller

PIXELS = 4
"""Pixels that the prologue works on at a time."""


@dataclass(frozen=True)
class Place:
    """Rows `row` to `stop` of the channels from `channel` on, in an image whose planes are `height` by `width`."""

    channel: Number
    row: Number
    stop: Number
    height: Number
    width: Number


class ConvKernel:
    """Writes the kernel of one structure; its table is `ConvTable`."""

    def __init__(self, structure: ConvStructure, builder: Any, args: Any, tid: Any, threads: Any) -> None:
        self.structure, self.tile = structure, structure.tile
        self.lanes, self.vectors, self.line = self.tile.lanes, self.tile.vectors, self.tile.lanes * FLOAT_BYTES
        self.f = Frame(builder, args, tid, threads)
        self.e = Emitter(builder, self.lanes)

    def emit(self) -> None:
        f = self.f
        slot = f[T.SCRATCH] + f.tid * f[T.SLOT_BYTES]
        tasks = f[T.IMAGES] * f[T.ROW_TASKS] * f[T.CHUNKS]
        begin, end = f.share(tasks, f[T.SLOTS])
        with f.each(begin, end) as task:
            part, chunk = task // f[T.CHUNKS], task % f[T.CHUNKS]
            image, row = part // f[T.ROW_TASKS], part % f[T.ROW_TASKS] * f[T.ROWS]
            stop = (row + f[T.ROWS]).at_most(f[T.OUT_HEIGHT])
            first, last = self._map_rows(row, stop)
            x = self._source(slot, image, first, last, task.equals(begin) | chunk.equals(0))
            groups = f[T.GROUPS]
            with f.each(groups * chunk // f[T.CHUNKS], groups * (chunk + 1) // f[T.CHUNKS]) as group:
                self._load_tensors(slot + f[T.TENSORS_AT], image, group, first, last)
                self._run_tiles(x, slot, image, group, first, last - first)
                self._finish(slot, image, group, first, row, stop)

    def _map_rows(self, row: Number, stop: Number) -> tuple[Number, Number]:
        """First and last + 1 of the map's rows that result rows need; not fewer than a tile has."""
        f = self.f
        step, top = f[T.POOL_STRIDE_DOWN], f[T.POOL_TOP]
        last = ((stop - 1) * step - top + f[T.POOL_DOWN]).at_most(f[T.MAP_HEIGHT])
        first = (row * step - top).at_most(last - self.tile.rows).at_least(0)
        return first, last

    # ---- input

    def _source(self, slot: Number, image: Number, first: Number, last: Number, fresh: Any) -> Number:
        """The address of the first input row, in the strip if there is one; filled anew if `fresh`."""
        f = self.f
        x = f[T.X] + image * f[T.X_IMAGE]
        row = first * f[T.STRIDE_DOWN]
        if not self.structure.stripped:
            return x + row * f[T.X_ROW]
        if self.structure.prologue:
            with f.when(fresh):
                self._prepare(slot, x + row * f[T.X_ROW], (last - first) * f[T.MAP_WIDTH])
            return slot
        with f.when(fresh):
            span = (f[T.TAPS_DOWN] - 1) * f[T.DILATION_DOWN] + 1
            rows = (last - 1 - first) * f[T.STRIDE_DOWN] + span
            StripFiller(self.e, f, self._strip()).fill(slot, x, f[T.IN_CHANNELS], row, rows)
        return slot

    def _prepare(self, to: Number, x: Number, pixels: Number) -> None:
        """The prologue on `pixels` pixels of all blocks of channels."""
        e, f, steps = self.e, self.f, self.structure.prologue
        operands = [f[T.COUNT + len(self.structure.tensors) + k] for k in range(operand_count(steps, "channel"))]
        with f.each(0, f[T.IN_CHANNELS]) as block:
            vectors = [e.load(e.pointers(raw(address + block * self.line))[0]) for address in operands]
            known = [partial(_itself, vector) for vector in vectors]

            def some(count: int, pointers: list[Any], _: list[Any]) -> None:
                loaded = [e.load(pointers[1], p * self.line) for p in range(count)]
                for p, value in enumerate(loaded):
                    e.store(apply(e, steps, value, known, ()), pointers[0], p * self.line)

            ends = e.pointers(raw(to + block * f[T.STRIP_CHANNEL]), raw(x + block * f[T.X_CHANNEL]))
            whole = pixels // PIXELS
            e.loop(raw(whole), ends, [PIXELS * self.line] * 2, [], partial(some, PIXELS), guarded=True)
            done = whole * (PIXELS * self.line)
            rest = [e.at(end, raw(done)) for end in ends]
            e.loop(raw(pixels % PIXELS), rest, [self.line] * 2, [], partial(some, 1), guarded=True)

    def _strip(self) -> Strip:
        f = self.f
        return Strip(
            x_channel=f[T.X_CHANNEL],
            x_row=f[T.X_ROW],
            height=f[T.IN_HEIGHT],
            width=f[T.IN_WIDTH],
            top=f[T.PAD_TOP],
            left=f[T.PAD_LEFT],
            row=f[T.STRIP_ROW],
            channel=f[T.STRIP_CHANNEL],
            row_width=f[T.STRIP_WIDTH],
        )

    def _load_tensors(self, to: Number, image: Number, group: Number, first: Number, last: Number) -> None:
        """Rows of the epilogue's tensors into blocks laid out as the map."""
        f = self.f
        if self.structure.direct:
            return
        plane, width = f[T.MAP_HEIGHT] * f[T.MAP_WIDTH], f[T.MAP_WIDTH]
        for k, element in enumerate(self.structure.tensors):
            with f.each(0, self.vectors) as v:
                at = to + k * f[T.TENSOR_PITCH] + v * f[T.MAP_VECTOR]
                pixels, channel = (last - first) * width, (group * self.vectors + v) * self.lanes
                if self.structure.tensors_blocked[k]:
                    source = self._tensor(k, image) + self._block_at(group, v, plane, first * width)
                    with f.when(channel < f[T.OUT_CHANNELS]):
                        moving.emit_copy(self.e, [raw(n) for n in (at, source, pixels * self.lanes)])
                else:
                    place = Place(channel, first, last, f[T.MAP_HEIGHT], width)
                    self._plain(element, self._tensor(k, image), at, place, load=True)

    def _tensor(self, k: int, image: Number) -> Number:
        """Where an image of one of the epilogue's tensors is."""
        f, structure = self.f, self.structure
        plane = f[T.PHASE_PLANE] if structure.phased else f[T.MAP_HEIGHT] * f[T.MAP_WIDTH]
        channels = self._blocks() * self.lanes if structure.tensors_blocked[k] else f[T.OUT_CHANNELS]
        return f[T.COUNT + k] + image * channels * plane * moving.element_bytes(structure.tensors[k])

    def _plain(self, element: str, tensor: Number, block: Number, place: Place, load: bool) -> None:
        """Some rows of some channels of an image of a plain tensor into a block, or back."""
        f, size, width = self.f, moving.element_bytes(element), place.width
        move = moving.emit_block if load else moving.emit_unblock
        held = f[T.OUT_CHANNELS] - place.channel
        if not self.structure.phased:
            plane = place.height * width
            at = tensor + (place.channel * plane + place.row * width) * size
            ends = (at, block) if load else (block, at)
            move(self.e, element, [raw(n) for n in (*ends, (place.stop - place.row) * width, held, plane * size)])
            return
        plane = f[T.PHASE_PLANE]
        start = tensor + (place.channel * plane + f[T.PHASE_START]) * size
        with f.each(place.row, place.stop) as r:
            at, row = start + r * f[T.PHASE_ROW] * size, block + (r - place.row) * width * self.line
            ends = (at, row) if load else (row, at)
            values = (*ends, width, held, plane * size)
            step = f[T.PHASE_PIXEL] * size
            move(self.e, element, [raw(n) for n in values], plain_step=raw(step))

    def _blocks(self) -> Number:
        """Blocks of the result's channels."""
        return (self.f[T.OUT_CHANNELS] + (self.lanes - 1)) // self.lanes

    def _block_at(self, group: Number, v: Number | int, plane: Number, pixel: Number) -> Number:
        """Bytes from the start of an image of a blocked tensor to a pixel of a group's vector."""
        return ((group * self.vectors + v) * plane + pixel) * self.line

    # ---- work

    def _run_tiles(self, x: Number, slot: Number, image: Number, group: Number, first: Number, count: Number) -> None:
        """`count` map rows of one group; the last tiles of a row and the last rows may overlap their neighbours."""
        f, tile = self.f, self.tile
        stripped = self.structure.stripped
        x_row = f[T.STRIP_ROW] if stripped else f[T.X_ROW]
        x_channel = f[T.STRIP_CHANNEL] if stripped else f[T.X_CHANNEL]
        x_step, width, channels = f[T.STRIDE_DOWN] * x_row, f[T.MAP_WIDTH], f[T.GROUP_CHANNELS]
        values: dict[str, Number | int] = dict.fromkeys(BroadcastTile.ARGUMENTS.split(), 0)
        values |= {"blocks": channels // self.lanes, "rest": channels % self.lanes}
        values |= {"x_block": x_channel * (1 if tile.blocked else self.lanes), "x_channel": x_channel, "x_row": x_step}
        values |= {"taps_down": f[T.TAPS_DOWN], "x_down": f[T.DILATION_DOWN] * x_row}
        values |= {"taps_across": f[T.TAPS_ACROSS], "x_across": f[T.ACROSS]}
        values |= {"out_row": width * self.line, "out_pixel": self.line}
        values |= {"channels": f[T.CHANNELS] + group * (self.vectors * self.line)}
        values |= {"channel_pitch": f[T.CHANNEL_PITCH], "tensor_pitch": f[T.TENSOR_PITCH]}
        values |= {"w": f[T.WEIGHTS] + group * f[T.WEIGHT_GROUP]}
        if self.structure.direct:
            plane = f[T.MAP_HEIGHT] * width
            first_block = self._block_at(group, 0, plane, first * width)
            out = f[T.OUT] + image * f[T.OUT_IMAGE] + first_block
            tensor = self._tensor(0, image) + first_block if self.structure.tensors else first_block
            if len(self.structure.tensors) > 1:
                values["tensor_pitch"] = f[T.COUNT + 1] - f[T.COUNT]
            values["out_vector"] = plane * self.line
        else:
            out, tensor = slot + f[T.MAP_AT], slot + f[T.TENSORS_AT]
            values["out_vector"] = f[T.MAP_VECTOR]
        start = x + group // f[T.CHANNEL_GROUPS] * (channels // self.lanes if tile.blocked else channels) * x_channel
        with f.each(0, (count + (tile.rows - 1)) // tile.rows) as r:
            row = (r * tile.rows).at_most(count - tile.rows)
            with f.each(0, (width + (tile.columns - 1)) // tile.columns) as q:
                column = (q * tile.columns).at_most(width - tile.columns)
                place = (row * width + column) * self.line
                values["x"] = start + row * x_step + column * tile.pixel_bytes
                values["out"], values["tensor"] = out + place, tensor + place
                emit_broadcast_tile(self.e, tile, [raw(v) for v in values.values()])

    # ---- result

    def _finish(self, slot: Number, image: Number, group: Number, first: Number, row: Number, stop: Number) -> None:
        """Map rows of a group to the result: pooled if there is a pool, then plain."""
        f, structure = self.f, self.structure
        if structure.direct:
            return
        if structure.pool is None:
            skipped = (row - first) * f[T.MAP_WIDTH] * self.line
            rows = slot + f[T.MAP_AT] + skipped
            self._write("f32", rows, f[T.MAP_VECTOR], f[T.OUT] + image * f[T.OUT_IMAGE], group, row, stop)
            return
        self._pool(structure.pool, slot, image, group, first, row, stop)
        vector = f[T.POOLED_VECTOR]
        if not structure.out_blocked:
            out = f[T.OUT] + image * f[T.OUT_IMAGE]
            self._write("f32", slot + f[T.POOLED_AT], vector, out, group, row, stop)
        if structure.switch:
            plane = f[T.OUT_HEIGHT] * f[T.OUT_WIDTH] * moving.element_bytes(structure.switch)
            to = f[T.SWITCHES] + image * f[T.OUT_CHANNELS] * plane
            self._write(structure.switch, slot + f[T.SWITCHES_AT], vector, to, group, row, stop)

    def _pool(
        self, pool: PoolTile, slot: Number, image: Number, group: Number, first: Number, row: Number, stop: Number
    ) -> None:
        """Map rows of a group into its pooled rows, or right into a blocked result."""
        f = self.f
        with f.each(0, self.vectors) as v:
            map_ = slot + f[T.MAP_AT] + v * f[T.MAP_VECTOR] - first * f[T.MAP_WIDTH] * self.line
            offset = v * f[T.POOLED_VECTOR]
            if self.structure.out_blocked:
                plane, width = f[T.OUT_HEIGHT] * f[T.OUT_WIDTH], f[T.OUT_WIDTH]
                out = f[T.OUT] + image * f[T.OUT_IMAGE] + self._block_at(group, v, plane, row * width)
            else:
                out = slot + f[T.POOLED_AT] + offset
            operands = f[T.POOL_CHANNELS] + (group * self.vectors + v) * self.line
            rows = PoolRows(self.e, f, pool, self.structure.count_pad)
            rows.emit(map_, out, slot + f[T.SWITCHES_AT] + offset, operands, row, stop)

    def _write(
        self, element: str, blocks: Number, vector: Number, to: Number, group: Number, row: Number, stop: Number
    ) -> None:
        """Blocks of result rows into an image of a tensor."""
        f = self.f
        plane, width = f[T.OUT_HEIGHT] * f[T.OUT_WIDTH], f[T.OUT_WIDTH]
        with f.each(0, self.vectors) as v:
            channel = (group * self.vectors + v) * self.lanes
            held, pixels = f[T.OUT_CHANNELS] - channel, (stop - row) * width
            if self.structure.out_blocked and element == "f32":
                at = to + self._block_at(group, v, plane, row * width)
                with f.when(held > 0):
                    moving.emit_copy(self.e, [raw(n) for n in (at, blocks + v * vector, pixels * self.lanes)])
            else:
                place = Place(channel, row, stop, f[T.OUT_HEIGHT], width)
                self._plain(element, to, blocks + v * vector, place, load=False)


def _itself(vector: Any) -> Any:
    return vector


def emit_conv(structure: ConvStructure, builder: Any, args: Any, tid: Any, threads: Any) -> None:
    """The body of the kernel, for `kernel.emitted`."""
    ConvKernel(structure, builder, args, tid, threads).emit()
