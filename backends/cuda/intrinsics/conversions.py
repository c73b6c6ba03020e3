"""Numbers and their bits; rounding to the formats of tensor cores. Bits of 16-bit formats stand in the low half."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from netlang.backends.cuda.intrinsics.emission import F16, F32, F64, I16, I32, I64, Emission, assembly
from netlang.backends.cuda.intrinsics.word import Word

_FLOAT, _WORD = struct.Struct("<f"), struct.Struct("<I")
_NAN = 0x7FFF
"""The bfloat16 NaN that GPUs make of any NaN."""


def bits(x: Any) -> int:
    """The 32 bits of a float32."""
    return int(_WORD.unpack(_FLOAT.pack(x))[0])


def number(bits: int) -> np.float32:
    """The float32 of 32 bits."""
    return np.float32(_FLOAT.unpack(_WORD.pack(bits))[0])


def bf16_bits(x: Any) -> int:
    """Rounded to nearest, ties to even."""
    whole = bits(np.float32(x))
    return _NAN if x != x else (whole + 0x7FFF + (whole >> 16 & 1)) >> 16


def bf16_number(bits: int) -> np.float32:
    """The float32 of the low 16 bits as bfloat16."""
    return number((bits & 0xFFFF) << 16)


def f16_bits(x: Any) -> int:
    """Rounded to nearest, ties to even."""
    return _NAN if x != x else int(np.float16(np.float32(x)).view(np.uint16))


def f16_number(bits: int) -> np.float32:
    """The float32 of the low 16 bits as float16."""
    return np.float32(np.uint16(bits & 0xFFFF).view(np.float16))


def tf32_bits(x: Any) -> int:
    """Rounded to 10 bits of mantissa, ties away from zero; the bits of a float32 whose last 13 are zero."""
    return 0x7FFFE000 if x != x else (bits(np.float32(x)) + 0x1000) & 0xFFFFE000


def emit_bf16_bits(e: Emission, x: Any) -> Any:
    """A float32 as bfloat16 in the low half of an i32: by integers where the GPU has no instruction for it."""
    if e.since("80"):
        return e.assembly("cvt.rn.bf16x2.f32 $0, 0f00000000, $1;", "u32(f32)", (x,))
    b = e.builder
    whole = b.bitcast(x, I32)
    even = b.and_(b.lshr(whole, I32(16)), I32(1))
    rounded = b.lshr(b.add(b.add(whole, I32(0x7FFF)), even), I32(16))
    return b.select(b.fcmp_unordered("uno", x, x), I32(_NAN), rounded)


def emit_bf16_number(e: Emission, bits: Any) -> Any:
    """The float32 of the low half of an i32 as bfloat16."""
    return e.builder.bitcast(e.builder.shl(bits, I32(16)), F32)


def emit_f16_bits(e: Emission, x: Any) -> Any:
    """A float32 as float16 in the low half of an i32."""
    return e.builder.zext(e.builder.bitcast(e.builder.fptrunc(x, F16), I16), I32)


def emit_f16_number(e: Emission, bits: Any) -> Any:
    """The float32 of the low half of an i32 as float16."""
    return e.builder.fpext(e.builder.bitcast(e.builder.trunc(bits, I16), F16), F32)


def _pack_f16x2(e: Emission, high: Any, low: Any) -> Any:
    if e.since("80"):
        return e.assembly("cvt.rn.f16x2.f32 $0, $1, $2;", "u32(f32,f32)", (high, low))
    return e.builder.or_(e.builder.shl(emit_f16_bits(e, high), I32(16)), emit_f16_bits(e, low))


def _pack_bf16x2(e: Emission, high: Any, low: Any) -> Any:
    if e.since("80"):
        return e.assembly("cvt.rn.bf16x2.f32 $0, $1, $2;", "u32(f32,f32)", (high, low))
    return e.builder.or_(e.builder.shl(emit_bf16_bits(e, high), I32(16)), emit_bf16_bits(e, low))


WORDS = (
    Word("bits_of_f32", "u32(f32)", lambda e, x: e.builder.bitcast(x, I32), lambda x: bits(np.float32(x))),
    Word("f32_of_bits", "f32(u32)", lambda e, x: e.builder.bitcast(x, F32), number),
    Word(
        "bits_of_f64", "u64(f64)", lambda e, x: e.builder.bitcast(x, I64), lambda x: int(np.float64(x).view(np.uint64))
    ),
    Word("f64_of_bits", "f64(u64)", lambda e, x: e.builder.bitcast(x, F64), lambda x: np.uint64(x).view(np.float64)),
    Word("bf16_bits", "u32(f32)", emit_bf16_bits, bf16_bits),
    Word("bf16_number", "f32(u32)", emit_bf16_number, bf16_number),
    Word("f16_bits", "u32(f32)", emit_f16_bits, f16_bits),
    Word("f16_number", "f32(u32)", emit_f16_number, f16_number),
    Word("round_tf32", "u32(f32)", assembly("cvt.rna.tf32.f32 $0, $1;", "u32(f32)"), tf32_bits, since="80"),
    Word("pack_bf16x2", "u32(f32,f32)", _pack_bf16x2, lambda high, low: bf16_bits(high) << 16 | bf16_bits(low)),
    Word("pack_f16x2", "u32(f32,f32)", _pack_f16x2, lambda high, low: f16_bits(high) << 16 | f16_bits(low)),
)
