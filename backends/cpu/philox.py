"""Philox4x32-10 in vectors, and normal numbers of it: bit for bit those of `netlang.ops.random`.

Each lane computes the whole block of four words that its element is in and keeps one: four times the work, but no
element needs another, so random numbers fuse with what reads them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from netlang.backends.cpu.emit import F64, I64, Emitter
from netlang.ops import quantile
from netlang.ops.random import BITS, MULTIPLIERS, ROUNDS, WEYL

RANDOM_BITS: Mapping[str, int] = {dtype.value: bits for dtype, bits in BITS.items()}
"""Leading bits of a word that become the number, by element type."""

_LOW = 0xFFFFFFFF


def philox_word(e: Emitter, index: Any, seed: Any, step: Any, stream: Any) -> Any:
    """Word `index` of the stream, for i64 vectors; in the low halves of the result."""
    b = e.b
    low, half = e.constant(I64, _LOW), e.constant(I64, 32)
    block = b.lshr(index, e.constant(I64, 2))
    counter = [b.and_(block, low), b.lshr(block, half), b.and_(step, low), b.and_(stream, low)]
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


def normal_quantile(e: Emitter, word: Any) -> Any:
    """`netlang.ops.quantile.normal_quantile` of words in i64 vectors: the same operations in the same order, and no
    products and sums contracted into one rounding."""
    b = e.b

    def number(value: float) -> Any:
        return e.constant(F64, value)

    p = b.fmul(b.fadd(b.sitofp(word, e.vector(F64)), number(0.5)), number(2.0**-32))
    q = b.fsub(p, number(0.5))
    square = b.fsub(number(quantile.CENTRE_SQUARE), b.fmul(q, q))
    centre = b.fmul(q, _quotient(e, square, quantile.CENTRE_OVER, quantile.CENTRE_UNDER))
    low = b.fcmp_ordered("<", q, number(0.0))
    rarest = b.select(low, p, b.fsub(number(1.0), p))
    root = b.fsub(e.intrinsic("sqrt", b.fneg(_logarithm(e, rarest))), number(quantile.TAIL_SHIFT))
    tail = _quotient(e, root, quantile.TAIL_OVER, quantile.TAIL_UNDER)
    central = b.fcmp_ordered("<=", e.intrinsic("fabs", q), number(quantile.CENTRE))
    return b.select(central, centre, b.select(low, b.fneg(tail), tail))


def _quotient(e: Emitter, x: Any, over: Sequence[float], under: Sequence[float]) -> Any:
    return e.b.fdiv(_polynomial(e, x, over), _polynomial(e, x, under))


def _polynomial(e: Emitter, x: Any, coefficients: Sequence[float]) -> Any:
    """Horner's scheme, every step rounded."""
    out = e.like(x, coefficients[0])
    for c in coefficients[1:]:
        out = e.b.fadd(e.b.fmul(out, x), e.like(x, c))
    return out


def _logarithm(e: Emitter, x: Any) -> Any:
    b = e.b
    bits = b.bitcast(x, e.vector(I64))
    exponent = b.sub(b.lshr(bits, e.constant(I64, 52)), e.constant(I64, 1023))
    mantissa_bits = b.or_(b.and_(bits, e.constant(I64, (1 << 52) - 1)), e.constant(I64, 1023 << 52))
    mantissa = b.bitcast(mantissa_bits, e.vector(F64))
    large = b.fcmp_ordered(">", mantissa, e.constant(F64, quantile.SQRT2))
    mantissa = b.select(large, b.fmul(mantissa, e.constant(F64, 0.5)), mantissa)
    exponent = b.select(large, b.add(exponent, e.constant(I64, 1)), exponent)
    one = e.constant(F64, 1.0)
    s = b.fdiv(b.fsub(mantissa, one), b.fadd(mantissa, one))
    series = b.fmul(b.fadd(s, s), _polynomial(e, b.fmul(s, s), quantile.ATANH))
    whole = b.fmul(b.sitofp(exponent, e.vector(F64)), e.constant(F64, quantile.LN2))
    return b.fadd(whole, series)
