"""Products of small matrices by a warp: mma.sync, and ldmatrix, which loads its operands.

An operand is spread over the registers of the 32 lanes. With g = lane // 4 and t = lane % 4, for D[16, 8] += A[16, k]
B[k, 8] a lane holds (PTX ISA, "Matrix fragments for mma"):

    d0 d1 d2 d3    D[g, 2t], D[g, 2t+1], D[g+8, 2t], D[g+8, 2t+1]            float32
    a0 a1 a2 a3    rows g, g+8, g, g+8; columns t, t, t+4, t+4               tf32, k = 8
    b0 b1          B[t, g], B[t+4, g]
    a0 .. a3       the same rows; columns 2t and 2t+1, the last two + 8      16 bits, k = 16; the first column
    b0 b1          B[2t, g] and B[2t+1, g]; B[2t+8, g] and B[2t+9, g]        in the low half of a register

`mma_f16_k8`, all that sm_75 has, is the one with k = 16 without a2, a3 and b1. Sums are float32.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netlang.backends.cuda.intrinsics.emission import Emission, assembly
from netlang.backends.cuda.intrinsics.machine import Machine
from netlang.backends.cuda.intrinsics.word import Word

Array = NDArray[Any]
_LANE = np.arange(32)
_G, _T = _LANE // 4, _LANE % 4
_D_ROWS = np.stack([_G, _G, _G + 8, _G + 8], 1)
_D_COLUMNS = np.stack([2 * _T, 2 * _T + 1] * 2, 1)
_A_ROWS = np.stack([_G, _G + 8] * 2, 1)
_B_COLUMNS = np.stack([_G, _G], 1)


def tf32(registers: Array) -> Array:
    """Words [...] as float32 [..., 1]: tensor cores ignore the last 13 bits."""
    return (registers & np.uint32(0xFFFFE000)).view(np.float32)[..., None]


def halves(kind: str) -> Callable[[Array], Array]:
    """Words [...] as two numbers of 16 bits, `f16` or `bf16`, in float32 [..., 2]."""

    def read(registers: Array) -> Array:
        pairs = np.ascontiguousarray(registers)[..., None].view(np.uint16)
        if kind == "f16":
            return pairs.view(np.float16).astype(np.float32)
        return (pairs.astype(np.uint32) << np.uint32(16)).view(np.float32)

    return read


READERS: dict[str, Callable[[Array], Array]] = {"tf32": tf32, "bf16": halves("bf16"), "f16": halves("f16")}
"""Registers as numbers, by the format of the operands: [...] -> [..., numbers in a register]."""


def _product(kind: str, pairs: int) -> Callable[[Machine, list[Any]], list[Any]]:
    """The meaning of an mma with `pairs` registers of B and twice as many of A."""
    read = READERS[kind]
    width = 1 if kind == "tf32" else 2  # numbers in a register
    depth = 4 * width * pairs
    first = width * _T[:, None, None] + np.arange(width)
    columns = np.concatenate([first + 4 * width * i for i in range(pairs)], 1)  # [lane, register of B, number]
    a_columns = np.repeat(columns, 2, axis=1)

    def meaning(machine: Machine, arguments: list[Any]) -> list[Any]:
        table = np.array([lane[4:] for lane in arguments], np.uint32)
        a, b, d = np.zeros((16, depth)), np.zeros((depth, 8)), np.zeros((16, 8))
        a[_A_ROWS[:, : 2 * pairs, None], a_columns] = read(table[:, : 2 * pairs])
        b[columns, _B_COLUMNS[:, :pairs, None]] = read(table[:, 2 * pairs :])
        d[_D_ROWS, _D_COLUMNS] = [lane[:4] for lane in arguments]
        d += a @ b
        return [tuple(lane) for lane in d.astype(np.float32)[_D_ROWS, _D_COLUMNS]]

    return meaning


def _mma(name: str, kind: str, shape: str, pairs: int, since: str) -> Word:
    registers = 3 * pairs
    types = ",".join(["u32"] * registers)
    text = (
        f"mma.sync.aligned.{shape}.row.col.f32.{kind}.{kind}.f32 {{$0,$1,$2,$3}},"
        f"{{{','.join(f'${8 + i}' for i in range(2 * pairs))}}},"
        f"{{{','.join(f'${8 + i}' for i in range(2 * pairs, registers))}}},{{$4,$5,$6,$7}};"
    )
    signature = f"f32x4(f32,f32,f32,f32,{types})"
    return Word(name, signature, assembly(text, signature, together=True), _product(kind, pairs), "warp", since)


def _ldmatrix(transposed: bool, matrices: int) -> Word:
    """`matrices` of 8 rows of 16 bytes; lane l names the place of row l % 8 of matrix l // 8 (mod `matrices`)."""
    outputs = ",".join(f"${i}" for i in range(matrices))
    trans = ".trans" if transposed else ""
    text = f"ldmatrix.sync.aligned.m8n8.x{matrices}{trans}.shared.b16 {{{outputs}}}, [${matrices}];"
    signature = f"u32x{matrices}(u32)"

    def emit(e: Emission, address: Any) -> Any:
        return e.assembly(text, signature, (address,), effects=True, together=True)

    def meaning(machine: Machine, arguments: list[Any]) -> list[Any]:
        load, first = machine.shared.loader("u32", 4), machine.thread
        tiles = np.empty((matrices, 8, 4), np.uint32)
        for lane, row in enumerate(tiles.reshape(-1, 4)):
            machine.thread = first + lane
            row[:] = load(arguments[lane][0], 0)
        if transposed:
            tiles = np.ascontiguousarray(tiles.view(np.uint16).swapaxes(1, 2)).view(np.uint32)
        return [tuple(lane) for lane in tiles.reshape(matrices, 32).T.tolist()]

    return Word(f"ldmatrix_x{matrices}{'_trans' if transposed else ''}", signature, emit, meaning, "warp")


WORDS = (
    *(_ldmatrix(transposed, matrices) for transposed in (False, True) for matrices in (2, 4)),
    _mma("mma_tf32", "tf32", "m16n8k8", 2, "80"),
    _mma("mma_bf16", "bf16", "m16n8k16", 2, "80"),
    _mma("mma_f16", "f16", "m16n8k16", 2, "80"),
    _mma("mma_f16_k8", "f16", "m16n8k8", 1, "75"),
)
