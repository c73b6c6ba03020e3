"""The tile of convolutions by lanes: one vector of output channels, each lane with weights and input of its own.

    sums[p] += w[plane, tap] * x[plane, tap, p]        for all taps of all planes

P pixels are P accumulators, held in registers over the whole sum; x is the memory operand of the FMA. Where a core does
one FMA and one load a cycle, as AVX-512 machines and their narrower cousins do, nothing is lost by loading a pixel
again for every tap. Planes are those of `lane_strip`; weights are read strictly in order, [plane][row][column][lanes].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from netlang.backends.common.epilogue import Epilogue
from netlang.backends.cpu.tiles.emitter import Emitter
from netlang.backends.cpu.tiles.epilogue import apply


@dataclass(frozen=True)
class LaneTile:
    """`rows` of `columns` neighbouring pixels, `pixel_bytes` apart in x; `epilogue` comes before the store."""

    rows: int
    columns: int
    pixel_bytes: int
    epilogue: Epilogue = ()

    ARGUMENTS = (
        "x w out planes x_plane taps_down x_down taps_across x_across x_row "
        "out_row out_pixel channels channel_pitch tensor tensor_pitch"
    )
    """Names of the arguments, in order, as in `BroadcastTile`. Distances are in bytes."""


def emit_lane_tile(e: Emitter, tile: LaneTile, arguments: Sequence[Any]) -> None:
    """Write the code of a tile into `e`; `arguments` are i64 values in the order of `LaneTile.ARGUMENTS`."""
    a = dict(zip(LaneTile.ARGUMENTS.split(), arguments, strict=True))
    for name in ("x", "w", "out", "channels", "tensor"):
        (a[name],) = e.pointers(a[name])
    _store(e, tile, a, _sums(e, tile, a))


def _sums(e: Emitter, tile: LaneTile, a: dict[str, Any]) -> list[Any]:
    def tap(pointers: list[Any], sums: list[Any]) -> Sequence[Any]:
        weight = e.load(pointers[1])
        rows = [e.at(pointers[0], e.mul(r, a["x_row"])) for r in range(tile.rows)]
        pixels = (e.load(row, q * tile.pixel_bytes) for row in rows for q in range(tile.columns))
        return [e.fma(pixel, weight, total) for pixel, total in zip(pixels, sums, strict=True)]

    def row(pointers: list[Any], sums: list[Any]) -> Sequence[Any]:
        return e.loop(a["taps_across"], pointers, [a["x_across"], e.line], sums, tap)

    def plane(pointers: list[Any], sums: list[Any]) -> Sequence[Any]:
        strides = [a["x_down"], e.mul(a["taps_across"], e.line)]
        return e.loop(a["taps_down"], pointers, strides, sums, row, guarded=True)

    strides = [a["x_plane"], e.mul(e.mul(a["taps_down"], a["taps_across"]), e.line)]
    return e.loop(a["planes"], [a["x"], a["w"]], strides, [e.zero] * (tile.rows * tile.columns), plane)


def _store(e: Emitter, tile: LaneTile, a: dict[str, Any], sums: Sequence[Any]) -> None:
    for i, total in enumerate(sums):
        place = e.add(e.mul(i // tile.columns, a["out_row"]), e.mul(i % tile.columns, a["out_pixel"]))
        steps = range(len(tile.epilogue))
        channel = [lambda k=k: e.load(a["channels"], e.mul(k, a["channel_pitch"])) for k in steps]
        tensor = [lambda k=k, at=place: e.load(a["tensor"], e.add(e.mul(k, a["tensor_pitch"]), at)) for k in steps]
        e.store(apply(e, tile.epilogue, total, channel, tensor), a["out"], place)
