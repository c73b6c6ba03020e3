"""Sums of products that a thread keeps in registers: as one tuple that a word takes and returns.

`dot4_IxJ(sums, a, b, a_pitch, b_pitch)` adds to sum [J i + j] the product of four neighbouring float32 in shared memory
at a + i a_pitch with four at b + j b_pitch (bytes), one FMA after the other. Written out in Python, it would be
hundreds of statements.

`lines4_IxJ(sums, a, b, a_pitch, line, step)` is the same where the columns of b lie side by side: number k of column
4 j + c is at b + k line + j step, the c-th of four neighbours.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir

from netlang.backends.cuda.intrinsics.emission import F32, I32, SHARED, Emission, assembly
from netlang.backends.cuda.intrinsics.machine import Machine
from netlang.backends.cuda.intrinsics.word import Word

SHAPES = ((2, 4), (2, 8), (4, 4), (4, 8), (8, 4), (8, 8))
"""Rows and columns of sums that there are words for."""
_Load = Callable[[int, int], Any]
_INFINITY = 0x7F800000
_TOGETHER = 4
"""Neighbouring numbers that are loaded at once."""


def _zeros(count: int) -> Word:
    def emit(e: Emission) -> Any:
        return ir.Constant(ir.ArrayType(F32, count), [F32(0.0)] * count)

    return Word(f"zeros{count}", f"f32x{count}()", emit, lambda: (np.float32(0),) * count)


def _dot(rows: int, columns: int) -> Word:
    def emit(e: Emission, sums: Any, a: Any, b: Any, a_pitch: Any, b_pitch: Any) -> Any:
        found = e.parts(sums)
        factors = [_row(e, b, b_pitch, j) for j in range(columns)]
        for i in range(rows):
            row = _row(e, a, a_pitch, i)
            for k in range(_TOGETHER):
                for j in range(columns):
                    found[columns * i + j] = e.builder.fma(row[k], factors[j][k], found[columns * i + j])
        return e.tuple(found)

    def read(load: _Load, b: int, b_pitch: int) -> Any:
        return np.array([load(b, j * b_pitch) for j in range(columns)]).T

    return _word(f"dot4_{rows}x{columns}", rows, columns, "i32", emit, read)


def _lines(rows: int, columns: int) -> Word:
    groups = columns // _TOGETHER

    def emit(e: Emission, sums: Any, a: Any, b: Any, a_pitch: Any, line: Any, step: Any) -> Any:
        found = e.parts(sums)
        left = [_row(e, a, a_pitch, i) for i in range(rows)]
        for k in range(_TOGETHER):
            at = e.builder.add(b, e.builder.mul(line, I32(k)))
            factors = [x for j in range(groups) for x in _row(e, at, step, j)]
            for i in range(rows):
                for j in range(columns):
                    found[columns * i + j] = e.builder.fma(left[i][k], factors[j], found[columns * i + j])
        return e.tuple(found)

    def read(load: _Load, b: int, line: int, step: int) -> Any:
        return [np.concatenate([load(b, k * line + j * step) for j in range(groups)]) for k in range(_TOGETHER)]

    return _word(f"lines4_{rows}x{columns}", rows, columns, "i32,i32", emit, read)


def _word(
    name: str, rows: int, columns: int, distances: str, emit: Callable[..., Any], read: Callable[..., Any]
) -> Word:
    """`read` brings the factors of b, [k][columns], from `distances`."""
    count = rows * columns

    def meaning(machine: Machine) -> Callable[..., Any]:
        load = machine.shared.vectors("f32", _TOGETHER)

        def add(sums: Any, a: int, b: int, a_pitch: int, *distances: int) -> Any:
            left = np.array([load(a, i * a_pitch) for i in range(rows)], np.float64)
            right = np.array(read(load, b, *distances), np.float64)
            out = np.array(sums, np.float32).reshape(rows, columns)
            for products in left.T[:, :, None] * right[:, None, :]:
                out = (out + products).astype(np.float32)
            return tuple(out.ravel())

        return add

    return Word(name, f"f32x{count}(f32x{count},u32,u32,i32,{distances})", emit, meaning, "bound")


def _row(e: Emission, address: Any, pitch: Any, index: int) -> list[Any]:
    """Four neighbouring float32 of shared memory."""
    kind = ir.VectorType(F32, _TOGETHER)
    value = e.builder.load(e.pointer(SHARED, address, e.builder.mul(pitch, I32(index)), kind))
    value.align = 4 * _TOGETHER
    return [e.builder.extract_element(value, I32(k)) for k in range(_TOGETHER)]


def _nearest_tf32(e: Emission, bits: Any) -> Any:
    b = e.builder
    size = e.call("__nv_fabsf", F32, (b.bitcast(bits, F32),))
    finite = b.fcmp_ordered("<", size, F32(float("inf")))
    return b.select(finite, b.add(bits, I32(0x1000)), bits)


WORDS = (
    *(_zeros(count) for count in sorted({rows * columns for rows, columns in SHAPES} - {64})),
    *(make(rows, columns) for rows, columns in SHAPES for make in (_dot, _lines)),
    # float32 bits whose upper 19 are rounded as `round_tf32` does; tensor cores ignore the others. Far cheaper.
    Word("nearest_tf32", "u32(u32)", _nearest_tf32, lambda x: x + 0x1000 if x & 0x7FFFFFFF < _INFINITY else x),
    # The same number. What is computed from it inside a loop stays there instead of taking registers all the time.
    Word("again_i32", "i32(i32)", assembly("mov.b32 $0, $1;", "i32(i32)", effects=True), lambda x: x),
)
