"""Elementwise ops as LLVM IR: one function per op, from vectors to a vector.

`EXPRESSIONS[op](emitter, attrs, arguments)`; attrs are (name, value) pairs, arguments are in register types, floats
are float32 or float64. Comparisons and choices are written so that NaN stays NaN. What whole numbers need their sign
for is in `integers`; `expression` knows which of both it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from netlang.backends.common import element
from netlang.backends.cpu import functions as f
from netlang.backends.cpu import integers
from netlang.backends.cpu.emit import F32, F64, I1, REGISTER, Emitter
from netlang.backends.cpu.philox import RANDOM_BITS, normal_quantile, philox_word

Attributes = Mapping[str, Any]
Expression = Callable[[Emitter, Attributes, Sequence[Any]], Any]
EXPRESSIONS: dict[str, Expression] = {}

_GELU_SCALE, _GELU_CUBE = math.sqrt(2 / math.pi), 0.044715


def is_float(value: Any) -> bool:
    return value.type.element in (F32, F64)


def _define(*names: str) -> Callable[[Expression], Expression]:
    def register(function: Expression) -> Expression:
        EXPRESSIONS.update(dict.fromkeys(names, function))
        return function

    return register


def expression(e: Emitter, op: str, attrs: Attributes, dtypes: Sequence[str], v: Sequence[Any]) -> Any:
    """The value of an elementwise op of values of these element types."""
    if dtypes and dtypes[-1] in element.INTEGERS:
        if op == "cast":
            whole = integers.converted(e, v[0], dtypes[0], attrs["dtype"])
            return rounded_to(e, attrs["dtype"], whole)
        if op in integers.INTEGERS:
            return integers.INTEGERS[op](e, dtypes[-1], v)
    return EXPRESSIONS[op](e, attrs, v)


def compare(e: Emitter, operator: str, x: Any, y: Any) -> Any:
    """Of floats; false where one is NaN, except for `!=`. Of anything else, whether it is the same."""
    if not is_float(x):
        return e.b.icmp_unsigned(operator, x, y)
    return e.b.fcmp_unordered(operator, x, y) if operator == "!=" else e.b.fcmp_ordered(operator, x, y)


def extreme(e: Emitter, operator: str, x: Any, y: Any) -> Any:
    """The larger (`>`) or smaller (`<`) of two floats; NaN where one is NaN."""
    chosen = e.b.select(e.b.fcmp_unordered(operator, x, y), x, y)
    return e.b.select(e.b.fcmp_unordered("uno", y, y), y, chosen)


def _positive(e: Emitter, x: Any) -> Any:
    return e.b.fcmp_ordered(">", x, e.like(x, 0.0))


def _arithmetic(name: str, floating: str, integer: str) -> None:
    def expression(e: Emitter, attrs: Attributes, v: Sequence[Any]) -> Any:
        return getattr(e.b, floating if is_float(v[0]) else integer)(*v)

    EXPRESSIONS[name] = expression


for _name, _floating, _integer in (
    ("add", "fadd", "add"),
    ("sub", "fsub", "sub"),
    ("mul", "fmul", "mul"),
    ("neg", "fneg", "neg"),
):
    _arithmetic(_name, _floating, _integer)

EXPRESSIONS["div"] = lambda e, attrs, v: e.b.fdiv(*v)


def _comparison(name: str, operator: str) -> None:
    EXPRESSIONS[name] = lambda e, attrs, v: compare(e, operator, *v)


for _name, _operator in (("eq", "=="), ("ne", "!="), ("lt", "<"), ("le", "<="), ("gt", ">"), ("ge", ">=")):
    _comparison(_name, _operator)

EXPRESSIONS["max"] = lambda e, attrs, v: extreme(e, ">", *v)
EXPRESSIONS["min"] = lambda e, attrs, v: extreme(e, "<", *v)
EXPRESSIONS["and"] = lambda e, attrs, v: e.b.and_(*v)
EXPRESSIONS["or"] = lambda e, attrs, v: e.b.or_(*v)
EXPRESSIONS["not"] = lambda e, attrs, v: e.b.not_(v[0])
EXPRESSIONS["where"] = lambda e, attrs, v: e.b.select(*v)
EXPRESSIONS["pow"] = lambda e, attrs, v: f.power(e, *v)
EXPRESSIONS["exp"] = lambda e, attrs, v: f.exp(e, v[0])
EXPRESSIONS["log"] = lambda e, attrs, v: f.log(e, v[0])
EXPRESSIONS["sqrt"] = lambda e, attrs, v: e.intrinsic("sqrt", v[0])
EXPRESSIONS["floor"] = lambda e, attrs, v: e.intrinsic("floor", v[0])
EXPRESSIONS["ceil"] = lambda e, attrs, v: e.intrinsic("ceil", v[0])
EXPRESSIONS["round"] = lambda e, attrs, v: e.intrinsic("rint", v[0])
EXPRESSIONS["erf"] = lambda e, attrs, v: f.erf(e, v[0])
EXPRESSIONS["tanh"] = lambda e, attrs, v: f.tanh(e, v[0])
EXPRESSIONS["sigmoid"] = lambda e, attrs, v: f.sigmoid(e, v[0])


def _library(name: str) -> None:
    """A function of the C library, which has one for each of the two float types."""
    EXPRESSIONS[name] = lambda e, attrs, v: e.per_lane(name + "f" * (v[0].type.element == F32), *v)


for _name in ("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "asinh", "acosh", "atanh", "fmod"):
    _library(_name)

EXPRESSIONS["bit_and"] = lambda e, attrs, v: e.b.and_(*v)
EXPRESSIONS["bit_or"] = lambda e, attrs, v: e.b.or_(*v)
EXPRESSIONS["bit_xor"] = lambda e, attrs, v: e.b.xor(*v)
EXPRESSIONS["bit_not"] = lambda e, attrs, v: e.b.not_(v[0])


@_define("identity", "stop_gradient", "reshape", "broadcast", "transpose")
def _identity(e: Emitter, attrs: Attributes, v: Sequence[Any]) -> Any:
    return v[0]


@_define("abs")
def _abs(e: Emitter, attrs: Attributes, v: Sequence[Any]) -> Any:
    return e.intrinsic("fabs", v[0])


@_define("sign")
def _sign(e: Emitter, attrs: Attributes, v: Sequence[Any]) -> Any:
    x = v[0]
    zero, one, minus = e.like(x, 0), e.like(x, 1), e.like(x, -1)
    # x itself where neither holds: zero or NaN.
    return e.b.select(compare(e, ">", x, zero), one, e.b.select(compare(e, "<", x, zero), minus, x))


@_define("relu")
def _relu(e: Emitter, attrs: Attributes, v: Sequence[Any]) -> Any:
    x = v[0]
    return e.b.select(e.b.fcmp_unordered(">", x, e.like(x, 0.0)), x, e.like(x, 0.0))


@_define("leaky_relu")
def _leaky_relu(e: Emitter, attrs: Attributes, v: Sequence[Any]) -> Any:
    x = v[0]
    return e.b.select(_positive(e, x), x, e.b.fmul(x, e.like(x, attrs["slope"])))


@_define("prelu")
def _prelu(e: Emitter, attrs: Attributes, v: Sequence[Any]) -> Any:
    return e.b.select(_positive(e, v[0]), v[0], e.b.fmul(*v))


@_define("elu")
def _elu(e: Emitter, attrs: Attributes, v: Sequence[Any]) -> Any:
    x = v[0]
    falling = e.b.fmul(f.expm1(e, x), e.like(x, attrs["alpha"]))
    return e.b.select(_positive(e, x), x, falling)


@_define("softplus")
def _softplus(e: Emitter, attrs: Attributes, v: Sequence[Any]) -> Any:
    x = v[0]
    small = f.exp(e, e.b.fneg(e.intrinsic("fabs", x)))
    return e.b.fadd(extreme(e, ">", x, e.like(x, 0.0)), f.log1p(e, small))


@_define("gelu")
def _gelu(e: Emitter, attrs: Attributes, v: Sequence[Any]) -> Any:
    x = v[0]
    if attrs["approximate"]:
        cube = e.b.fmul(e.b.fmul(x, x), x)
        inner = e.fma(cube, e.like(x, _GELU_CUBE), x)
        bend = f.tanh(e, e.b.fmul(inner, e.like(x, _GELU_SCALE)))
    else:
        bend = f.erf(e, e.b.fmul(x, e.like(x, math.sqrt(0.5))))
    half = e.b.fmul(x, e.like(x, 0.5))
    return e.b.fmul(half, e.b.fadd(bend, e.like(x, 1.0)))


@_define("uniform")
def _uniform(e: Emitter, attrs: Attributes, v: Sequence[Any]) -> Any:
    """The random number of element `index` for (seed, step, stream): see netlang.ops.random."""
    word = philox_word(e, *v)
    bits = RANDOM_BITS[attrs["dtype"]]
    kind = REGISTER[attrs["dtype"]]
    number = e.b.sitofp(e.b.lshr(word, e.like(word, 32 - bits)), e.vector(kind))
    return e.b.fmul(number, e.constant(kind, 2.0**-bits))


@_define("normal")
def _normal(e: Emitter, attrs: Attributes, v: Sequence[Any]) -> Any:
    """The same of the standard normal distribution."""
    number = normal_quantile(e, philox_word(e, *v))
    return number if attrs["dtype"] == "f64" else rounded_to(e, attrs["dtype"], converted(e, number, F32))


@_define("cast")
def _cast(e: Emitter, attrs: Attributes, v: Sequence[Any]) -> Any:
    dtype = attrs["dtype"]
    if is_float(v[0]) and dtype in element.INTEGERS:
        return integers.saturated(e, v[0], dtype)
    return rounded_to(e, dtype, converted(e, v[0], REGISTER[dtype]))


def rounded_to(e: Emitter, dtype: str, value: Any) -> Any:
    """A float32 rounded as the half-precision type `dtype` would hold it; anything else as it is."""
    return e.widened(dtype, e.narrowed(dtype, value)) if dtype in ("f16", "bf16") else value


def converted(e: Emitter, x: Any, target: Any) -> Any:
    """Floats or bools in another register type; of floats one of a float, or bool."""
    source, kind = x.type.element, e.vector(target)
    if source == target:
        return x
    if target == I1:
        return compare(e, "!=", x, e.like(x, 0))
    if source == I1:
        return e.b.uitofp(x, kind) if target in (F32, F64) else e.b.zext(x, kind)
    return e.b.fpext(x, kind) if target == F64 else e.b.fptrunc(x, kind)
