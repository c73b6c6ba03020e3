"""The tile of Winograd's products: patches times vectors of output channels, summed over the input channels.

As `broadcast_tile`, but with one tap, and with fewer channels unrolled: with no loop over taps between that of the
blocks and the channels, LLVM moves the broadcasts of sixteen channels together and spills.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from netlang.backends.cpu.tiles.emitter import CACHE_LINE, FLOAT_BYTES, I64, Emitter

UNROLL = 8
"""Channels at a time; a divisor of the lanes, or the lanes."""
AHEAD = 2048
"""How far ahead of their use weights are asked for: the time that memory takes to answer, at the speed of the tile."""


def emit_products(e: Emitter, patches: int, vectors: int, arguments: Sequence[Any]) -> None:
    """(v, u, m, blocks, rest, v_block): m[patch][vectors] = sum over channels of v[block][patch][lane] u[channel].

    v, u, m       addresses; patches of v and vectors of u and m are side by side
    blocks, rest  whole blocks of input channels, `v_block` bytes apart in v, and channels after them
    """
    v, u, m = e.pointers(*arguments[:3])
    blocks, rest, v_block = arguments[3:]
    unroll = min(UNROLL, e.lanes)
    channel_bytes = vectors * e.line

    def channels(count: int) -> Any:
        def body(pointers: list[Any], sums: list[Any]) -> Sequence[Any]:
            for c in range(count):
                sums = _channel(e, patches, vectors, pointers, c, sums)
            return sums

        return body

    def block(pointers: list[Any], sums: list[Any]) -> Sequence[Any]:
        strides = [unroll * FLOAT_BYTES, unroll * channel_bytes]
        return e.loop(e.lanes // unroll, pointers, strides, sums, channels(unroll))

    sums = [e.zero] * (patches * vectors)
    sums = e.loop(blocks, [v, u], [v_block, e.lanes * channel_bytes], sums, block, guarded=True)
    v = e.at(v, e.b.mul(blocks, v_block))
    u = e.at(u, e.b.mul(blocks, I64(e.lanes * channel_bytes)))
    sums = e.loop(rest, [v, u], [FLOAT_BYTES, channel_bytes], sums, channels(1), guarded=True)
    for p in range(patches):
        for q in range(vectors):
            e.store(sums[p * vectors + q], m, (p * vectors + q) * e.line)


def _channel(e: Emitter, patches: int, vectors: int, pointers: Sequence[Any], c: int, sums: Sequence[Any]) -> list[Any]:
    """One input channel."""
    v, u = pointers
    if e.broadcasts_take_registers:
        e.fence()
    for line in range(0, vectors * e.line, CACHE_LINE):
        e.prefetch(u, c * vectors * e.line + line + AHEAD)
    weights = [e.load(u, (c * vectors + q) * e.line) for q in range(vectors)]
    out = list(sums)
    for p in range(patches):
        value = e.broadcast(v, p * e.line + c * FLOAT_BYTES)
        for q in range(vectors):
            i = p * vectors + q
            out[i] = e.fma(value, weights[q], out[i])
    return out
