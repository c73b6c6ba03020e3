"""Pooling on blocks of lanes: windows of [row][pixel][lanes], one result vector each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from netlang.backends.common.epilogue import Epilogue
from netlang.backends.cpu.tiles.emitter import F32, I32, Emitter
from netlang.backends.cpu.tiles.epilogue import apply

UNROLLED_TAPS = 9
"""Windows of at most this many taps are unrolled."""


@dataclass(frozen=True)
class PoolTile:
    """Structure of a tile that computes neighbouring pooled pixels of one row.

    kind       `max`, `switch` (max with positions), `sum`, or `mean`
    window     rows and columns of a window where that is fixed and small, or None: both are arguments
    stride     pixels between windows where they share what they have computed (see `max_rows`), or 0
    """

    lanes: int
    kind: str
    window: tuple[int, int] | None
    epilogue: Epilogue = ()
    stride: int = 0

    ARGUMENTS = (
        "source source_row source_step pixels rows columns out switches position position_row divisor "
        "channels channel_pitch"
    )
    """source: first tap of the first window; `source_row`, `source_step`: bytes between rows, and between windows.
    position: number of the first tap in its (unclipped) window, `position_row` taps a row. divisor: of the mean."""


def emit_pool_tile(e: Emitter, tile: PoolTile, arguments: Sequence[Any]) -> None:
    """Write the code of a tile into `e`; `arguments` are i64 values in the order of `PoolTile.ARGUMENTS`."""
    a = dict(zip(PoolTile.ARGUMENTS.split(), arguments, strict=True))
    for name in ("source", "out", "switches", "channels"):
        (a[name],) = e.pointers(a[name])
    _Tile(e, tile, a).emit()


class _Tile:
    def __init__(self, e: Emitter, tile: PoolTile, arguments: dict[str, Any]) -> None:
        self.e, self.tile, self.a = e, tile, arguments
        self.rows: Any
        self.columns: Any
        self.rows, self.columns = tile.window or (arguments["rows"], arguments["columns"])
        self.unrolled = tile.window is not None and tile.window[0] * tile.window[1] <= UNROLLED_TAPS

    def emit(self) -> None:
        a, line = self.a, self.e.line
        starts = [a["source"], a["out"], a["switches"]]
        self.e.loop(a["pixels"], starts, [a["source_step"], line, line], [], self._pixel, guarded=True)

    def _pixel(self, pointers: list[Any], _: list[Any]) -> None:
        source, out, switches = pointers
        state = self._walk(source, self._first(source))
        self._finish(state, out, switches)

    def _first(self, source: Any) -> list[Any]:
        """Result (and position, and the number of the tap at hand) before any tap."""
        e, a = self.e, self.a
        if self.tile.kind in ("sum", "mean"):
            return [e.zero]
        if self.tile.kind == "max":
            return [e.load(source)]
        position = e.splat(e.b.trunc(a["position"], I32))
        return [e.load(source), position, position]

    def _walk(self, source: Any, state: list[Any]) -> list[Any]:
        e, a = self.e, self.a
        skip = e.b.sub(a["position_row"], e.i64(self.columns))

        def row(pointers: list[Any], state: list[Any]) -> Sequence[Any]:
            state = self._across(pointers[0], state)
            if self.tile.kind == "switch":
                state[2] = e.b.add(state[2], e.splat(e.b.trunc(skip, I32)))
            return state

        if not self.unrolled:
            return e.loop(self.rows, [source], [a["source_row"]], state, row)
        for r in range(self.rows):
            state = list(row([e.at(source, e.mul(r, a["source_row"]))], state))
        return state

    def _across(self, source: Any, state: list[Any]) -> list[Any]:
        if not self.unrolled:
            return self.e.loop(
                self.columns, [source], [self.e.line], state, lambda pointers, held: self._tap(pointers[0], held)
            )
        for c in range(self.columns):
            state = self._tap(self.e.at(source, c * self.e.line), state)
        return state

    def _tap(self, source: Any, state: list[Any]) -> list[Any]:
        e = self.e
        value = e.load(source)
        if self.tile.kind in ("sum", "mean"):
            return [e.b.fadd(state[0], value)]
        if self.tile.kind == "max":
            newer = e.b.or_(e.b.fcmp_ordered(">", value, state[0]), e.b.fcmp_unordered("uno", value, value))
            return [e.b.select(newer, value, state[0])]
        best, position, current = state
        newer = e.greater_or_nan(value, best)
        following = e.b.add(current, e.constant_i32(1))
        return [e.b.select(newer, value, best), e.b.select(newer, current, position), following]

    def _finish(self, state: list[Any], out: Any, switches: Any) -> None:
        e, a = self.e, self.a
        value = state[0]
        if self.tile.kind == "mean":
            value = e.b.fdiv(value, e.splat(e.b.sitofp(a["divisor"], F32)))
        channel = [
            lambda k=k: e.load(a["channels"], e.mul(k, a["channel_pitch"])) for k in range(len(self.tile.epilogue))
        ]
        e.store(apply(e, self.tile.epilogue, value, channel, []), out)
        if self.tile.kind == "switch":
            e.store(state[1], switches)


def window_if_small(rows: int, columns: int) -> tuple[int, int] | None:
    """The `window` of a tile for pools of this size."""
    return (rows, columns) if rows * columns <= UNROLLED_TAPS else None


def pool_tile(lanes: int, kind: str, kernel: tuple[int, int], stride: int, epilogue: Epilogue = ()) -> PoolTile:
    """The tile of a pool whose windows are `stride` pixels apart in a row."""
    window = window_if_small(*kernel)
    return PoolTile(lanes, kind, window, epilogue, stride if window and kind == "max" else 0)
