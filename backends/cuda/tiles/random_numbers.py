"""Philox4x32-10 and normal numbers of it as the source text of kernels: bit for bit those of `netlang.ops.random`.

A block of four words costs as much as one: where a thread has the four elements of a block, it computes it once.
"""

from __future__ import annotations

from collections.abc import Sequence

from netlang.backends.cuda.tiles.writer import Term, Writer, literal
from netlang.ops import quantile
from netlang.ops.random import BITS, MULTIPLIERS, ROUNDS, WEYL

RANDOM_BITS = {dtype.value: bits for dtype, bits in BITS.items()}
"""Leading bits of a word that become the number, by element type."""

_LOW = 0xFFFFFFFF


def philox_word(w: Writer, index: Term, seed: Term, step: Term, stream: Term) -> str:
    """Word `index` (i64) of the stream, as u32."""
    words = philox_block(w, w.let(f"{index} >> 2"), seed, step, stream)
    place = w.let(f"i32({index} & 3)")
    return w.let(f"{words[0]} if {place} == 0 else ({words[1]} if {place} == 1 else "
                 f"({words[2]} if {place} == 2 else {words[3]}))", "word")  # fmt: skip


def philox_block(w: Writer, block: str, seed: Term, step: Term, stream: Term) -> list[str]:
    """The four words of a block (i64, not negative), as u32."""
    c = [w.fresh("c") for _ in range(4)]
    keys = [w.let(f"u32({seed} & {_LOW})", "k"), w.let(f"u32(({seed} >> 32) & {_LOW})", "k")]
    starts = (f"u32({block} & {_LOW})", f"u32({block} >> 32)", f"u32({step} & {_LOW})", f"u32({stream} & {_LOW})")
    for name, start in zip(c, starts, strict=True):
        w.line(f"{name} = {start}")
    with w.block(f"for _ in range({ROUNDS})"):
        factors = [f"u32({m:#x})" for m in MULTIPLIERS]
        high = [w.let(f"mulhi_u32({f}, {c[2 * i]})", "h") for i, f in enumerate(factors)]
        low = [w.let(f"u32({f} * {c[2 * i]})", "l") for i, f in enumerate(factors)]
        w.line(f"{c[0]} = u32({high[1]} ^ {c[1]} ^ {keys[0]})")
        w.line(f"{c[2]} = u32({high[0]} ^ {c[3]} ^ {keys[1]})")
        w.line(f"{c[1]} = {low[1]}")
        w.line(f"{c[3]} = {low[0]}")
        for key, weyl in zip(keys, WEYL, strict=True):
            w.line(f"{key} = u32({key} + u32({weyl:#x}))")
    return c


def uniform_number(dtype: str, word: str) -> str:
    """A word as a number of [0, 1), which its type holds exactly."""
    bits, kind = RANDOM_BITS[dtype], "f64" if dtype == "f64" else "f32"
    return f"{kind}(i32({word} >> u32({32 - bits}))) * {literal(kind, 2.0**-bits)}"


def normal_number(w: Writer, word: str) -> str:
    """`netlang.ops.quantile.normal_quantile` of a word, f64: the same operations in the same order, and no products
    and sums contracted into one rounding."""
    p = w.let(_product(_sum(f"f64({word})", "f64(0.5)"), literal("f64", 2.0**-32)), "p")
    q = w.let(_sum(p, "f64(-0.5)"), "q")
    out = w.fresh("normal")
    with w.block(f"if abs_f64({q}) <= {literal('f64', quantile.CENTRE)}"):
        square = w.let(_sum(literal("f64", quantile.CENTRE_SQUARE), "-" + _product(q, q)))
        ratio = _quotient(w, square, quantile.CENTRE_OVER, quantile.CENTRE_UNDER)
        w.line(f"{out} = {_product(q, ratio)}")
    with w.block("else"):
        rarest = w.let(f"{p} if {q} < f64(0.0) else {_sum('f64(1.0)', '-' + p)}")
        root = w.let(_sum(f"sqrt_f64(-{_logarithm(w, rarest)})", literal("f64", -quantile.TAIL_SHIFT)))
        tail = w.let(_quotient(w, root, quantile.TAIL_OVER, quantile.TAIL_UNDER))
        w.line(f"{out} = -{tail} if {q} < f64(0.0) else {tail}")
    return out


def _sum(x: str, y: str) -> str:
    return f"add_rounded_f64({x}, {y})"


def _product(x: str, y: str) -> str:
    return f"mul_rounded_f64({x}, {y})"


def _quotient(w: Writer, x: str, over: Sequence[float], under: Sequence[float]) -> str:
    return f"div_rounded_f64({_polynomial(w, x, over)}, {_polynomial(w, x, under)})"


def _polynomial(w: Writer, x: str, coefficients: Sequence[float]) -> str:
    """Horner's scheme, every step rounded."""
    out = w.let(literal("f64", coefficients[0]), "y")
    for c in coefficients[1:]:
        w.line(f"{out} = {_sum(_product(out, x), literal('f64', c))}")
    return out


def _logarithm(w: Writer, x: str) -> str:
    """log(x) of a normal positive number."""
    bits = w.let(f"i64(bits_of_f64({x}))", "bits")
    mantissa = w.let(f"f64_of_bits(u64(({bits} & {(1 << 52) - 1}) | {1023 << 52}))", "m")
    large = w.let(f"{mantissa} > {literal('f64', quantile.SQRT2)}")
    mantissa = w.let(f"{mantissa} * f64(0.5) if {large} else {mantissa}", "m")
    exponent = w.let(f"({bits} >> 52) - (1022 if {large} else 1023)")
    s = w.let(f"div_rounded_f64({_sum(mantissa, 'f64(-1.0)')}, {_sum(mantissa, 'f64(1.0)')})")
    series = _product(_sum(s, s), _polynomial(w, w.let(_product(s, s)), quantile.ATANH))
    return w.let(_sum(_product(f"f64({exponent})", literal("f64", quantile.LN2)), series))
