"""bfloat16 to float32 and back in LLVM IR, for scalars and vectors: llvmlite has no type for it, so it is i16 here."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

_I16, _I32, _F32 = ir.IntType(16), ir.IntType(32), ir.FloatType()


def _like(kind: Any, element: Any) -> Any:
    """`element`, or a vector of it as wide as `kind`."""
    return ir.VectorType(element, kind.count) if isinstance(kind, ir.VectorType) else element


def _constant(kind: Any, value: int) -> Any:
    return ir.Constant(kind, [value] * kind.count if isinstance(kind, ir.VectorType) else value)


def widen(builder: Any, bits: Any) -> Any:
    """The float32 whose upper half are these 16 bits."""
    wide = _like(bits.type, _I32)
    high = builder.shl(builder.zext(bits, wide), _constant(wide, 16))
    return builder.bitcast(high, _like(bits.type, _F32))


def narrow(builder: Any, value: Any) -> Any:
    """The 16 bits of the nearest bfloat16, ties to even; NaN stays a (quiet) NaN."""
    wide, short = _like(value.type, _I32), _like(value.type, _I16)
    bits = builder.bitcast(value, wide)
    odd = builder.and_(builder.lshr(bits, _constant(wide, 16)), _constant(wide, 1))
    nearest = builder.add(bits, builder.add(odd, _constant(wide, 0x7FFF)))
    nan = builder.fcmp_unordered("uno", value, value)
    chosen = builder.select(nan, builder.or_(bits, _constant(wide, 0x400000)), nearest)
    return builder.trunc(builder.lshr(chosen, _constant(wide, 16)), short)
