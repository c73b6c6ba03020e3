"""Infix and prefix operators, on numbers and sizes at compile time and on tensors in the graph."""

from __future__ import annotations

import operator
from collections.abc import Callable
from math import log2
from typing import Any

from netlang.frontend.context import Site
from netlang.frontend.faults import Fault
from netlang.frontend.limits import check_items, check_number
from netlang.frontend.values import describe, is_dim, is_layer, is_number, weigh
from netlang.ir.dims import Sym, exact_quotient
from netlang.ir.graph import Value
from netlang.ir.types import DType

_TENSOR_OPS = {
    "+": "add", "-": "sub", "*": "mul", "/": "div", "@": "matmul", "**": "pow",
    "==": "eq", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge", "and": "and", "or": "or",
}  # fmt: skip
_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "//": operator.floordiv, "%": operator.mod,
}  # fmt: skip


def binary(site: Site, sign: str, a: Any, b: Any) -> Any:
    """`a sign b`. Raises Fault (or the op's ShapeError) where that means nothing."""
    if sign in ("==", "!=") and (a is None or b is None):
        return (a is b) == (sign == "==")
    if isinstance(a, Value) or isinstance(b, Value):
        return _tensors(site, sign, a, b)
    if sign in ("and", "or"):
        return _logic(sign, a, b)
    if sign in ("==", "!="):
        return same(a, b) == (sign == "==")
    if _numeric(a) and _numeric(b):
        return _compare(sign, a, b) if sign in _ORDER else check_number(_numbers(sign, a, b))
    if sign == "+" and type(a) is type(b) and isinstance(a, list | tuple):
        check_items(len(a) + len(b))
        joined = a + b
        site.context.charge(weigh(joined).leaves, site.span)
        return joined
    raise Fault(f"'{sign}' cannot combine {describe(a)} and {describe(b)}", hint=_layer_hint(a, b))


def unary(site: Site, sign: str, a: Any) -> Any:
    """`-a` and `not a`."""
    if isinstance(a, Value):
        return site.emit("not" if sign == "not" else "neg", a)
    if sign == "not":
        return not truth(a)
    if _numeric(a):
        return -a if isinstance(a, float) else check_number(-a)
    raise Fault(f"'-' cannot be applied to {describe(a)}")


def truth(value: Any) -> bool:
    """A condition known at compile time. Raises Fault for anything else."""
    if isinstance(value, bool):
        return value
    if isinstance(value, Value):
        raise Fault(
            "the condition is a tensor, which is known only when the net runs",
            hint="choose between tensors with where(condition, a, b)",
        )
    raise Fault(f"a condition is true or false, not {describe(value)}", hint="compare it, as in 'n == 1'")


def same(a: Any, b: Any) -> bool:
    """Equality at compile time. Sizes are equal where they are equal whatever the input's size is."""
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, bool) != isinstance(b, bool):
        return False
    return bool(a == b)


def as_tensor(site: Site, value: Any, dtype: DType) -> Value:
    """A tensor as it is, a number or size as a scalar of `dtype`. Raises Fault for anything else."""
    if isinstance(value, Value):
        return value
    if isinstance(value, bool | int | float | Sym):
        return site.scalar(value, dtype)
    raise Fault(f"expected a tensor, got {describe(value)}", hint=_layer_hint(value))


def _tensors(site: Site, sign: str, a: Any, b: Any) -> Value:
    for value in (a, b):
        if not isinstance(value, Value | bool | int | float | Sym):
            raise Fault(f"'{sign}' cannot combine {describe(a)} and {describe(b)}", hint=_layer_hint(a, b))
    like = a if isinstance(a, Value) else b
    if sign == "**" and is_number(b):
        return _power(site, a, b)
    x, y = as_tensor(site, a, like.dtype), as_tensor(site, b, like.dtype)
    if sign == "//":
        return _quotient(site, x, y)
    if sign == "%":
        return _remainder(site, x, y)
    return site.emit(_TENSOR_OPS[sign], x, y)


def _quotient(site: Site, x: Value, y: Value) -> Value:
    """How often y goes into x, rounded down."""
    return site.emit("floor_div", x, y) if x.dtype.is_int else site.emit("floor", site.emit("div", x, y))


def _remainder(site: Site, x: Value, y: Value) -> Value:
    """What is left of x, with the sign of y."""
    if x.dtype.is_int:
        return site.emit("sub", x, site.emit("mul", y, site.emit("floor_div", x, y)))
    rest = site.emit("fmod", x, y)
    zero = site.scalar(0.0, x.dtype)
    apart = site.emit("ne", site.emit("lt", rest, zero), site.emit("lt", y, zero))
    missing = site.emit("and", site.emit("ne", rest, zero), apart)
    return site.emit("where", missing, site.emit("add", rest, y), rest)


def opposite(site: Site, x: Value) -> Value:
    """Numbers in the opposite order; exact, which -x is not for the smallest integer."""
    return site.emit("bit_not" if x.dtype.is_int else "neg", x)


def _power(site: Site, a: Value, exponent: float) -> Value:
    """`a ** exponent`: squares and roots by their own, cheaper ops, which also have a gradient where a is negative."""
    if exponent == 2:
        return site.emit("mul", a, a)
    if exponent == 0.5 and a.dtype.is_float:
        return site.emit("sqrt", a)
    return site.emit("pow", a, site.scalar(exponent, a.dtype))


def _logic(sign: str, a: Any, b: Any) -> bool:
    left, right = truth(a), truth(b)
    return (left and right) if sign == "and" else (left or right)


def _compare(sign: str, a: Any, b: Any) -> bool:
    if isinstance(a, Sym) or isinstance(b, Sym):
        difference = a - b
        if isinstance(difference, Sym):
            raise Fault(f"whether {a} {sign} {b} is known only when the net runs", hint="give the size as a number")
        return _ORDER[sign](difference, 0)
    return _ORDER[sign](a, b)


def _numbers(sign: str, a: Any, b: Any) -> Any:
    if sign in ("/", "//", "%") and not isinstance(b, Sym) and b == 0:
        raise Fault("division by zero")
    if isinstance(a, Sym) or isinstance(b, Sym):
        return _sizes(sign, a, b)
    try:
        if sign == "/":
            return a / b
        if sign == "**":
            return _raised(a, b)
        if sign in _ARITHMETIC:
            return _ARITHMETIC[sign](a, b)
    except OverflowError:
        raise Fault("the number is too large for a floating-point number") from None
    raise Fault(f"'{sign}' works on tensors, not on numbers")


def _raised(a: float, b: float) -> Any:
    if isinstance(a, int) and isinstance(b, int) and b >= 0:
        if abs(a) > 1 and b * log2(abs(a)) > 64:
            raise Fault("the whole number is too large: it must fit into 64 bits")
        return a**b
    if a == 0 and b < 0:
        raise Fault("division by zero")
    if a < 0 and b != int(b):
        raise Fault(f"{a} has no real power {b}")
    return float(a) ** b


def _sizes(sign: str, a: Any, b: Any) -> Any:
    """Arithmetic with sizes known only later stays exact or is refused."""
    if not (is_dim(a) and is_dim(b)):
        raise Fault(f"the size {a if isinstance(a, Sym) else b} can only be combined with whole numbers")
    if sign == "/":
        quotient = exact_quotient(a, b)
        if quotient is None:
            raise Fault(f"{a} does not divide evenly by {b}", hint="'//' rounds down")
        return quotient
    if sign in ("//", "%"):
        if isinstance(b, Sym):
            quotient = exact_quotient(a, b)
            if quotient is None:
                raise Fault(f"{a} can only be divided by a fixed number, not by {b}")
            return quotient if sign == "//" else 0
        if b < 0:
            raise Fault(f"{a} can only be divided by a positive number")
    if sign == "**":
        if isinstance(b, Sym) or not 0 <= b <= 8:
            raise Fault(f"{a} can only be raised to a small whole power")
        total: Any = 1
        for _ in range(b):
            total = check_number(total * a)
        return total
    if sign not in _ARITHMETIC:
        raise Fault(f"'{sign}' works on tensors, not on sizes")
    return _ARITHMETIC[sign](a, b)


def _numeric(value: Any) -> bool:
    return is_number(value) or isinstance(value, Sym)


def _layer_hint(*values: Any) -> str:
    if any(is_layer(v) for v in values):
        return "a layer must be applied first: 'x -> layer'; put brackets around 'x -> layer' inside a sum"
    return ""
