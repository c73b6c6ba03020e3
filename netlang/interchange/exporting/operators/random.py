"""Random numbers, the very same as here: Philox by whole-number operators, as functions that the model brings along.

See `netlang.ops.random` and `netlang.ops.quantile`. Products of 32-bit words go by halves of the second factor, so that
nothing exceeds what i64 holds.
"""

from __future__ import annotations

from math import log

import numpy as np

from netlang.interchange.exporting.record import DOMAIN, Place, exports
from netlang.ir.build import Builder
from netlang.ir.dims import size, sym
from netlang.ir.graph import Graph, Value
from netlang.ir.types import DType, TensorType
from netlang.ops import quantile
from netlang.ops.random import BITS, MULTIPLIERS, ROUNDS, WEYL

_LOW = 0xFFFFFFFF


def _int(b: Builder, value: int) -> Value:
    return b.const(value, DType.I64)


def _low(b: Builder, x: Value, bits: int = 32) -> Value:
    return b.op("bit_and", x, _int(b, (1 << bits) - 1))


def _high(b: Builder, x: Value, bits: int = 32) -> Value:
    return b.op("floor_div", x, _int(b, 1 << bits))


def _product(b: Builder, x: Value, factor: int) -> tuple[Value, Value]:
    """The upper and the lower 32 bits of a product of 32-bit words."""
    lower = b.mul(x, _int(b, factor & 0xFFFF))
    upper = b.add(b.mul(x, _int(b, factor >> 16)), _high(b, lower, 16))
    return _high(b, upper, 16), b.add(b.mul(_low(b, upper, 16), _int(b, 1 << 16)), _low(b, lower, 16))


def philox_round() -> Graph:
    """One round: four words of every counter and the two words of the key."""
    b = Builder(name="philox")
    words = TensorType(DType.I64, (sym("B"),))
    c0, c1, c2, c3 = (b.input(f"c{i}", words) for i in range(4))
    k0, k1 = (b.input(f"k{i}", TensorType(DType.I64, (1,))) for i in range(2))
    (high0, low0), (high2, low2) = _product(b, c0, MULTIPLIERS[0]), _product(b, c2, MULTIPLIERS[1])
    first = b.op("bit_xor", b.op("bit_xor", high2, c1), k0)
    third = b.op("bit_xor", b.op("bit_xor", high0, c3), k1)
    outputs = (("first", first), ("second", low2), ("third", third), ("fourth", low0))
    return Graph("PhiloxRound", (c0, c1, c2, c3, k0, k1), (), outputs)


def quantile_graph() -> Graph:
    """From 32-bit words to normal numbers, in float64; see `netlang.ops.quantile`."""
    b = Builder(name="quantile")
    words = b.input("words", TensorType(DType.I64, (sym("n"),)))
    odd = b.add(b.mul(words, _int(b, 2)), _int(b, 1))  # the probability times 2^33
    p = b.mul(b.op("cast", odd, dtype=DType.F64), b.const(2.0**-33, DType.F64))
    q = b.sub(p, b.const(0.5, DType.F64))
    square = b.sub(b.const(quantile.CENTRE_SQUARE, DType.F64), b.mul(q, q))
    over, under = (_polynomial(b, square, c) for c in (quantile.CENTRE_OVER, quantile.CENTRE_UNDER))
    centre = b.mul(q, b.div(over, under))
    negative = b.op("lt", q, b.const(0.0, DType.F64))
    shorter = b.op("where", negative, odd, b.sub(_int(b, 1 << 33), odd))
    root = b.sub(b.op("sqrt", b.neg(_logarithm(b, shorter))), b.const(quantile.TAIL_SHIFT, DType.F64))
    tail = b.div(_polynomial(b, root, quantile.TAIL_OVER), _polynomial(b, root, quantile.TAIL_UNDER))
    inside = b.op("le", b.op("abs", q), b.const(quantile.CENTRE, DType.F64))
    found = b.op("where", inside, centre, b.op("where", negative, b.neg(tail), tail))
    return Graph("NormalQuantile", (words,), (), (("numbers", found),))


def _polynomial(b: Builder, x: Value, coefficients: tuple[float, ...]) -> Value:
    """Horner's scheme, highest power first; the first coefficient meets the first x."""
    out = b.const(coefficients[0], DType.F64)
    for c in coefficients[1:]:
        out = b.add(b.mul(out, x), b.const(c, DType.F64))
    return out


def _logarithm(b: Builder, x: Value) -> Value:
    """log(x / 2^33) of whole numbers from 1 to 2^33: the exponent is guessed by a logarithm and put right."""
    numbers = b.op("cast", x, dtype=DType.F64)
    guess = b.op("floor", b.mul(b.op("log", numbers), b.const(1 / log(2), DType.F64)))
    exponent = b.op("cast", guess, dtype=DType.I64)
    powers = b.const([1 << i for i in range(36)], DType.I64)
    exponent = b.op("where", b.op("lt", x, b.op("gather", powers, exponent)), b.sub(exponent, _int(b, 1)), exponent)
    above = b.add(exponent, _int(b, 1))
    exponent = b.op("where", b.op("ge", x, b.op("gather", powers, above)), above, exponent)
    parts = b.const([2.0**-i for i in range(36)], DType.F64)
    mantissa = b.mul(numbers, b.op("gather", parts, exponent))
    large = b.op("gt", mantissa, b.const(quantile.SQRT2, DType.F64))
    mantissa = b.op("where", large, b.mul(mantissa, b.const(0.5, DType.F64)), mantissa)
    exponent = b.op("where", large, b.add(exponent, _int(b, 1)), exponent)
    one = b.const(1.0, DType.F64)
    s = b.div(b.sub(mantissa, one), b.add(mantissa, one))
    scale = b.op("cast", b.sub(exponent, _int(b, 33)), dtype=DType.F64)
    series = b.mul(b.add(s, s), _polynomial(b, b.mul(s, s), quantile.ATANH))
    return b.add(b.mul(scale, b.const(quantile.LN2, DType.F64)), series)


def _words(place: Place) -> str:
    """The words of the node's stream, i64[4 * blocks], from counters and key on."""
    count = size(place.node.out.shape)
    blocks = (count + 3) // 4
    key = place.node.inputs[0]
    stream = place.attrs["stream"]

    def counters(b: Builder) -> list[Value]:
        block = b.op("iota", size=blocks, dtype=DType.I64)
        seed, step = (b.op("slice", key, axis=0, start=i, stop=i + 1) for i in range(2))
        shared = (_low(b, step), _int(b, stream & _LOW))
        keys = (_low(b, seed), _low(b, _high(b, seed)))
        return [_low(b, block), _high(b, block), *(b.broadcast(v, (blocks,)) for v in shared), *keys]

    *words, k0, k1 = place.composed(counters)
    name = place.translation.function("PhiloxRound", philox_round)
    low = place.constant(_LOW, np.int64)
    for number in range(ROUNDS):
        if number:
            k0, k1 = (
                place.op("BitwiseAnd", place.op("Add", k, place.constant(w, np.int64)), low)
                for k, w in zip((k0, k1), WEYL, strict=True)
            )
        words = place.ops(name, *words, k0, k1, outputs=4, domain=DOMAIN)
    columns = [place.op("Unsqueeze", w, place.numbers([1])) for w in words]
    joined = place.op("Concat", *columns, axis=1)
    row = place.op("Reshape", joined, place.numbers([-1]))
    ends = [place.numbers([0]), place.shape([count]), place.numbers([0])]
    return row if count == blocks * 4 else place.op("Slice", row, *ends)


def _shaped(place: Place, numbers: str) -> str:
    return place.op("Reshape", numbers, place.shape(place.node.out.shape))


@exports("uniform")
def _uniform(place: Place) -> str:
    """Leading bits, no more than the type holds, so that none is rounded up to 1."""
    bits, dtype = BITS[place.attrs["dtype"]], place.attrs["dtype"]
    words = place.op("Div", _words(place), place.constant(1 << (32 - bits), np.int64))
    exact = DType.F64 if dtype is DType.F64 else DType.F32
    numbers = place.op("Mul", place.cast(words, exact), place.constant(2.0**-bits, exact))
    return _shaped(place, numbers if dtype is exact else place.cast(numbers, dtype))


@exports("normal")
def _normal(place: Place) -> str:
    dtype = place.attrs["dtype"]
    numbers = place.op(place.translation.function("NormalQuantile", quantile_graph), _words(place), domain=DOMAIN)
    for narrower in dict.fromkeys((DType.F32, dtype)) if dtype is not DType.F64 else ():
        numbers = place.cast(numbers, narrower)
    return _shaped(place, numbers)
