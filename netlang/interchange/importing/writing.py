"""Syntax trees from Python values: how translations of operators write down what the language is to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from typing import Any

import numpy as np

from netlang.diagnostics import Source, Span
from netlang.frontend import ast
from netlang.ir.dims import Floor, Sym
from netlang.ir.types import DType, TensorType

_WHOLE = 1 << 20
"""Up to here floats that are whole numbers are written as such."""
SPAN = Span(Source("<import>"), 1, 1, 1, 1)
"""The place of whatever nobody has written."""


class Written:
    """Something that has an expression: a tensor of the sheet."""

    expression: ast.Expression


def word(text: str) -> ast.Word:
    return ast.Word(SPAN, text)


def name(text: str) -> ast.Name:
    return ast.Name(SPAN, word(text))


def text(value: str) -> ast.String:
    """A word in quotation marks."""
    return ast.String(SPAN, word(f'"{value}"'))


def expression(value: Any) -> ast.Expression:
    """The expression of a Python value: a tensor, a number, a word of the language, an element type, a size, a list."""
    match value:
        case ast.Expression():
            return value
        case Written():
            return value.expression
        case None:
            return name("none")
        case bool() | np.bool_():
            return ast.Truth(SPAN, word("true" if value else "false"))
        case int() | float() | np.number():
            return number(value)
        case np.generic():  # bfloat16, of which NumPy does not know that it is a number
            return number(float(value))
        case str():
            return name(value)
        case DType():
            return name(value.value)
        case Sym():
            return _size(value)
        case tuple():
            return ast.Tuple(SPAN, tuple(map(expression, value)))
        case list():
            return ast.List(SPAN, tuple(map(expression, value)))
    raise TypeError(f"{type(value).__name__} has no expression")


def number(value: Any) -> ast.Expression:
    """A number; those of few digits (float32, float16) with no more than they have, whole ones without a point, since
    numbers take the element type of the tensor beside them."""
    plain = value.item() if isinstance(value, np.number) else value
    if isinstance(value, np.floating):
        plain = float(str(value))
    if isinstance(plain, float) and plain and plain.is_integer() and abs(plain) < _WHOLE:
        plain = int(plain)
    literal = name("inf") if plain in (inf, -inf) else ast.Number(SPAN, word(repr(abs(plain))))
    negative = plain < 0 or (isinstance(plain, float) and np.signbit(plain))
    return ast.Unary(SPAN, word("-"), literal) if negative else literal


def call(function: str | ast.Expression, *positional: Any, **keyword: Any) -> ast.Call:
    """`function(a, b, c = d)`"""
    given = [ast.Argument(SPAN, None, expression(p)) for p in positional]
    given += [ast.Argument(SPAN, word(k), expression(v)) for k, v in keyword.items()]
    return ast.Call(SPAN, expression(function), tuple(given))


def pipe(first: Any, *layers: Any) -> ast.Pipe:
    """`x -> layer -> layer`; several tensors first stand in brackets."""
    start = expression(tuple(first) if isinstance(first, list) else first)
    return ast.Pipe(SPAN, (start, *map(expression, layers)))


def infix(left: Any, sign: str, right: Any) -> ast.Binary:
    """`left sign right`"""
    return ast.Binary(SPAN, expression(left), word(sign), expression(right))


def negative(value: Any) -> ast.Unary:
    return ast.Unary(SPAN, word("-"), expression(value))


def opposite(value: Any) -> ast.Unary:
    """`not value`"""
    return ast.Unary(SPAN, word("not"), expression(value))


def binding(names: Sequence[str], value: Any) -> ast.Binding:
    """`a, b = value`"""
    return ast.Binding(SPAN, tuple(map(word, names)), None, expression(value))


def type_of(type: TensorType) -> ast.Type:
    """`f32[N, 3]`"""
    return ast.Type(SPAN, expression(type.dtype), tuple(map(expression, type.shape)))


def besides(defaults: Mapping[str, Any], **given: Any) -> dict[str, Any]:
    """The keywords that are not what they would be anyway."""
    return {key: value for key, value in given.items() if value != defaults[key]}


def compact(values: Sequence[Any]) -> Any:
    """One number for all axes where they have the same, a list otherwise."""
    return values[0] if len({*map(str, values)}) == 1 else list(values)


def _size(size: Sym) -> ast.Expression:
    """A size known only later: a polynomial of names."""
    total: ast.Expression | None = None
    for monomial, coefficient in sorted(size.terms, key=lambda t: (t[0] == (), t[1] < 0)):
        factors = [_atom(a) for a in monomial]
        if abs(coefficient) != 1 or not factors:
            factors.insert(0, number(abs(coefficient)))
        term = factors[0]
        for factor in factors[1:]:
            term = infix(term, "*", factor)
        if total is None:
            total = negative(term) if coefficient < 0 else term
        else:
            total = infix(total, "-" if coefficient < 0 else "+", term)
    assert total is not None
    return total


def _atom(atom: str | Floor) -> ast.Expression:
    return name(atom) if isinstance(atom, str) else infix(_size(atom.numerator), "//", atom.denominator)
