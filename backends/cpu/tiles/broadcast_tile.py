"""The tile of convolutions and matrix products: vectors of output channels times broadcast pixels.

    sums[v][p] += w[channel, tap][v] * x[channel, tap, p]        for all taps of all channels

V weight vectors times P pixels are V*P accumulators, held in registers over the whole sum. Pixels are R rows of Q
neighbours. A pixel may be stored blocked (its channels side by side) or plain (its neighbours side by side): only the
distances differ. The distance of neighbouring pixels is a constant, so that a broadcast is one memory operand;
everything else is an argument. A matrix product is the case of one tap, where pixels are rows of the left matrix.

Channels go in blocks of `lanes`: weights are read strictly in order, [block][tap row][tap column][channel][V vectors],
and a last block may have fewer channels. Only channels are unrolled: with taps unrolled as well, LLVM merges the
broadcasts of neighbouring pixels, keeps them live and spills.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from netlang.backends.common.epilogue import Epilogue
from netlang.backends.cpu.tiles.emitter import BF16_BYTES, FLOAT_BYTES, I64, Emitter
from netlang.backends.cpu.tiles.epilogue import apply

BLOCKED_UNROLL = 8
"""Channels at a time where they are neighbours: with sixteen, LLVM loads many broadcasts ahead and spills."""
PLAIN_UNROLL = 2
"""Channels at a time where their distance is an argument: more would need more address registers than there are."""


@dataclass(frozen=True)
class BroadcastTile:
    """Structure of a tile.

    vectors, rows, columns   V, R, Q
    pixel_bytes              distance of neighbouring pixels of a row in x
    blocked                  the channels of x are neighbours; otherwise `x_channel` apart
    w_ordered                weights are packed as above; otherwise channels are `w_channel` apart
    masked                   `lanes_valid` and `pixels_valid` bound what is stored, and what is read of loose weights
    fenced                   loads stay in their channel: where neighbouring channels read the same x (they are pixels
                             then, see `weight_gradient`), LLVM would keep broadcasts in registers until it spills
    ahead                    the pixels of the next tile are asked for: x comes from memory in pieces too short for the
                             hardware to foresee the next
    epilogue                 applied to the accumulators before they are stored
    w_bytes                  of a weight: 4, or 2 for bfloat16, which only ordered weights may be
    """

    lanes: int
    vectors: int
    rows: int
    columns: int
    pixel_bytes: int
    blocked: bool
    w_ordered: bool = True
    masked: bool = False
    fenced: bool = False
    ahead: bool = False
    epilogue: Epilogue = ()
    w_bytes: int = FLOAT_BYTES

    ARGUMENTS = (
        "x w out blocks rest x_block x_channel w_channel taps_down x_down taps_across x_across x_row "
        "out_vector out_row out_pixel channels channel_pitch tensor tensor_pitch lanes_valid pixels_valid"
    )
    """Names of the arguments, in order. Distances are in bytes.

    x, w, out        where the tile's first pixel, weights and result are
    blocks, rest     whole channel blocks, and channels after them; `x_block` is the distance of blocks
    taps_down, ...   rows and columns of the kernel, and their distance in x
    x_row            distance of the tile's rows of pixels in x
    out_*            distance of vectors, rows and neighbouring pixels in the result
    channels         per-channel operands of the epilogue, `channel_pitch` apart, laid out as the weights' vectors
    tensor           tensor operands of the epilogue, laid out as the result, `tensor_pitch` apart
    """

    @property
    def group_bytes(self) -> int:
        """Of the ordered weights of one channel and tap."""
        return self.vectors * self.lanes * self.w_bytes

    @property
    def accumulators(self) -> int:
        return self.vectors * self.rows * self.columns


def emit_broadcast_tile(e: Emitter, tile: BroadcastTile, arguments: Sequence[Any]) -> None:
    """Write the code of a tile into `e`; `arguments` are i64 values in the order of `BroadcastTile.ARGUMENTS`."""
    a = dict(zip(BroadcastTile.ARGUMENTS.split(), arguments, strict=True))
    for name in ("x", "w", "out", "channels", "tensor"):
        (a[name],) = e.pointers(a[name])
    _Tile(e, tile, a).emit()


class _Tile:
    """The parts of one tile's code."""

    def __init__(self, e: Emitter, tile: BroadcastTile, arguments: dict[str, Any]) -> None:
        self.e, self.tile, self.a = e, tile, arguments
        self.x_channel = FLOAT_BYTES if tile.blocked else arguments["x_channel"]
        self.w_channel = tile.group_bytes if tile.w_ordered else arguments["w_channel"]
        bound = arguments["lanes_valid"]
        self.masks = [
            e.prefix_mask(e.b.sub(bound, I64(v * e.lanes))) if tile.masked else None for v in range(tile.vectors)
        ]

    def emit(self) -> None:
        e, a = self.e, self.a
        sums = [e.zero] * self.tile.accumulators
        taps = e.b.mul(a["taps_down"], a["taps_across"])
        w_block = e.mul(e.mul(taps, e.lanes), self.w_channel)
        sums = e.loop(a["blocks"], [a["x"], a["w"]], [a["x_block"], w_block], sums, self._block, guarded=True)
        x = e.at(a["x"], e.mul(a["blocks"], a["x_block"]))
        w = e.at(a["w"], e.mul(a["blocks"], w_block))
        self._store(self._rest(x, w, sums))

    def _block(self, pointers: list[Any], sums: list[Any]) -> Sequence[Any]:
        """All taps of one whole channel block."""
        if self.tile.ahead:
            self._ask(pointers[0])
        unroll = min(BLOCKED_UNROLL, self.e.lanes) if self.tile.blocked else PLAIN_UNROLL
        return self._taps(self.a["taps_down"], pointers, sums, self.e.lanes, unroll)

    def _ask(self, x: Any) -> None:
        """Prefetch the channels at hand of the pixels of the next tile in the row."""
        tile = self.tile
        for r in range(tile.rows):
            row = self.e.at(x, self.e.mul(r, self.a["x_row"]))
            for q in range(tile.columns):
                self.e.prefetch(row, (tile.columns + q) * tile.pixel_bytes)

    def _rest(self, x: Any, w: Any, sums: list[Any]) -> list[Any]:
        """All taps of the channels after the last whole block, if there are any."""
        rest = self.a["rest"]
        down = self.e.b.select(self.e.b.icmp_signed(">", rest, I64(0)), self.a["taps_down"], I64(0))
        return self._taps(down, [x, w], sums, rest, 1)

    def _taps(self, down: Any, pointers: list[Any], sums: list[Any], channels: Any, unroll: int) -> list[Any]:
        e, a = self.e, self.a
        w_tap = e.mul(channels, self.w_channel)
        strides = [e.mul(unroll, self.x_channel), e.mul(unroll, self.w_channel)]
        count = channels // unroll if isinstance(channels, int) else channels

        def some_channels(pointers: list[Any], sums: list[Any]) -> Sequence[Any]:
            for c in range(unroll):
                sums = self._channel(pointers, c, sums)
            return sums

        def across(pointers: list[Any], sums: list[Any]) -> Sequence[Any]:
            return e.loop(count, pointers, strides, sums, some_channels)

        def one_row(pointers: list[Any], sums: list[Any]) -> Sequence[Any]:
            return e.loop(a["taps_across"], pointers, [a["x_across"], w_tap], sums, across)

        w_row = e.mul(a["taps_across"], w_tap)
        return e.loop(down, pointers, [a["x_down"], w_row], sums, one_row, guarded=True)

    def _channel(self, pointers: list[Any], c: int, sums: Sequence[Any]) -> list[Any]:
        """One channel of one tap: V weights, P broadcasts, V*P FMAs."""
        e, tile = self.e, self.tile
        if tile.fenced or e.broadcasts_take_registers:
            e.fence()
        x, w = e.at(pointers[0], e.mul(c, self.x_channel)), e.at(pointers[1], e.mul(c, self.w_channel))
        weights = [self._weight(w, v) for v in range(tile.vectors)]
        out = list(sums)
        for r in range(tile.rows):
            row = e.at(x, e.mul(r, self.a["x_row"]))
            for q in range(tile.columns):
                value = e.broadcast(row, q * tile.pixel_bytes)
                for v in range(tile.vectors):
                    i = self._index(v, r, q)
                    out[i] = e.fma(value, weights[v], out[i])
        return out

    def _weight(self, w: Any, v: int) -> Any:
        if self.tile.masked and not self.tile.w_ordered:
            return self.e.load_masked(self.masks[v], w, v * self.e.line)
        if self.tile.w_bytes == BF16_BYTES:
            return self.e.load_bf16(w, v * self.e.lanes * BF16_BYTES)
        return self.e.load(w, v * self.e.line)

    def _index(self, v: int, r: int, q: int) -> int:
        return (v * self.tile.rows + r) * self.tile.columns + q

    def _store(self, sums: Sequence[Any]) -> None:
        tile, b = self.tile, self.e.b
        for r in range(tile.rows):
            for q in range(tile.columns):
                if tile.masked and r + q > 0:
                    pixel = r * tile.columns + q
                    with b.if_then(b.icmp_signed(">", self.a["pixels_valid"], I64(pixel)), likely=True):
                        self._store_pixel(r, q, sums)
                else:
                    self._store_pixel(r, q, sums)

    def _store_pixel(self, r: int, q: int, sums: Sequence[Any]) -> None:
        e, a, tile = self.e, self.a, self.tile
        for v in range(tile.vectors):
            offset = e.add(e.add(e.mul(v, a["out_vector"]), e.mul(r, a["out_row"])), e.mul(q, a["out_pixel"]))
            steps = range(len(tile.epilogue))
            channel = [self._channel_operand(k, v) for k in steps]
            tensor = [self._tensor(k, offset, v) for k in steps]
            value = apply(e, tile.epilogue, sums[self._index(v, r, q)], channel, tensor)
            if tile.masked:
                e.store_masked(value, self.masks[v], a["out"], offset)
            else:
                e.store(value, a["out"], offset)

    def _channel_operand(self, k: int, v: int) -> Any:
        e, a = self.e, self.a
        place = e.add(e.mul(k, a["channel_pitch"]), v * e.line)
        if self.tile.masked:
            return lambda: e.load_masked(self.masks[v], a["channels"], place)
        return lambda: e.load(a["channels"], place)

    def _tensor(self, k: int, offset: Any, v: int) -> Any:
        e, a = self.e, self.a

        def load() -> Any:
            place = e.add(e.mul(k, a["tensor_pitch"]), offset)
            return e.load_masked(self.masks[v], a["tensor"], place) if self.tile.masked else e.load(a["tensor"], place)

        return load
