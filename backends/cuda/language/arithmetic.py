"""Operators between typed values, by Numba's rules.

Integers are widened to 64 bits before anything is done with them, signed if one of both is (NBEP 1); an operation of
float32 stays in float32, and with an integer it is one of float64. Comparisons are those of the numbers themselves.
"""

from __future__ import annotations

import ast
from typing import Any

from llvmlite import ir

from netlang.backends.cuda.language.values import FLOATS, INTEGERS, SIGNED, UNSIGNED, Typed, converted, number

_SUMS = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul"}
_FLOATING = {ast.Add: "fadd", ast.Sub: "fsub", ast.Mult: "fmul", ast.Div: "fdiv"}
_BITS = {ast.BitAnd: "and_", ast.BitOr: "or_", ast.BitXor: "xor"}
_UNSIGNED = {ast.FloorDiv: "udiv", ast.Mod: "urem"}
_COMPARED: dict[type[ast.cmpop], str] = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
}


def binary(b: Any, op: ast.operator, left: Typed, right: Typed) -> Typed:
    """left op right. Raises TypeError for what has no meaning."""
    kinds = {left.kind, right.kind}
    if kinds == {"bool"} and type(op) in _BITS:
        return Typed("bool", getattr(b, _BITS[type(op)])(left.value, right.value))
    if kinds <= set(INTEGERS) and not isinstance(op, ast.Div):
        return _integers(b, op, left, right)
    if kinds <= {*INTEGERS, *FLOATS} and type(op) in _FLOATING:
        kind = "f32" if kinds == {"f32"} else "f64"
        values = (converted(b, v, kind).value for v in (left, right))
        return Typed(kind, getattr(b, _FLOATING[type(op)])(*values))
    raise TypeError(f"{type(op).__name__} of {left.kind} and {right.kind}")


def _integers(b: Any, op: ast.operator, left: Typed, right: Typed) -> Typed:
    shift = isinstance(op, ast.LShift | ast.RShift)
    signed = left.kind in SIGNED or (right.kind in SIGNED and not shift)
    kind = "i64" if signed else "u64"
    one, other = (converted(b, v, kind).value for v in (left, right))
    if type(op) in _SUMS:
        return Typed(kind, getattr(b, _SUMS[type(op)])(one, other, flags=("nsw",) if signed else ()))
    if type(op) in _BITS:
        return Typed(kind, getattr(b, _BITS[type(op)])(one, other))
    if shift:
        right_shift = b.ashr if signed else b.lshr
        return Typed(kind, b.shl(one, other) if isinstance(op, ast.LShift) else right_shift(one, other))
    if type(op) in _UNSIGNED:
        return Typed(kind, _floored(b, op, one, other) if signed else getattr(b, _UNSIGNED[type(op)])(one, other))
    raise TypeError(f"{type(op).__name__} of {left.kind} and {right.kind}")


def _floored(b: Any, op: ast.operator, one: Any, other: Any) -> Any:
    """The signed quotient rounded down, or the remainder, which has the sign of the divisor."""
    quotient, rest = b.sdiv(one, other), b.srem(one, other)
    zero = ir.Constant(rest.type, 0)
    apart = b.and_(b.icmp_signed("!=", rest, zero), b.icmp_signed("<", b.xor(rest, other), zero))
    if isinstance(op, ast.Mod):
        return b.select(apart, b.add(rest, other), rest)
    return b.select(apart, b.sub(quotient, ir.Constant(rest.type, 1)), quotient)


def compared(b: Any, op: ast.cmpop, left: Typed, right: Typed) -> Typed:
    """left op right, a bool. Raises TypeError for what has no meaning."""
    sign, kinds = _COMPARED.get(type(op)), {left.kind, right.kind}
    if sign is None:
        raise TypeError(f"no comparison {type(op).__name__}")
    if kinds == {"bool"} and sign in ("==", "!="):
        return Typed("bool", b.icmp_unsigned(sign, left.value, right.value))
    if not kinds <= {*INTEGERS, *FLOATS}:
        raise TypeError(f"{left.kind} {sign} {right.kind}")
    if kinds & set(FLOATS):
        one, other = (converted(b, v, "f32" if kinds == {"f32"} else "f64").value for v in (left, right))
        return Typed("bool", (b.fcmp_unordered if sign == "!=" else b.fcmp_ordered)(sign, one, other))
    if "u64" in kinds and kinds & set(SIGNED):
        return _of_both_kinds(b, sign, left, right)
    kind = left.kind if len(kinds) == 1 else "u64" if kinds <= set(UNSIGNED) else "i64"
    one, other = (converted(b, v, kind).value for v in (left, right))
    return Typed("bool", (b.icmp_signed if kind in SIGNED else b.icmp_unsigned)(sign, one, other))


def _of_both_kinds(b: Any, sign: str, left: Typed, right: Typed) -> Typed:
    """A comparison of a signed number with uint64: what is negative is less than any of these."""
    one, other = (converted(b, v, "u64").value for v in (left, right))
    plain = b.icmp_unsigned(sign, one, other)
    less = left.kind in SIGNED
    wide = converted(b, left if less else right, "i64").value
    negative = b.icmp_signed("<", wide, ir.Constant(wide.type, 0))
    true = sign in (("<", "<=", "!=") if less else (">", ">=", "!="))
    return Typed("bool", b.select(negative, ir.Constant(ir.IntType(1), int(true)), plain))


def negated(b: Any, given: Typed) -> Typed:
    """-given. Raises TypeError for what has no meaning."""
    if given.literal is not None and given.kind not in UNSIGNED:
        return number("i64" if given.kind in SIGNED else given.kind, -given.literal)
    if given.kind in FLOATS:
        # NVVM's LLVM is older than the instruction for it; this one changes the sign of zeros too.
        return Typed(given.kind, b.fsub(number(given.kind, -0.0).value, given.value))
    if given.kind in SIGNED:
        return Typed("i64", b.neg(converted(b, given, "i64").value))
    raise TypeError(f"- {given.kind}")
