"""Philox4x32-10 in vectors: bit for bit the generator of `netlang.ops.random`.

Each lane computes the whole block of four words that its element is in and keeps one: four times the work, but no
element needs another, so random numbers fuse with what reads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netlang.backends.cpu.emit import I64, Emitter
from netlang.ops.random import BITS, MULTIPLIERS, ROUNDS, WEYL

RANDOM_BITS: Mapping[str, int] = {dtype.value: bits for dtype, bits in BITS.items()}
"""Leading bits of a word that become the number, by element type."""

_LOW = 0xFFFFFFFF


def philox_word(e: Emitter, index: Any, seed: Any, step: Any, stream: int) -> Any:
    """Word `index` of the stream, for i64 vectors; in the low halves of the result."""
    b = e.b
    low, half = e.constant(I64, _LOW), e.constant(I64, 32)
    block = b.lshr(index, e.constant(I64, 2))
    counter = [b.and_(block, low), b.lshr(block, half), b.and_(step, low), e.constant(I64, stream & _LOW)]
    keys = [b.and_(seed, low), b.lshr(seed, half)]
    for _ in range(ROUNDS):
        products = [b.mul(counter[2 * i], e.constant(I64, m)) for i, m in enumerate(MULTIPLIERS)]
        counter = [
            b.xor(b.xor(b.lshr(products[1], half), counter[1]), keys[0]),
            b.and_(products[1], low),
            b.xor(b.xor(b.lshr(products[0], half), counter[3]), keys[1]),
            b.and_(products[0], low),
        ]
        keys = [b.and_(b.add(k, e.constant(I64, w)), low) for k, w in zip(keys, WEYL, strict=True)]
    place = b.and_(index, e.constant(I64, 3))
    word = counter[3]
    for i in range(3):
        word = b.select(b.icmp_signed("==", place, e.constant(I64, i)), counter[i], word)
    return word
