"""Arithmetic that Python has no operator for: by type, as `exp_f32`, `max_i64`.

float32 functions are libdevice's, at most 2 ulp off; square roots and the `_rounded` ones are rounded correctly, and
the latter never contracted with a neighbour into one rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from netlang.backends.cuda.intrinsics.emission import I32, I64, Emission
from netlang.backends.cuda.intrinsics.word import Word

_FLOATS: dict[str, type[np.floating[Any]]] = {"f32": np.float32, "f64": np.float64}

INTEGERS, UNSIGNED = ("i32", "i64", "u32", "u64"), ("u32", "u64")

_UNARY: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "abs": ("fabs", np.abs),
    "floor": ("floor", np.floor),
    "ceil": ("ceil", np.ceil),
    "round": ("rint", np.rint),
    "sin": ("sin", np.sin),
    "cos": ("cos", np.cos),
    "tan": ("tan", np.tan),
    "asin": ("asin", np.arcsin),
    "acos": ("acos", np.arccos),
    "atan": ("atan", np.arctan),
    "sinh": ("sinh", np.sinh),
    "cosh": ("cosh", np.cosh),
    "asinh": ("asinh", np.arcsinh),
    "acosh": ("acosh", np.arccosh),
    "atanh": ("atanh", np.arctanh),
    "exp": ("exp", np.exp),
    "expm1": ("expm1", np.expm1),
    "log": ("log", np.log),
    "log1p": ("log1p", np.log1p),
    "tanh": ("tanh", np.tanh),
    "erf": ("erf", lambda x: math.erf(float(x))),
    "rsqrt": ("rsqrt", lambda x: 1 / np.sqrt(x)),
}
"""Words of libdevice's functions __nv_NAME (float64) and __nv_NAMEf, and what they mean."""


def _library(name: str) -> Callable[..., Any]:
    def emit(e: Emission, *values: Any) -> Any:
        return e.call(name, values[0].type, values)

    return emit


def _unary(name: str, type: str) -> Word:
    library, function = _UNARY[name]
    number = _FLOATS[type]
    emit = _library(f"__nv_{library}{'f' if type == 'f32' else ''}")
    return Word(f"{name}_{type}", f"{type}({type})", emit, lambda x: number(function(number(x))))


def _extreme(name: str, type: str) -> Word:
    """max or min; of floats, NaN wins."""
    sign, floating = (">" if name == "max" else "<"), type in _FLOATS

    def emit(e: Emission, a: Any, b: Any) -> Any:
        if not floating:
            compare = e.builder.icmp_unsigned if type in UNSIGNED else e.builder.icmp_signed
            return e.builder.select(compare(sign, a, b), a, b)
        if type == "f32" and e.since("80"):
            return e.assembly(f"{name}.NaN.f32 $0, $1, $2;", "f32(f32,f32)", (a, b))
        first = e.builder.or_(e.builder.fcmp_unordered("uno", a, a), e.builder.fcmp_ordered(sign, a, b))
        return e.builder.select(first, a, b)

    number: Callable[[Any], Any] = _FLOATS[type] if floating else int

    def larger(a: Any, b: Any) -> Any:
        return number(a if a > b or a != a else b)

    def smaller(a: Any, b: Any) -> Any:
        return number(a if a < b or a != a else b)

    return Word(f"{name}_{type}", f"{type}({type},{type})", emit, larger if name == "max" else smaller)


def _divided(type: str) -> Word:
    """The quotient without its fraction; 0 by zero, and wrapped around where it is too large."""

    def emit(e: Emission, a: Any, b: Any) -> Any:
        build, zero, one = e.builder, a.type(0), a.type(1)
        by_zero = build.icmp_unsigned("==", b, zero)
        if type in UNSIGNED:
            return build.select(by_zero, zero, build.udiv(a, build.select(by_zero, one, b)))
        by_minus = build.icmp_signed("==", b, a.type(-1))
        quotient = build.sdiv(a, build.select(build.or_(by_zero, by_minus), one, b))
        return build.select(by_zero, zero, build.select(by_minus, build.sub(zero, a), quotient))

    def meaning(a: int, b: int) -> int:
        if b == 0:
            return 0
        quotient = abs(a) // abs(b)
        most = (1 << int(type[1:]) - 1) - 1
        return -quotient if (a < 0) != (b < 0) else -quotient if type not in UNSIGNED and quotient > most else quotient

    return Word(f"quotient_of_{type}", f"{type}({type},{type})", emit, meaning)


def _floats() -> Iterator[Word]:
    for type, number in _FLOATS.items():
        yield from (_unary(name, type) for name in _UNARY)
        yield from (_extreme(name, type) for name in ("max", "min"))
        short = "f" if type == "f32" else "d"
        pair = f"{type}({type},{type})"
        yield Word(f"sqrt_{type}", f"{type}({type})", _library(f"__nv_{short}sqrt_rn"), _converted(np.sqrt, number))
        yield Word(f"div_rounded_{type}", pair, _library(f"__nv_{short}div_rn"), _converted(np.divide, number))
        yield Word(f"add_rounded_{type}", pair, _library(f"__nv_{short}add_rn"), _converted(np.add, number))
        yield Word(f"mul_rounded_{type}", pair, _library(f"__nv_{short}mul_rn"), _converted(np.multiply, number))
        for name, function in (("pow", np.power), ("fmod", np.fmod)):
            emit = _library(f"__nv_{name}{'f' if type == 'f32' else ''}")
            yield Word(f"{name}_{type}", pair, emit, _converted(function, number))
    yield Word("fma_f32", "f32(f32,f32,f32)", _fma, lambda a, b, c: np.float32(float(a) * float(b) + float(c)))
    yield Word("fma_f64", "f64(f64,f64,f64)", _fma, _fma_f64)


def _converted(function: Callable[..., Any], number: Callable[[Any], Any]) -> Callable[..., Any]:
    return lambda *values: number(function(*map(number, values)))


def _fma(e: Emission, a: Any, b: Any, c: Any) -> Any:
    return e.builder.fma(a, b, c)


def _fma_f64(a: Any, b: Any, c: Any) -> Any:
    """a * b + c in long double, which where it is wider keeps nearly all of the product."""
    return np.float64(np.longdouble(a) * np.longdouble(b) + np.longdouble(c))


def _mulhi(e: Emission, a: Any, b: Any) -> Any:
    wide = e.builder.mul(e.builder.zext(a, I64), e.builder.zext(b, I64))
    return e.builder.trunc(e.builder.lshr(wide, wide.type(32)), I32)


def _quotient(e: Emission, n: Any, factor: Any, shift: Any) -> Any:
    return e.builder.lshr(e.builder.add(_mulhi(e, n, factor), n), shift)


WORDS = (
    *_floats(),
    *(_extreme(name, type) for name in ("max", "min") for type in INTEGERS),
    *(_divided(type) for type in INTEGERS),
    # Numba would widen both sides to 64 bits, of which a division takes some 70 instructions.
    Word("div_u32", "u32(u32,u32)", lambda e, a, b: e.builder.udiv(a, b), lambda a, b: a // b),
    Word("rem_u32", "u32(u32,u32)", lambda e, a, b: e.builder.urem(a, b), lambda a, b: a % b),
    # The upper half of the product of 64 bits, as in Philox.
    Word("mulhi_u32", "u32(u32,u32)", _mulhi, lambda a, b: (a * b) >> 32),
    # n // d for n < 2**31, with factor and shift as `netlang.backends.cuda.division` says.
    Word("quotient_u32", "u32(u32,u32,u32)", _quotient, lambda n, factor, shift: ((n * factor >> 32) + n) >> shift),
)
