"""The direct convolution with its epilogue and pool, as one kernel. The map before the pool stays in the cache."""

from __future__ import annotations

from typing import Any

from numba import njit

from netlang.backends.cpu.intrinsics import LOAD, STORE, number, quotient, remainder
from netlang.backends.cpu.kernel import KernelFunction
from netlang.backends.cpu.native.conv_table import ConvStructure
from netlang.backends.cpu.native.conv_table import ConvTable as T
from netlang.backends.cpu.native.pooling import make_pool_rows
from netlang.backends.cpu.tiles import moving
from netlang.backends.cpu.tiles.broadcast_tile import BroadcastTile, emit_broadcast_tile
from netlang.backends.cpu.tiles.call import tile_call

_inlined = njit(forceinline=True, error_model="numpy")
_load, _store = LOAD["f32"], STORE["f32"]


def make_fill_strip(lanes: int, inserted: bool) -> Any:
    """The function that copies input rows of all channels into a padded strip."""
    copy, clear = tile_call(3, lanes, moving.emit_copy), tile_call(2, lanes, moving.emit_clear)

    @_inlined
    def spread(args: int, to: int, source: int, first: int, count: int) -> None:
        """`count` positions from position `first` of a row whose elements are `INSERT_ACROSS` apart."""
        step = number(args, T.INSERT_ACROSS)
        clear((to, count))
        start = quotient(first + step - 1, step)
        for i in range(start, quotient(first + count - 1, step) + 1):
            _store(to, i * step - first, _load(source, i))

    @_inlined
    def fill_row(args: int, to: int, source: int) -> None:
        left = number(args, T.PAD_LEFT)
        width = number(args, T.STRIP_WIDTH)
        low = max(0, min(left, width))
        first = max(0, -left)
        count = max(0, min(number(args, T.IN_WIDTH) - first, width - low))
        clear((to, low))
        if inserted:
            spread(args, to + low * 4, source, first, count)
        else:
            copy((to + low * 4, source + first * 4, count))
        clear((to + (low + count) * 4, width - low - count))

    @_inlined
    def fill_strip(args: int, strip: int, image: int, first: int, rows: int) -> None:
        """Rows from `first` (which may lie in the padding) on."""
        height, step = number(args, T.IN_HEIGHT), number(args, T.INSERT_DOWN)
        for c in range(number(args, T.IN_CHANNELS)):
            to = strip + c * number(args, T.STRIP_CHANNEL)
            source = image + c * number(args, T.X_CHANNEL)
            for r in range(rows):
                row = first + r
                if 0 <= row < height and (not inserted or remainder(row, step) == 0):
                    kept = quotient(row, step) if inserted else row
                    fill_row(args, to, source + kept * number(args, T.X_ROW))
                else:
                    clear((to, number(args, T.STRIP_WIDTH)))
                to += number(args, T.STRIP_ROW)

    return fill_strip


def make_run_tiles(structure: ConvStructure) -> Any:
    """The function that computes map rows of one group of output channels."""
    tile = structure.tile
    lanes, rows, columns, pixel, vectors = tile.lanes, tile.rows, tile.columns, tile.pixel_bytes, tile.vectors
    line, stripped = lanes * 4, structure.stripped
    width = len(BroadcastTile.ARGUMENTS.split())
    compute = tile_call(width, lanes, lambda e, values: emit_broadcast_tile(e, tile, values))

    @_inlined
    def run_tiles(args: int, x: int, group: int, out: int, tensor: int, count: int) -> None:
        """`count` rows, at least the tile's; the last tiles of a row and the last rows may overlap their neighbours."""
        map_width = number(args, T.MAP_WIDTH)
        channels = number(args, T.GROUP_CHANNELS)
        x_row = number(args, T.STRIP_ROW) if stripped else number(args, T.X_ROW)
        x_channel = number(args, T.STRIP_CHANNEL) if stripped else number(args, T.X_CHANNEL)
        x_step = number(args, T.STRIDE_DOWN) * x_row
        down = number(args, T.DILATION_DOWN) * x_row
        weights = number(args, T.WEIGHTS) + group * number(args, T.WEIGHT_GROUP)
        operands = number(args, T.CHANNELS) + group * vectors * line
        for r in range(quotient(count + rows - 1, rows)):
            row = min(r * rows, count - rows)
            for q in range(quotient(map_width + columns - 1, columns)):
                column = min(q * columns, map_width - columns)
                place = (row * map_width + column) * line
                compute((
                    x + row * x_step + column * pixel, weights, out + place,
                    quotient(channels, lanes), remainder(channels, lanes), lanes * x_channel, x_channel, 0,
                    number(args, T.TAPS_DOWN), down, number(args, T.TAPS_ACROSS), number(args, T.ACROSS), x_step,
                    number(args, T.MAP_VECTOR), map_width * line, line,
                    operands, number(args, T.CHANNEL_PITCH), tensor + place, number(args, T.TENSOR_PITCH), 0, 0,
                ))  # fmt: skip

    return run_tiles


def make_load_tensors(structure: ConvStructure) -> Any:
    """The function that brings rows of the epilogue's tensors into blocks laid out as the map."""
    lanes, vectors = structure.tile.lanes, structure.tile.vectors
    kinds = structure.tensors
    loaders = [tile_call(5, lanes, lambda e, values, kind=kind: moving.emit_block(e, kind, values)) for kind in kinds]
    first = loaders[0] if kinds else None
    last = loaders[-1] if kinds else None
    sizes = [4 if kind == "f32" else 1 for kind in kinds]
    first_size, last_size, count = sizes[0] if kinds else 0, sizes[-1] if kinds else 0, len(kinds)

    @_inlined
    def place(args: int, image: int, channel: int, row: int) -> int:
        plane = number(args, T.MAP_HEIGHT) * number(args, T.MAP_WIDTH)
        return (image * number(args, T.OUT_CHANNELS) + channel) * plane + row * number(args, T.MAP_WIDTH)

    @_inlined
    def load_tensors(args: int, to: int, image: int, group: int, row: int, rows: int) -> None:
        plane = number(args, T.MAP_HEIGHT) * number(args, T.MAP_WIDTH)
        pixels = rows * number(args, T.MAP_WIDTH)
        for v in range(vectors):
            channel = (group * vectors + v) * lanes
            held = min(lanes, number(args, T.OUT_CHANNELS) - channel)
            at, start = to + v * number(args, T.MAP_VECTOR), place(args, image, channel, row)
            if held > 0:
                first((number(args, T.COUNT) + start * first_size, at, pixels, held, plane * first_size))
                if count > 1:
                    last((
                        number(args, T.COUNT + 1) + start * last_size, at + number(args, T.TENSOR_PITCH),
                        pixels, held, plane * last_size,
                    ))  # fmt: skip

    @_inlined
    def nothing(args: int, to: int, image: int, group: int, row: int, rows: int) -> None:
        return

    return load_tensors if count else nothing


def make_write_rows(lanes: int, vectors: int, element: str) -> Any:
    """The function that brings blocks into a plain tensor of the result's shape."""
    size = 1 if element == "i8" else 4
    unblock = tile_call(5, lanes, lambda e, values: moving.emit_unblock(e, element, values))

    @_inlined
    def write_rows(
        args: int, blocks: int, vector: int, result: int, image: int, group: int, row: int, rows: int
    ) -> None:
        channels = number(args, T.OUT_CHANNELS)
        plane = number(args, T.OUT_HEIGHT) * number(args, T.OUT_WIDTH)
        for v in range(vectors):
            channel = (group * vectors + v) * lanes
            to = result + ((image * channels + channel) * plane + row * number(args, T.OUT_WIDTH)) * size
            held = min(lanes, channels - channel)
            unblock((blocks + v * vector, to, rows * number(args, T.OUT_WIDTH), held, plane * size))

    return write_rows


def make_conv(structure: ConvStructure) -> KernelFunction:
    """The kernel of a structure; its table is `ConvTable`."""
    fill_strip = make_fill_strip(structure.tile.lanes, structure.inserted)
    finish = make_finish(structure)
    run_group = make_run_group(structure, finish)
    stripped = structure.stripped

    @_inlined
    def map_rows(args: int, row: int, stop: int) -> tuple[int, int]:
        """First and last + 1 of the map's rows that result rows need; not fewer than a tile has."""
        step, taps = number(args, T.POOL_STRIDE_DOWN), number(args, T.POOL_DOWN)
        end = min((stop - 1) * step - number(args, T.POOL_TOP) + taps, number(args, T.MAP_HEIGHT))
        start = max(0, row * step - number(args, T.POOL_TOP))
        return start, end

    @_inlined
    def source(args: int, strip: int, image: int, start: int, end: int, fresh: bool) -> int:
        """The address of the first input row, brought into the strip if need be."""
        x = number(args, T.X) + image * number(args, T.X_IMAGE)
        first = start * number(args, T.STRIDE_DOWN)
        if not stripped:
            return x + first * number(args, T.X_ROW)
        if fresh:
            span = (number(args, T.TAPS_DOWN) - 1) * number(args, T.DILATION_DOWN) + 1
            rows = (end - 1 - start) * number(args, T.STRIDE_DOWN) + span
            fill_strip(args, strip, x, first - number(args, T.PAD_TOP), rows)
        return strip

    least = structure.tile.rows

    def conv(args: int, tid: int, threads: int) -> None:
        workers = min(threads, number(args, T.SLOTS))
        if tid >= workers:
            return
        slot = number(args, T.SCRATCH) + tid * number(args, T.SLOT_BYTES)
        chunks, row_tasks, groups = number(args, T.CHUNKS), number(args, T.ROW_TASKS), number(args, T.GROUPS)
        tasks = number(args, T.IMAGES) * row_tasks * chunks
        begin = quotient(tasks * tid, workers)
        for task in range(begin, quotient(tasks * (tid + 1), workers)):
            strip_task, chunk = quotient(task, chunks), remainder(task, chunks)
            image = quotient(strip_task, row_tasks)
            row = remainder(strip_task, row_tasks) * number(args, T.ROWS)
            stop = min(row + number(args, T.ROWS), number(args, T.OUT_HEIGHT))
            start, end = map_rows(args, row, stop)
            start = max(0, min(start, end - least))
            x = source(args, slot, image, start, end, task == begin or chunk == 0)
            last = quotient(groups * (chunk + 1), chunks)
            for group in range(quotient(groups * chunk, chunks), last):
                run_group(args, slot, x, image, group, start, end, row, stop)

    return conv


def make_run_group(structure: ConvStructure, finish: Any) -> Any:
    """The function that takes one group of output channels from the input rows to the result."""
    run_tiles, load_tensors = make_run_tiles(structure), make_load_tensors(structure)
    stripped = structure.stripped

    @_inlined
    def run_group(
        args: int, slot: int, x: int, image: int, group: int, start: int, end: int, row: int, stop: int
    ) -> None:
        tensors = slot + number(args, T.TENSORS_AT)
        load_tensors(args, tensors, image, group, start, end - start)
        x_channel = number(args, T.STRIP_CHANNEL) if stripped else number(args, T.X_CHANNEL)
        part = quotient(group, number(args, T.CHANNEL_GROUPS)) * number(args, T.GROUP_CHANNELS)
        run_tiles(args, x + part * x_channel, group, slot + number(args, T.MAP_AT), tensors, end - start)
        finish(args, slot, image, group, start, row, stop)

    return run_group


def make_finish(structure: ConvStructure) -> Any:
    """The function that takes map rows of a group to the result: pooled if there is a pool, then plain."""
    lanes, vectors = structure.tile.lanes, structure.tile.vectors
    write_rows = make_write_rows(lanes, vectors, "f32")
    if structure.pool is None:

        @_inlined
        def unpooled(args: int, slot: int, image: int, group: int, start: int, row: int, stop: int) -> None:
            skipped = (row - start) * number(args, T.MAP_WIDTH) * lanes * 4
            rows = slot + number(args, T.MAP_AT) + skipped
            write_rows(args, rows, number(args, T.MAP_VECTOR), number(args, T.OUT), image, group, row, stop - row)

        return unpooled

    pool_rows = make_pool_rows(structure.pool, vectors, structure.count_pad)
    switched = structure.switch != ""
    write_switches = make_write_rows(lanes, vectors, structure.switch) if switched else write_rows

    @_inlined
    def pooled(args: int, slot: int, image: int, group: int, start: int, row: int, stop: int) -> None:
        pool_rows(args, slot, group, start, row, stop)
        vector, count = number(args, T.POOLED_VECTOR), stop - row
        write_rows(args, slot + number(args, T.POOLED_AT), vector, number(args, T.OUT), image, group, row, count)
        if switched:
            at = slot + number(args, T.SWITCHES_AT)
            write_switches(args, at, vector, number(args, T.SWITCHES), image, group, row, count)

    return pooled
