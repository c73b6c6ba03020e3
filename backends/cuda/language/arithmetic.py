"""Operators between typed values, by Numba's rules.

Integers are widened to 64 bits before anything is done with them, signed if one of both is (NBEP 1); a comparison and
an operation of float32 stay what they are. What nobody writes on purpose is refused: integers mixed with floats, signed
division, a comparison of int64 with uint64.
"""

from __future__ import annotations

import ast
from typing import Any

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
    if kinds <= set(FLOATS) and type(op) in _FLOATING:
        kind = "f64" if "f64" in kinds else "f32"
        values = (converted(b, v, kind).value for v in (left, right))
        return Typed(kind, getattr(b, _FLOATING[type(op)])(*values))
    if kinds <= set(INTEGERS):
        return _integers(b, op, left, right)
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
    if type(op) in _UNSIGNED and not signed:
        return Typed(kind, getattr(b, _UNSIGNED[type(op)])(one, other))
    raise TypeError(f"{type(op).__name__} of {left.kind} and {right.kind}")


def compared(b: Any, op: ast.cmpop, left: Typed, right: Typed) -> Typed:
    """left op right, a bool. Raises TypeError for what has no meaning."""
    sign, kinds = _COMPARED.get(type(op)), {left.kind, right.kind}
    if sign is None:
        raise TypeError(f"no comparison {type(op).__name__}")
    if kinds <= set(FLOATS):
        one, other = (converted(b, v, max(kinds)).value for v in (left, right))
        return Typed("bool", (b.fcmp_unordered if sign == "!=" else b.fcmp_ordered)(sign, one, other))
    if kinds == {"bool"} and sign in ("==", "!="):
        return Typed("bool", b.icmp_unsigned(sign, left.value, right.value))
    if not kinds <= set(INTEGERS):
        raise TypeError(f"{left.kind} {sign} {right.kind}")
    kind = _common(left, right)
    one, other = (converted(b, v, kind).value for v in (left, right))
    return Typed("bool", (b.icmp_signed if kind in SIGNED else b.icmp_unsigned)(sign, one, other))


def _common(left: Typed, right: Typed) -> str:
    """The type in which integers are compared: one that holds both."""
    if left.kind == right.kind:
        return left.kind
    if {left.kind, right.kind} <= set(UNSIGNED):
        return "u64"
    if "u64" not in (left.kind, right.kind):
        return "i64"
    signed = left if left.kind in SIGNED else right
    if signed.literal is not None and signed.literal >= 0:
        return "u64"
    raise TypeError(f"a comparison of {left.kind} with {right.kind}")


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
