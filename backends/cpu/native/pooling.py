"""Pooling of blocked map rows inside a kernel: whole windows by one tile, those at the edges by another."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from netlang.backends.cpu.intrinsics import number, quotient
from netlang.backends.cpu.native.conv_table import ConvTable as T
from netlang.backends.cpu.tiles.call import tile_call
from netlang.backends.cpu.tiles.pool_tile import PoolTile, emit_pool_tile
from numba import njit

_inlined = njit(forceinline=True, error_model="numpy")


def make_pool_rows(pool: PoolTile, vectors: int, count_pad: bool) -> Any:
    """The function that pools the map rows of one group into the slot's pooled rows (and positions)."""
    lanes, line = pool.lanes, pool.lanes * 4
    width = len(PoolTile.ARGUMENTS.split())
    inside = tile_call(width, lanes, lambda e, values: emit_pool_tile(e, pool, values))
    edge_tile = replace(pool, window=None)
    at_edge = tile_call(width, lanes, lambda e, values: emit_pool_tile(e, edge_tile, values))

    @_inlined
    def divisor(args: int, top: int, left: int, rows: int, columns: int) -> int:
        """How many taps a mean divides by; padding counts, what lies beyond it does not."""
        if not count_pad:
            return rows * columns
        bottom = min(top + number(args, T.POOL_DOWN), number(args, T.MAP_HEIGHT) + number(args, T.POOL_BOTTOM))
        right = min(left + number(args, T.POOL_ACROSS), number(args, T.MAP_WIDTH) + number(args, T.POOL_RIGHT))
        return (bottom - top) * (right - left)

    @_inlined
    def edge(args: int, rows_at: int, start: int, top: int, column: int, out: int, to: int, operands: int) -> None:
        """One window that is cut off by the map's edge."""
        left = column * number(args, T.POOL_STRIDE_ACROSS) - number(args, T.POOL_LEFT)
        r0, c0 = max(0, top), max(0, left)
        rows = min(top + number(args, T.POOL_DOWN), number(args, T.MAP_HEIGHT)) - r0
        columns = min(left + number(args, T.POOL_ACROSS), number(args, T.MAP_WIDTH)) - c0
        source_row = number(args, T.MAP_WIDTH) * line
        at_edge((
            rows_at + (r0 - start) * source_row + c0 * line, source_row, 0, 1, rows, columns,
            out + column * line, to + column * line,
            (r0 - top) * number(args, T.POOL_ACROSS) + c0 - left, number(args, T.POOL_ACROSS),
            divisor(args, top, left, rows, columns), operands, number(args, T.CHANNEL_PITCH),
        ))  # fmt: skip

    @_inlined
    def pool_row(args: int, rows_at: int, start: int, row: int, out: int, to: int, operands: int) -> None:
        """One pooled row of one vector: windows cut off on the left, whole ones, windows cut off on the right."""
        step, left = number(args, T.POOL_STRIDE_ACROSS), number(args, T.POOL_LEFT)
        down, across = number(args, T.POOL_DOWN), number(args, T.POOL_ACROSS)
        top, count = row * number(args, T.POOL_STRIDE_DOWN) - number(args, T.POOL_TOP), number(args, T.OUT_WIDTH)
        first = min(count, quotient(left + step - 1, step))
        room = number(args, T.MAP_WIDTH) + left - across
        last = max(first, min(count, quotient(room, step) + 1)) if room >= 0 else first
        if top < 0 or top + down > number(args, T.MAP_HEIGHT):
            first, last = count, count
        for column in range(first):
            edge(args, rows_at, start, top, column, out, to, operands)
        source_row = number(args, T.MAP_WIDTH) * line
        source = rows_at + (top - start) * source_row + (first * step - left) * line
        inside((
            source, source_row, step * line, last - first, down, across, out + first * line, to + first * line,
            0, across, down * across, operands, number(args, T.CHANNEL_PITCH),
        ))  # fmt: skip
        for column in range(last, count):
            edge(args, rows_at, start, top, column, out, to, operands)

    @_inlined
    def pool_rows(args: int, slot: int, group: int, start: int, row: int, stop: int) -> None:
        operands = number(args, T.POOL_CHANNELS) + group * vectors * line
        for v in range(vectors):
            rows_at = slot + number(args, T.MAP_AT) + v * number(args, T.MAP_VECTOR)
            out = slot + number(args, T.POOLED_AT) + v * number(args, T.POOLED_VECTOR)
            to = slot + number(args, T.SWITCHES_AT) + v * number(args, T.POOLED_VECTOR)
            for r in range(row, stop):
                skipped = (r - row) * number(args, T.OUT_WIDTH) * line
                pool_row(args, rows_at, start, r, out + skipped, to + skipped, operands + v * line)

    return pool_rows
