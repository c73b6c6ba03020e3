"""Tiles that move data: rows copied or cleared, and planes of channels transposed into blocks of lanes and back.

A block is [pixel][lanes]: the channels of one pixel side by side. A plain tensor has the pixels of one channel side by
side. Reading a block back runs past its end: blocks have room for `lanes` more pixels after their last.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from netlang.backends.cpu.tiles.emitter import F32, FLOAT_BYTES, I8, I32, I64, Emitter

ELEMENTS: dict[str, Any] = {"f32": F32, "i32": I32, "i8": I8, "bool": I8}
"""Element types of plain tensors that can be moved; blocks hold 32-bit elements."""


Stored = Callable[[Any, Any, int], None]
"""Writes a vector to an address plus so many bytes."""


def element_bytes(element: str) -> int:
    """Bytes of an element of a plain tensor."""
    return 1 if ELEMENTS[element] == I8 else FLOAT_BYTES


def emit_copy(e: Emitter, arguments: Sequence[Any]) -> None:
    """(to, from, count): copy `count` floats."""
    count = arguments[2]
    to, source = e.pointers(*arguments[:2])

    def body(pointers: list[Any], _: list[Any]) -> None:
        e.store(e.load(pointers[1]), pointers[0])

    whole = e.b.sdiv(count, I64(e.lanes))
    e.loop(whole, [to, source], [e.line, e.line], [], body, guarded=True)
    done = e.b.mul(whole, I64(e.line))
    mask = e.prefix_mask(e.b.srem(count, I64(e.lanes)))
    e.store_masked(e.load_masked(mask, source, done), mask, to, done)


def emit_clear(e: Emitter, arguments: Sequence[Any]) -> None:
    """(to, count): set `count` floats to 0."""
    count = arguments[1]
    (to,) = e.pointers(arguments[0])

    def body(pointers: list[Any], _: list[Any]) -> None:
        e.store(e.zero, pointers[0])

    whole = e.b.sdiv(count, I64(e.lanes))
    e.loop(whole, [to], [e.line], [], body, guarded=True)
    e.store_masked(e.zero, e.prefix_mask(e.b.srem(count, I64(e.lanes))), to, e.b.mul(whole, I64(e.line)))


def emit_add(e: Emitter, arguments: Sequence[Any]) -> None:
    """(to, from, vectors): to += from, in whole vectors."""
    to, source = e.pointers(*arguments[:2])

    def body(pointers: list[Any], _: list[Any]) -> None:
        e.store(e.b.fadd(e.load(pointers[0]), e.load(pointers[1])), pointers[0])

    e.loop(arguments[2], [to, source], [e.line, e.line], [], body, guarded=True)


def _chunks(e: Emitter, pixels: Any, pointers: Sequence[Any], strides: Sequence[Any], body: Any) -> None:
    """body(pointers, pixels left) for every `lanes` pixels, the last time for fewer perhaps."""
    count = e.b.sdiv(e.b.add(pixels, I64(e.lanes - 1)), I64(e.lanes))

    def step(places: list[Any], left: list[Any]) -> list[Any]:
        body(places, left[0])
        return [e.b.sub(left[0], I64(e.lanes))]

    e.loop(count, pointers, strides, [pixels], step, guarded=True)


def emit_block(
    e: Emitter,
    element: str,
    arguments: Sequence[Any],
    pixel_bytes: int | None = None,
    plain_step: Any = None,
    stored: Stored | None = None,
) -> None:
    """(plain, block, pixels, channels, channel_bytes): `pixels` of up to `lanes` channels into a block.

    The block holds floats, whatever the element; lanes without a channel are 0. Its pixels are side by side, or
    `pixel_bytes` apart; those of the plain tensor are side by side, or (floats) `plain_step` bytes apart, an i64.
    `stored(value, base, offset)` writes a pixel in another way than as floats.
    """
    step = pixel_bytes or e.line
    plain, block = e.pointers(*arguments[:2])
    pixels, channels, pitch = arguments[2:]
    kind, size = ELEMENTS[element], element_bytes(element)

    def chunk(pointers: list[Any], left: Any) -> None:
        rows = []
        for c in range(e.lanes):
            inside = e.b.select(e.b.icmp_signed(">", channels, I64(c)), left, I64(0))
            mask = e.prefix_mask(inside)
            place = e.mul(c, pitch)
            if plain_step is None:
                rows.append(_as_float(e, e.load_masked(mask, pointers[0], place, kind)))
            else:
                address = e.b.ptrtoint(e.at(pointers[0], place), I64)
                rows.append(e.gather(address, plain_step, mask))
        store_pixels(e, e.transpose(rows), pointers[1], left, step, stored)

    advance = e.mul(e.lanes, size if plain_step is None else plain_step)
    _chunks(e, pixels, [plain, block], [advance, e.lanes * step], chunk)


def store_pixels(
    e: Emitter, columns: Sequence[Any], block: Any, left: Any, step: int, stored: Stored | None = None
) -> None:
    """`lanes` pixels of a block, `step` bytes apart, or as many as are left."""
    store = stored or e.store
    with e.b.if_else(e.b.icmp_signed(">=", left, I64(e.lanes))) as (whole, part):
        with whole:
            for p, column in enumerate(columns):
                store(column, block, p * step)
        with part:
            for p, column in enumerate(columns[:-1]):
                with e.b.if_then(e.b.icmp_signed(">", left, I64(p))):
                    store(column, block, p * step)


def _as_float(e: Emitter, value: Any) -> Any:
    return value if value.type == e.vector else e.b.sitofp(value, e.vector)


def emit_unblock(e: Emitter, element: str, arguments: Sequence[Any], plain_step: Any = None) -> None:
    """(block, plain, pixels, channels, channel_bytes): the way back; integers of blocks are 32 bits wide."""
    block, plain = e.pointers(*arguments[:2])
    pixels, channels, pitch = arguments[2:]
    kind = ELEMENTS[element]
    size = element_bytes(element)
    stored = e.vector if element == "f32" else e.vector_i32

    def chunk(pointers: list[Any], left: Any) -> None:
        mask = e.prefix_mask(left)
        rows = e.transpose([e.load(pointers[0], p * e.line, kind=stored) for p in range(e.lanes)])
        for c, row in enumerate(rows):
            value = row if kind in (F32, I32) else e.b.trunc(row, e.vector_of(kind))

            def store(value: Any = value, c: int = c) -> None:
                place = e.mul(c, pitch)
                if plain_step is None:
                    e.store_masked(value, mask, pointers[1], place)
                else:
                    e.scatter(value, e.b.ptrtoint(e.at(pointers[1], place), I64), plain_step, mask)

            e.when(e.b.icmp_signed(">", channels, I64(c)), store)

    advance = e.mul(e.lanes, size if plain_step is None else plain_step)
    _chunks(e, pixels, [block, plain], [e.lanes * e.line, advance], chunk)
