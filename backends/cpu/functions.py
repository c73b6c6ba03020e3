"""Transcendental functions on vectors. In float32 polynomials that stay in registers, in float64 the C library's.

The float32 formulas are those of the Cephes library (Moshier, 1992: expf, logf), at most 2 ulp off; NaN stays
NaN, overflow gives infinity. erf follows the same pattern: an odd polynomial near zero, 1 - exp(polynomial) beyond.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from netlang.backends.cpu.emit import F32, I32, Emitter

_LOG2_E = 1.44269504088896341
_LN2_HIGH, _LN2_LOW = 0.693359375, -2.12194440e-4
_ROUNDING = 12582912.0  # 1.5 * 2**23: adding it leaves the nearest integer in the low bits
_ROUNDING_BITS = 0x4B400000
_EXP = (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1)
_LOG = (
    7.0376836292e-2,
    -1.1514610310e-1,
    1.1676998740e-1,
    -1.2420140846e-1,
    1.4249322787e-1,
    -1.6668057665e-1,
    2.0000714765e-1,
    -2.4999993993e-1,
    3.3333331174e-1,
)
_EXPM1 = (1 / 362880, 1 / 40320, 1 / 5040, 1 / 720, 1 / 120, 1 / 24, 1 / 6, 1 / 2)
_ERF_SMALL = (-5.96761703e-4, 4.99119423e-3, -2.67681349e-2, 1.12819925e-1, -3.76125336e-1, 1.28379166e-1)
_ERF_LARGE = (
    -1.72853470e-5,
    3.83197126e-4,
    -3.88396438e-3,
    2.42546219e-2,
    -1.06777877e-1,
    -6.34846687e-1,
    -1.28717512e-1,
)


def polynomial(e: Emitter, x: Any, coefficients: Sequence[float]) -> Any:
    """Horner's scheme, highest power first."""
    out = e.like(x, coefficients[0])
    for c in coefficients[1:]:
        out = e.fma(out, x, e.like(x, c))
    return out


def _single(x: Any) -> bool:
    return bool(x.type.element == F32)


def _bits(e: Emitter, x: Any) -> Any:
    return e.b.bitcast(x, e.vector(I32))


def _power_of_two(e: Emitter, exponent: Any) -> Any:
    """2**n for i32 n in -126 .. 127; 0 for -127 and infinity for 128."""
    biased = e.b.add(exponent, e.constant(I32, 127))
    return e.b.bitcast(e.b.shl(biased, e.constant(I32, 23)), e.vector(F32))


def _clamped(e: Emitter, x: Any, low: float, high: float) -> Any:
    """NaN stays NaN."""
    raised = e.b.select(e.b.fcmp_ordered("<", x, e.like(x, low)), e.like(x, low), x)
    return e.b.select(e.b.fcmp_ordered(">", raised, e.like(x, high)), e.like(x, high), raised)


def _reduced(e: Emitter, x: Any) -> tuple[Any, Any, Any]:
    """(n as i32, r, r * r exp's polynomial of r) with x = n ln 2 + r, |r| <= ln(2)/2, and exp(r) = 1 + r + the last."""
    b = e.b
    shifted = e.fma(x, e.like(x, _LOG2_E), e.like(x, _ROUNDING))
    n = b.sub(_bits(e, shifted), e.constant(I32, _ROUNDING_BITS))
    whole = b.fsub(shifted, e.like(x, _ROUNDING))
    r = e.fma(whole, e.like(x, -_LN2_HIGH), x)
    r = e.fma(whole, e.like(x, -_LN2_LOW), r)
    return n, r, b.fmul(polynomial(e, r, _EXP), b.fmul(r, r))


def exp(e: Emitter, x: Any) -> Any:
    """exp(r + n ln 2) = 2**n exp(r)."""
    if not _single(x):
        return e.per_lane("exp", x)
    b = e.b
    n, r, rest = _reduced(e, _clamped(e, x, -104.0, 89.0))
    y = b.fadd(rest, b.fadd(r, e.like(x, 1.0)))
    # In two factors, because 2**n itself may overflow or underflow where the result does not.
    half = b.ashr(n, e.constant(I32, 1))
    return b.fmul(b.fmul(y, _power_of_two(e, half)), _power_of_two(e, b.sub(n, half)))


def sigmoid(e: Emitter, x: Any) -> Any:
    """1 / (1 + exp(-x)); what is below 2**-126 is 0."""
    one = e.like(x, 1.0)
    if not _single(x):
        return e.b.fdiv(one, e.b.fadd(one, e.per_lane("exp", e.b.fneg(x))))
    # Within these bounds 2**n is a number, 0 or infinity, with bits of its own.
    n, r, rest = _reduced(e, _clamped(e, e.b.fneg(x), -87.5, 89.0))
    grown = e.b.fmul(e.b.fadd(rest, e.b.fadd(r, one)), _power_of_two(e, n))
    return e.b.fdiv(one, e.b.fadd(one, grown))


def log(e: Emitter, x: Any) -> Any:
    """log(2**n (1 + f)) = n ln 2 + log(1 + f), 1 + f between sqrt(1/2) and sqrt(2)."""
    if not _single(x):
        return e.per_lane("log", x)
    b = e.b
    tiny = b.fcmp_ordered("<", x, e.like(x, 1.17549435e-38))
    scaled = b.select(tiny, b.fmul(x, e.like(x, 2.0**23)), x)
    bits = _bits(e, scaled)
    exponent = b.ashr(b.sub(bits, e.constant(I32, 0x3F3504F3)), e.constant(I32, 23))
    mantissa = b.bitcast(b.sub(bits, b.shl(exponent, e.constant(I32, 23))), x.type)
    lowered = b.sub(exponent, e.constant(I32, 23))
    n = b.sitofp(b.select(tiny, lowered, exponent), x.type)
    f = b.fsub(mantissa, e.like(x, 1.0))
    z = b.fmul(f, f)
    y = b.fmul(b.fmul(polynomial(e, f, _LOG), f), z)
    y = e.fma(n, e.like(x, _LN2_LOW), y)
    y = e.fma(z, e.like(x, -0.5), y)
    out = e.fma(n, e.like(x, _LN2_HIGH), b.fadd(f, y))
    infinity, nothing = float("inf"), float("nan")
    out = b.select(b.fcmp_ordered("==", x, e.like(x, infinity)), x, out)
    out = b.select(b.fcmp_ordered("==", x, e.like(x, 0.0)), e.like(x, -infinity), out)
    return b.select(b.fcmp_unordered("<", x, e.like(x, 0.0)), e.like(x, nothing), out)


def with_sign_of(e: Emitter, magnitude: Any, sign: Any) -> Any:
    return e.intrinsic("copysign", magnitude, sign)


def tanh(e: Emitter, x: Any) -> Any:
    """t / (t + 2) with t = exp(2 x) - 1 = 2**n (exp(r) - 1) + (2**n - 1), which is exact where x is small."""
    if not _single(x):
        return e.per_lane("tanh", x)
    b = e.b
    n, r, rest = _reduced(e, _clamped(e, b.fadd(x, x), -20.0, 20.0))
    scale = _power_of_two(e, n)
    t = e.fma(scale, b.fadd(rest, r), b.fsub(scale, e.like(x, 1.0)))
    return b.fdiv(t, b.fadd(t, e.like(x, 2.0)))


def erf(e: Emitter, x: Any) -> Any:
    """x P(x*x) + x near zero; sign(x) (1 - exp(-Q(|x|))) beyond, Q fitted to -log(erfc)."""
    if not _single(x):
        return e.per_lane("erf", x)
    b = e.b
    magnitude = e.intrinsic("fabs", x)
    near = e.fma(polynomial(e, b.fmul(x, x), _ERF_SMALL), x, x)
    exponent = e.fma(polynomial(e, magnitude, _ERF_LARGE), magnitude, b.fneg(magnitude))
    far = with_sign_of(e, b.fsub(e.like(x, 1.0), exp(e, exponent)), x)
    # Beyond 4 the result is 1; the polynomial must not be trusted there.
    beyond = b.fcmp_ordered(">", magnitude, e.like(x, 4.0))
    far = b.select(beyond, with_sign_of(e, e.like(x, 1.0), x), far)
    return b.select(b.fcmp_ordered("<=", magnitude, e.like(x, 0.927734375)), near, far)


def expm1(e: Emitter, x: Any) -> Any:
    """exp(x) - 1 without cancellation near zero."""
    if not _single(x):
        return e.per_lane("expm1", x)
    b = e.b
    near = e.fma(polynomial(e, x, _EXPM1), b.fmul(x, x), x)
    far = b.fsub(exp(e, x), e.like(x, 1.0))
    return b.select(b.fcmp_ordered("<", e.intrinsic("fabs", x), e.like(x, 0.5)), near, far)


def log1p(e: Emitter, x: Any) -> Any:
    """log(1 + x) for x >= 0; the rounding error of 1 + x is made good (Kahan)."""
    if not _single(x):
        return e.per_lane("log1p", x)
    b = e.b
    one = e.like(x, 1.0)
    total = b.fadd(one, x)
    lost = b.fsub(total, one)
    corrected = b.fmul(log(e, total), b.fdiv(x, lost))
    return b.select(b.fcmp_ordered("==", lost, e.like(x, 0.0)), x, corrected)


def power(e: Emitter, x: Any, y: Any) -> Any:
    """x**y by the C library: the error of exp(y log x) grows with the exponent."""
    return e.per_lane("powf" if _single(x) else "pow", x, y)
