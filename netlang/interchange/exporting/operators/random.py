"""Random numbers, the very same as here: Philox by whole-number operators, as functions that the model brings along.

See `netlang.ops.random` and `netlang.ops.quantile`. A function draws the numbers of whole blocks of four; products of
32-bit words go by halves of the second factor, so that nothing exceeds what i64 holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log

import numpy as np

from netlang.interchange.exporting.record import DOMAIN, Place, exports
from netlang.ir.build import Builder
from netlang.ir.dims import size, sym
from netlang.ir.graph import Graph, Value
from netlang.ir.scan import Loop
from netlang.ir.types import DType, TensorType
from netlang.ops import quantile
from netlang.ops.random import BITS, MULTIPLIERS, ROUNDS, WEYL


def _int(b: Builder, value: int) -> Value:
    return b.const(value, DType.I64)


def _low(b: Builder, x: Value, bits: int = 32) -> Value:
    return b.op("bit_and", x, _int(b, (1 << bits) - 1))


def _high(b: Builder, x: Value, bits: int = 32) -> Value:
    """What is above the lowest bits of a number that is not negative."""
    return b.div(x, _int(b, 1 << bits))


def _product(b: Builder, x: Value, factor: int) -> tuple[Value, Value]:
    """The upper and the lower 32 bits of a product of 32-bit words."""
    lower = b.mul(x, _int(b, factor & 0xFFFF))
    upper = b.add(b.mul(x, _int(b, factor >> 16)), _high(b, lower, 16))
    return _high(b, upper, 16), b.add(b.mul(_low(b, upper, 16), _int(b, 1 << 16)), _low(b, lower, 16))


def _words(b: Builder, key: Value, stream: Value, block: Value) -> Value:
    """The words of blocks with these numbers, i64[4 B]: ten rounds over four words of each, with keys that grow."""
    seed, step = (b.op("slice", key, axis=0, start=i, stop=i + 1) for i in range(2))
    shared = [b.broadcast(_low(b, v), block.shape) for v in (step, stream)]
    counter = (_low(b, block), _high(b, block), *shared)
    number = b.op("iota", size=ROUNDS, dtype=DType.I64)
    halves = (_low(b, seed), _low(b, b.op("floor_div", seed, _int(b, 1 << 32))))
    keys = tuple(_low(b, b.add(k, b.mul(number, _int(b, w)))) for k, w in zip(halves, WEYL, strict=True))
    c = tuple(b.input(f"c{i}", block.type) for i in range(4))
    k = tuple(b.input(f"k{i}", TensorType(DType.I64, ())) for i in range(2))
    made = _round(b, c, k)
    columns = Loop(counter, keys, (), c, k, (), made, (), ROUNDS).build(b).results
    side_by_side = b.op("concat", *(b.reshape(w, (*w.shape, 1)) for w in columns), axis=1)
    return b.reshape(side_by_side, (block.shape[0] * 4,))


def _round(b: Builder, c: Sequence[Value], k: Sequence[Value]) -> tuple[Value, ...]:
    """One round of Philox over the four words of every block."""
    (high0, low0), (high2, low2) = _product(b, c[0], MULTIPLIERS[0]), _product(b, c[2], MULTIPLIERS[1])
    first = b.op("bit_xor", b.op("bit_xor", high2, c[1]), k[0])
    third = b.op("bit_xor", b.op("bit_xor", high0, c[3]), k[1])
    return first, low2, third, low0


def _uniform(b: Builder, words: Value, dtype: DType) -> Value:
    """Leading bits, no more than the type holds, so that none is rounded up to 1."""
    bits = BITS[dtype]
    exact = DType.F64 if dtype is DType.F64 else DType.F32
    leading = b.op("cast", _high(b, words, 32 - bits), dtype=exact)
    return b.op("cast", b.scale(leading, 2.0**-bits), dtype=dtype)


def _normal(b: Builder, words: Value, dtype: DType) -> Value:
    """From 32-bit words to normal numbers, in float64; see `netlang.ops.quantile`."""
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
    for narrower in dict.fromkeys((DType.F32, dtype)) if dtype is not DType.F64 else ():
        found = b.op("cast", found, dtype=narrower)
    return found


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


def _draw(op: str, dtype: DType) -> Graph:
    """All draws of a kind: key (seed, step), stream i64[1], numbers of blocks i64[B]; four numbers of each block."""
    b = Builder(name=op)
    key, stream = b.input("key", TensorType(DType.I64, (2,))), b.input("stream", TensorType(DType.I64, (1,)))
    block = b.input("block", TensorType(DType.I64, (sym("B"),)))
    words = _words(b, key, stream, block)
    numbers = (_uniform if op == "uniform" else _normal)(b, words, dtype)
    return Graph(op, (key, stream, block), (), (("numbers", numbers),))


@exports("uniform", "normal")
def _random(place: Place) -> str:
    op, dtype, shape = place.node.op, place.attrs["dtype"], place.node.out.shape
    count = size(shape)
    blocks = (count + 3) // 4
    ends = (place.constant(0, np.int64), place.sizes.scalar(blocks), place.constant(1, np.int64))
    name = place.translation.function(f"{op.capitalize()}_{dtype}", lambda: _draw(op, dtype))
    stream = place.numbers([place.attrs["stream"]])
    numbers = place.op(name, place.inputs[0], stream, place.op("Range", *ends), domain=DOMAIN)
    if count != blocks * 4:
        numbers = place.op("Slice", numbers, place.numbers([0]), place.shape([count]), place.numbers([0]))
    return place.op("Reshape", numbers, place.shape(shape))
