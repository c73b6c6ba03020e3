"""Reading types and attribute values of the text form."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from netlang.ir.dims import Dim, Sym, sym
from netlang.ir.literals import RESERVED, array_from_base64, read_only
from netlang.ir.tokens import Cursor, Token
from netlang.ir.types import DType, TensorType

_DTYPES = {str(d): d for d in DType}
_WORDS = {"none": None, "true": True, "false": False, "inf": float("inf"), "nan": float("nan")}


def parse_type(at: Cursor) -> TensorType:
    """`f32[N, 6, 28, 28]`, with `:c16` behind it where the layout is not the plain one."""
    token = at.kind("name", "an element type")
    if token.text not in _DTYPES:
        at.fail(f"unknown element type '{token.text}'", token)
    at.expect("[")
    shape: list[Dim] = []
    while not at.accept("]"):
        shape.append(_dim(at))
        if not at.at("]"):
            at.expect(",")
    layout = at.kind("name", "a layout").text if at.accept(":") else ""
    return TensorType(_DTYPES[token.text], tuple(shape), layout)


def parse_attrs(at: Cursor) -> dict[str, Any]:
    """`{key = value, ...}`."""
    at.expect("{")
    attrs: dict[str, Any] = {}
    while not at.accept("}"):
        token = at.kind("name", "an attribute")
        if token.text in attrs:
            at.fail(f"attribute '{token.text}' is given twice", token)
        at.expect("=")
        attrs[token.text] = parse_value(at)
        if not at.at("}"):
            at.expect(",")
    return attrs


def parse_value(at: Cursor) -> Any:
    """One attribute value; see `netlang.ir.literals` for the forms."""
    if at.token.kind == "string":
        return at.string()
    if at.at(*_DTYPES):
        dtype = _DTYPES[at.take().text]
        is_array = at.at("[", "-", *_WORDS) or at.token.kind in ("int", "float")
        return _array(at, dtype) if is_array else dtype
    if at.at("none", "true", "false"):
        return _WORDS[at.take().text]
    start = at.token
    sign = -1 if at.at("-") and _is_float(at.following) else 1
    if sign < 0:
        at.take()
    if _is_float(at.token):
        return sign * _float(at)
    value = _sum(at)
    if not isinstance(value, tuple | int | Sym):
        _misfit(at, start)
    return value


def _is_float(token: Token) -> bool:
    return token.kind == "float" or (token.kind == "name" and token.text in ("inf", "nan"))


def _float(at: Cursor) -> float:
    token = at.take()
    return float(token.text)


def _dim(at: Cursor) -> Dim:
    start = at.token
    dim: Dim = _number(at, _sum(at, plain=False), start)
    return dim


def _sum(at: Cursor, plain: bool = True) -> Any:
    """A dimension as a sum of products, or a tuple. With `plain`, reserved words are not names of dimensions."""
    start = at.token
    value = -_number(at, _product(at, plain), start) if at.accept("-") else _product(at, plain)
    while at.at("+", "-"):
        negative = at.take().text == "-"
        left = _number(at, value, start)
        right = _number(at, _product(at, plain), start)
        value = left - right if negative else left + right
    return value


def _product(at: Cursor, plain: bool) -> Any:
    start = at.token
    value = _atom(at, plain)
    while at.at("*", "//"):
        if at.take().text == "*":
            value = _number(at, value, start) * _number(at, _atom(at, plain), start)
            continue
        divisor = at.integer()
        if divisor == 0:
            at.fail("division by zero", start)
        value = _number(at, value, start) // divisor
    return value


def _atom(at: Cursor, plain: bool) -> Any:
    token = at.token
    if token.kind == "int":
        return at.integer()
    if token.kind == "name" and not (plain and token.text in RESERVED):
        at.take()
        if token.text != "dim" or not at.at("("):
            return sym(token.text)
        at.take()
        inner = _dim(at)
        at.expect(")")
        return inner
    if at.at("("):
        return _parentheses(at, plain)
    raise at.error(f"expected a {'value' if plain else 'dimension'}, found {at.describe()}")


def _parentheses(at: Cursor, plain: bool) -> Any:
    """`(a, b)`, `(a,)` and `()` are tuples, `(a)` is a dimension in parentheses."""
    at.enter()
    start = at.expect("(")
    items: list[Any] = []
    is_tuple = at.at(")")
    while not at.accept(")"):
        items.append(parse_value(at) if plain else _dim(at))
        if not at.at(")"):
            at.expect(",")
            is_tuple = True
    at.leave()
    return tuple(items) if is_tuple else _number(at, items[0], start)


def _number(at: Cursor, value: Any, start: Token) -> Any:
    """`value` if it is a dimension, else an error: nothing else can be added or multiplied."""
    if isinstance(value, bool) or not isinstance(value, int | Sym):
        _misfit(at, start)
    return value


def _misfit(at: Cursor, start: Token) -> NoReturn:
    raise at.error("expected a dimension here", start)


def _array(at: Cursor, dtype: DType) -> Any:
    """`f32 [[1.0, 2.0]]`, `f32 1.0`, or `f32[5, 20] base64 "..."`."""
    start = at.token
    items = _nested(at)
    if not at.accept("base64"):
        _check_kind(at, items, dtype, start)
        try:
            return read_only(np.array(items, dtype.numpy))
        except (ValueError, OverflowError) as fault:
            raise at.error(f"this is no {dtype} array: {fault}", start) from fault
    token = at.token
    text = at.string()
    if not isinstance(items, list) or not all(type(i) is int for i in items):
        at.fail("expected a shape", start)
    try:
        return array_from_base64(dtype, tuple(items), text)
    except ValueError as fault:
        raise at.error(f"this array is malformed: {fault}", token) from fault


def _nested(at: Cursor) -> Any:
    if not at.accept("["):
        start = at.token
        value = parse_value(at)
        if not isinstance(value, bool | int | float):
            at.fail("expected a number", start)
        return value
    at.enter()
    items: list[Any] = []
    while not at.accept("]"):
        items.append(_nested(at))
        if not at.at("]"):
            at.expect(",")
    at.leave()
    return items


def _check_kind(at: Cursor, items: Any, dtype: DType, start: Token) -> None:
    """NumPy would quietly make `1.5` an integer; the text form does not."""
    if isinstance(items, list):
        for item in items:
            _check_kind(at, item, dtype, start)
        return
    kinds: tuple[type, ...] = (float, int) if dtype.is_float else (int,)
    if isinstance(items, bool) != (dtype is DType.BOOL) or not isinstance(items, kinds):
        at.fail(f"{items!r} is no element of {dtype}", start)
