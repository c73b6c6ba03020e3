"""Elementwise ops as the source text of kernels.

`EXPRESSIONS[op](writer, attrs, values)` returns the text of the result and may write lines before; values are in
register types, floats are float32 or float64. Comparisons and choices are written so that NaN stays NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from netlang.backends.common.element import HALVES, register_name
from netlang.backends.cuda.tiles import integers
from netlang.backends.cuda.tiles.random_numbers import normal_number, philox_word, uniform_number
from netlang.backends.cuda.tiles.writer import FLOATS, Term, Writer, literal

Attributes = Mapping[str, Any]
Expression = Callable[[Writer, Attributes, Sequence[Term]], str]
EXPRESSIONS: dict[str, Expression] = {}

_GELU_SCALE, _GELU_CUBE = math.sqrt(2 / math.pi), 0.044715


def _define(*names: str) -> Callable[[Expression], Expression]:
    def register(function: Expression) -> Expression:
        EXPRESSIONS.update(dict.fromkeys(names, function))
        return function

    return register


def added(x: Term, y: Term) -> str:
    return integers.arithmetic("+", x, y) if integers.is_whole(x) else f"{x} + {y}"


def _product(x: Term, y: Term) -> str:
    return integers.arithmetic("*", x, y) if integers.is_whole(x) else f"{x} * {y}"


def extreme(name: str, x: Term, y: Term) -> str:
    """`max` or `min` of two; NaN where one is NaN."""
    if x.dtype == "bool":
        return f"({x} {'or' if name == 'max' else 'and'} {y})"
    return f"{name}_{integers.register(x.dtype) if integers.is_whole(x) else x.dtype}({x}, {y})"


def _arithmetic(name: str, operator: str) -> None:
    def expression(w: Writer, attrs: Attributes, v: Sequence[Term]) -> str:
        return integers.arithmetic(operator, *v) if integers.is_whole(v[0]) else f"{v[0]} {operator} {v[1]}"

    EXPRESSIONS[name] = expression


def _comparison(name: str, operator: str) -> None:
    """False where one is NaN, except for `!=`."""
    EXPRESSIONS[name] = lambda w, attrs, v: f"({v[0]} {operator} {v[1]})"


def _function(name: str) -> None:
    EXPRESSIONS[name] = lambda w, attrs, v: f"{name}_{v[0].dtype}({', '.join(map(str, v))})"


for _name, _operator in (
    ("add", "+"), ("sub", "-"), ("mul", "*"), ("bit_and", "&"), ("bit_or", "|"), ("bit_xor", "^")
):  # fmt: skip
    _arithmetic(_name, _operator)
for _name in ("floor_div", "fmod", "shift_left", "shift_right", "bit_not"):
    EXPRESSIONS[_name] = getattr(integers, _name)
for _name, _operator in (
    ("eq", "=="), ("ne", "!="), ("lt", "<"), ("le", "<="), ("gt", ">"), ("ge", ">="), ("and", "and"), ("or", "or")
):  # fmt: skip
    _comparison(_name, _operator)
for _name in (
    "exp", "log", "sqrt", "floor", "ceil", "round", "erf", "tanh",
    "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "asinh", "acosh", "atanh",
):  # fmt: skip
    _function(_name)

EXPRESSIONS["max"] = lambda w, attrs, v: extreme("max", *v)
EXPRESSIONS["min"] = lambda w, attrs, v: extreme("min", *v)
EXPRESSIONS["not"] = lambda w, attrs, v: f"(not {v[0]})"
EXPRESSIONS["neg"] = lambda w, attrs, v: integers.negated(v[0]) if integers.is_whole(v[0]) else f"-{v[0]}"
EXPRESSIONS["where"] = lambda w, attrs, v: chosen(v[0].text, v[1].text, v[2].text)
EXPRESSIONS["div"] = lambda w, attrs, v: divided(*v)


def chosen(condition: str, first: str, second: str) -> str:
    return f"({first} if {condition} else {second})"


def divided(x: Term, y: Term) -> str:
    """A quotient, of floats rounded correctly; by zero these are infinite, in the simulator too."""
    return integers.divided(x, y) if integers.is_whole(x) else f"div_rounded_{x.dtype}({x}, {y})"


def _like(x: Term, number: float) -> str:
    return literal(x.dtype, number)


@_define("pow")
def _power(w: Writer, attrs: Attributes, v: Sequence[Term]) -> str:
    return integers.raised(w, *v) if integers.is_whole(v[0]) else f"pow_{v[0].dtype}({v[0]}, {v[1]})"


@_define("identity", "stop_gradient", "reshape", "broadcast", "transpose")
def _identity(w: Writer, attrs: Attributes, v: Sequence[Term]) -> str:
    return v[0].text


@_define("abs")
def _abs(w: Writer, attrs: Attributes, v: Sequence[Term]) -> str:
    x = v[0]
    return integers.absolute(x) if integers.is_whole(x) else f"abs_{x.dtype}({x})"


@_define("sign")
def _sign(w: Writer, attrs: Attributes, v: Sequence[Term]) -> str:
    x = v[0]
    if integers.is_whole(x):
        return integers.sign(x)
    zero, one, minus = _like(x, 0), _like(x, 1), _like(x, -1)
    # x itself where neither holds: zero or NaN.
    return chosen(f"{x} > {zero}", one, chosen(f"{x} < {zero}", minus, x.text))


@_define("relu")
def _relu(w: Writer, attrs: Attributes, v: Sequence[Term]) -> str:
    return f"max_{v[0].dtype}({v[0]}, {_like(v[0], 0.0)})"


@_define("leaky_relu")
def _leaky_relu(w: Writer, attrs: Attributes, v: Sequence[Term]) -> str:
    x = v[0]
    return chosen(f"{x} > {_like(x, 0.0)}", x.text, f"{x} * {_like(x, attrs['slope'])}")


@_define("prelu")
def _prelu(w: Writer, attrs: Attributes, v: Sequence[Term]) -> str:
    x, slope = v
    return chosen(f"{x} > {_like(x, 0.0)}", x.text, _product(x, slope))


@_define("elu")
def _elu(w: Writer, attrs: Attributes, v: Sequence[Term]) -> str:
    x = v[0]
    falling = w.let(f"expm1_{x.dtype}({x}) * {_like(x, attrs['alpha'])}")
    return chosen(f"{x} > {_like(x, 0.0)}", x.text, falling)


@_define("sigmoid")
def _sigmoid(w: Writer, attrs: Attributes, v: Sequence[Term]) -> str:
    x = v[0]
    one = _like(x, 1.0)
    return f"div_rounded_{x.dtype}({one}, {one} + exp_{x.dtype}(-{x}))"


@_define("softplus")
def _softplus(w: Writer, attrs: Attributes, v: Sequence[Term]) -> str:
    x, kind = v[0], v[0].dtype
    return f"max_{kind}({x}, {_like(x, 0.0)}) + log1p_{kind}(exp_{kind}(-abs_{kind}({x})))"


@_define("gelu")
def _gelu(w: Writer, attrs: Attributes, v: Sequence[Term]) -> str:
    x, kind = v[0], v[0].dtype
    if attrs["approximate"]:
        inner = f"fma_{kind}({x} * {x} * {x}, {_like(x, _GELU_CUBE)}, {x})"
        bend = f"tanh_{kind}({inner} * {_like(x, _GELU_SCALE)})"
    else:
        bend = f"erf_{kind}({x} * {_like(x, math.sqrt(0.5))})"
    return f"{x} * {_like(x, 0.5)} * ({bend} + {_like(x, 1.0)})"


def random_from(op: str, w: Writer, attrs: Attributes, word: str) -> str:
    """The random number that an op makes of a word of 32 bits."""
    if op == "uniform":
        return uniform_number(attrs["dtype"], word)
    number = Term(normal_number(w, word), "f64")
    return rounded_to(attrs["dtype"], converted(w, number, register_name(attrs["dtype"])))


def _random(op: str) -> Expression:
    """The random number of element `index` for (seed, step, stream): see netlang.ops.random."""

    def expression(w: Writer, attrs: Attributes, v: Sequence[Term]) -> str:
        return random_from(op, w, attrs, philox_word(w, *v))

    return expression


EXPRESSIONS["uniform"] = _random("uniform")
EXPRESSIONS["normal"] = _random("normal")


@_define("cast")
def _cast(w: Writer, attrs: Attributes, v: Sequence[Term]) -> str:
    return rounded_to(attrs["dtype"], converted(w, v[0], register_name(attrs["dtype"])))


def rounded_to(dtype: str, text: str) -> str:
    """A float32 rounded as the half-precision type `dtype` would hold it; anything else as it is."""
    return f"{dtype}_number({dtype}_bits({text}))" if dtype in HALVES else text


def converted(w: Writer, x: Term, target: str) -> str:
    """A value in another register type. Floats lose their fraction; what does not fit becomes the nearest bound."""
    if x.dtype == target:
        return x.text
    if target == "bool":
        return f"({x} != {_like(x, 0)})"
    if x.dtype == "bool":
        return chosen(x.text, literal(target, 1), literal(target, 0))
    if target in FLOATS:
        return f"{target}({x})"
    return integers.saturated(x, target) if x.is_float else integers.wrapped(target, x.text)
