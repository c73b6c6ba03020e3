"""Elementary functions of float32 vectors, as LLVM IR: no calls, so they run at the full width of the machine.

Polynomials are those of the Cephes library (Moshier, `expf`, `logf`, `tanhf`) and of Abramowitz & Stegun 7.1.26
(`erf`). NaN stays NaN; results are within 2e-7 of the largest magnitude that the function takes nearby.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from netlang.backends.cpu.tiles.emitter import Emitter

_LOG2_E = 1.44269504088896341
_LN2_HIGH, _LN2_LOW = 0.693359375, -2.12194440e-4
_EXP = (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1)
_LOG = (
    7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1,
    2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
)  # fmt: skip
_TANH = (-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1)
_ERF = (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)
_ERF_P = 0.3275911
_SQRT_HALF, _SQRT_2_OVER_PI = 0.7071067811865476, 0.7978845608028654


def polynomial(e: Emitter, x: Any, coefficients: Sequence[float]) -> Any:
    """Horner's scheme, highest power first."""
    total = e.constant(coefficients[0])
    for c in coefficients[1:]:
        total = e.fma(total, x, e.constant(c))
    return total


def _reduced(e: Emitter, x: Any) -> tuple[Any, Any]:
    """(n, exp(r) - 1) with x = n ln 2 + r; n is a whole float in [-252, 256]."""
    n = e.unary("floor", e.fma(x, e.constant(_LOG2_E), e.constant(0.5)))
    n = e.b.select(e.b.fcmp_ordered(">", n, e.constant(-252)), n, e.constant(-252))
    n = e.b.select(e.b.fcmp_ordered("<", n, e.constant(256)), n, e.constant(256))
    r = e.fma(n, e.constant(-_LN2_HIGH), x)
    r = e.fma(n, e.constant(-_LN2_LOW), r)
    return n, e.fma(e.b.fmul(r, r), polynomial(e, r, _EXP), r)


def _scaled(e: Emitter, x: Any, n: Any) -> Any:
    """x * 2**n in two steps, so that overflow gives infinity and underflow gives 0."""
    whole = e.b.fptosi(n, e.vector_i32)
    half = e.b.ashr(whole, e.constant_i32(1))
    for part in (half, e.b.sub(whole, half)):
        bits = e.b.shl(e.b.add(part, e.constant_i32(127)), e.constant_i32(23))
        x = e.b.fmul(x, e.b.bitcast(bits, e.vector))
    return x


def exp(e: Emitter, x: Any) -> Any:
    n, less_one = _reduced(e, x)
    value = _scaled(e, e.b.fadd(less_one, e.constant(1)), n)
    high = e.b.fcmp_ordered(">", x, e.constant(89.0))
    low = e.b.fcmp_ordered("<", x, e.constant(-104.0))
    value = e.b.select(high, e.constant(float("inf")), value)
    return e.b.select(low, e.zero, value)


def log(e: Emitter, x: Any) -> Any:
    """The natural logarithm of normal numbers, 0 and infinity; NaN below 0."""
    bits = e.b.bitcast(x, e.vector_i32)
    whole = e.b.sub(e.b.ashr(bits, e.constant_i32(23)), e.constant_i32(126))
    fraction = e.b.or_(e.b.and_(bits, e.constant_i32(0x007FFFFF)), e.constant_i32(0x3F000000))
    m = e.b.bitcast(fraction, e.vector)  # x = m * 2**whole with m in [0.5, 1)
    small = e.b.fcmp_ordered("<", m, e.constant(_SQRT_HALF))
    n = e.b.sitofp(e.b.sub(whole, e.b.zext(small, e.vector_i32)), e.vector)
    r = e.b.fsub(e.b.select(small, e.b.fadd(m, m), m), e.constant(1))
    square = e.b.fmul(r, r)
    series = e.fma(n, e.constant(_LN2_LOW), e.b.fmul(e.b.fmul(square, r), polynomial(e, r, _LOG)))
    value = e.fma(n, e.constant(_LN2_HIGH), e.b.fadd(r, e.fma(square, e.constant(-0.5), series)))
    value = e.b.select(e.b.fcmp_ordered("==", x, e.zero), e.constant(float("-inf")), value)
    inside = e.b.and_(e.b.fcmp_ordered(">=", x, e.zero), e.b.fcmp_ordered("<", x, e.constant(float("inf"))))
    # Infinity stays what it is; NaN and what is below 0 become NaN.
    outside = e.b.select(e.b.fcmp_ordered(">", x, e.zero), x, e.constant(float("nan")))
    return e.b.select(inside, value, outside)


def expm1(e: Emitter, x: Any) -> Any:
    """exp(x) - 1 without cancellation near 0."""
    n, less_one = _reduced(e, x)
    return e.b.select(e.b.fcmp_ordered("==", n, e.zero), less_one, e.b.fsub(exp(e, x), e.constant(1)))


def sigmoid(e: Emitter, x: Any) -> Any:
    one = e.constant(1)
    return e.b.fdiv(one, e.b.fadd(one, exp(e, e.b.fsub(e.zero, x))))


def tanh(e: Emitter, x: Any) -> Any:
    one, magnitude = e.constant(1), e.unary("fabs", x)
    square = e.b.fmul(x, x)
    near = e.fma(e.b.fmul(square, x), polynomial(e, square, _TANH), x)
    far = e.b.fadd(exp(e, e.b.fadd(magnitude, magnitude)), one)
    far = e.b.fsub(one, e.b.fdiv(e.constant(2), far))
    far = e.b.select(e.b.fcmp_ordered("<", x, e.zero), e.b.fsub(e.zero, far), far)
    return e.b.select(e.b.fcmp_ordered(">", magnitude, e.constant(0.625)), far, near)


def erf(e: Emitter, x: Any) -> Any:
    one, magnitude = e.constant(1), e.unary("fabs", x)
    t = e.b.fdiv(one, e.fma(magnitude, e.constant(_ERF_P), one))
    tail = e.b.fmul(e.b.fmul(polynomial(e, t, _ERF), t), exp(e, e.b.fsub(e.zero, e.b.fmul(x, x))))
    value = e.b.fsub(one, tail)
    return e.b.select(e.b.fcmp_ordered("<", x, e.zero), e.b.fsub(e.zero, value), value)


def gelu(e: Emitter, x: Any, approximate: bool = False) -> Any:
    """x times the normal distribution function of x (Hendrycks & Gimpel 2016), or its tanh approximation."""
    if approximate:
        cube = e.b.fmul(e.b.fmul(x, x), x)
        inner = e.b.fmul(e.fma(cube, e.constant(0.044715), x), e.constant(_SQRT_2_OVER_PI))
        gate = tanh(e, inner)
    else:
        gate = erf(e, e.b.fmul(x, e.constant(_SQRT_HALF)))
    half = e.b.fmul(x, e.constant(0.5))
    return e.fma(half, gate, half)


def softplus(e: Emitter, x: Any) -> Any:
    """log(1 + exp(x)) = max(x, 0) + 2 artanh(z / (2 + z)) with z = exp(-|x|)."""
    z = exp(e, neg(e, e.unary("fabs", x)))
    t = e.b.fdiv(z, e.b.fadd(z, e.constant(2)))
    series = polynomial(e, e.b.fmul(t, t), [2 / n for n in (13, 11, 9, 7, 5, 3, 1)])
    return e.fma(series, t, relu(e, x))


def relu(e: Emitter, x: Any) -> Any:
    return e.maximum(x, e.zero)


def leaky_relu(e: Emitter, x: Any, slope: float) -> Any:
    return e.b.select(e.b.fcmp_ordered(">", x, e.zero), x, e.b.fmul(x, e.constant(slope)))


def elu(e: Emitter, x: Any, alpha: float) -> Any:
    return e.b.select(e.b.fcmp_ordered(">", x, e.zero), x, e.b.fmul(expm1(e, x), e.constant(alpha)))


def neg(e: Emitter, x: Any) -> Any:
    return e.b.fsub(e.constant(-0.0), x)


def absolute(e: Emitter, x: Any) -> Any:
    return e.unary("fabs", x)


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "relu": relu,
    "leaky_relu": leaky_relu,
    "elu": elu,
    "sigmoid": sigmoid,
    "tanh": tanh,
    "gelu": gelu,
    "softplus": softplus,
    "exp": exp,
    "neg": neg,
    "abs": absolute,
}
"""The elementwise ops that can be applied to accumulators; keyword arguments are the op's attributes."""
