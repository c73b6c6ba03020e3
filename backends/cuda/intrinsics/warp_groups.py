"""Products by the four warps of a warp group, on Hopper alone (sm_90a): wgmma m64n128.

Both operands are in shared memory, rows of 128 bytes along k whose 16-byte chunk c of row r lies at c ^ (r & 7). A
descriptor names 32 bytes of k (8 tf32, 16 numbers of 16 bits) of all rows: WGMMA_DESCRIPTOR | address >> 4, where the
tile starts on a multiple of 1024 bytes and the next 32 bytes are + 2.

The 64 sums of a thread, of D[64, 128] += A[64, k] B[128, k]^T, are with w = warp % 4, g = lane // 4 and t = lane % 4:

    acc[4 j + e] = D[16 w + g + 8 (e // 2), 8 j + 2 t + e % 2],   0 <= j < 16, 0 <= e < 4

Order: cp_wait, fence_async_shared, sync; wgmma_fence, the products, wgmma_commit; nothing touches the sums or writes
the tiles before wgmma_wait0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir

from netlang.backends.cuda.intrinsics.emission import F32, Emission, assembly
from netlang.backends.cuda.intrinsics.machine import Machine
from netlang.backends.cuda.intrinsics.matrices import READERS, Array
from netlang.backends.cuda.intrinsics.word import Word

WGMMA_DESCRIPTOR = (1 << 62) | (64 << 32) | (1 << 16)
"""A descriptor without its address: 128-byte swizzle, 1024 bytes from 8 rows to the next 8."""
SUMS = 64
_ROWS, _COLUMNS = 64, 128
_HOPPER = "90a"


def _tile(machine: Machine, descriptor: int, rows: int, kind: str) -> Array:
    """[rows, k] in float32: what a descriptor names."""
    if descriptor & ~0x3FFF != WGMMA_DESCRIPTOR:
        raise ValueError(f"the descriptor {descriptor:#x} has other fields than WGMMA_DESCRIPTOR")
    start = (descriptor & 0x3FFF) << 4
    if start % 1024 not in (0, 32, 64, 96):
        raise ValueError(f"a descriptor names {start:#x}: expected a multiple of 1024, + 32, 64 or 96")
    load = machine.shared.loader("u32", 4)
    words = np.empty((rows, 8), np.uint32)
    for row in range(rows):
        for half in range(2):
            at = start + 128 * row + 16 * half
            words[row, 4 * half : 4 * half + 4] = load(at ^ ((row & 7) << 4), 0)
    return READERS[kind](words).reshape(rows, -1)


def _places() -> tuple[Array, Array]:
    """Row and column [thread, sum] of the sums that a thread holds."""
    thread, sums = np.arange(128)[:, None], np.arange(SUMS)[None]
    rows = 16 * (thread // 32) + thread % 32 // 4 + 8 * (sums % 4 // 2)
    return rows, 8 * (sums // 4) + 2 * (thread % 4) + sums % 2


def _meaning(kind: str) -> Callable[[Machine, list[Any]], list[Any]]:
    places = _places()

    def meaning(machine: Machine, arguments: list[Any]) -> list[Any]:
        named = {(a, b) for _, a, b in arguments}
        if len(named) > 1:
            raise ValueError("the threads of a warp group name different tiles")
        descriptor_a, descriptor_b = named.pop()
        a = _tile(machine, descriptor_a, _ROWS, kind).astype(np.float64)
        b = _tile(machine, descriptor_b, _COLUMNS, kind).astype(np.float64)
        sums = np.array([thread[0] for thread in arguments], np.float64) + (a @ b.T)[places]
        return [tuple(thread) for thread in sums.astype(np.float32)]

    return meaning


def _wgmma(kind: str, depth: int) -> Word:
    """The sums go in and come out of one statement; the register allocator keeps them where they are."""
    transposed = "" if kind == "tf32" else ", 0, 0"  # only 16-bit formats can be
    outputs = ",".join(f"${i}" for i in range(SUMS))
    text = (
        f"{{ .reg .pred p; setp.ne.b32 p, 1, 0; wgmma.mma_async.sync.aligned.m64n128k{depth}.f32.{kind}.{kind} "
        f"{{{outputs}}}, ${SUMS}, ${SUMS + 1}, p, 1, 1{transposed}; }}"
    )
    constraints = ",".join(["=f"] * SUMS + ["l", "l"] + [str(i) for i in range(SUMS)] + ["~{memory}"])

    def emit(e: Emission, sums: Any, a: Any, b: Any) -> Any:
        inputs = [a, b, *e.parts(sums)]
        function = ir.FunctionType(ir.LiteralStructType([F32] * SUMS), [v.type for v in inputs])
        statement = ir.InlineAsm(function, text, constraints, True)
        return e.tuple(e.parts(e.builder.call(statement, inputs, attrs=("convergent",))))

    return Word(f"wgmma_{kind}", f"f32x{SUMS}(f32x{SUMS},u64,u64)", emit, _meaning(kind), "group", _HOPPER)


def _statement(name: str, text: str) -> Word:
    def nothing(machine: Machine, arguments: list[Any]) -> list[None]:
        return [None] * len(arguments)

    return Word(name, "none()", assembly(text, "none()", effects=True, together=True), nothing, "group", _HOPPER)


def _zeros(e: Emission) -> Any:
    return ir.Constant(ir.ArrayType(F32, SUMS), [F32(0.0)] * SUMS)


WORDS = (
    Word("zeros64", f"f32x{SUMS}()", _zeros, lambda: (np.float32(0),) * SUMS),
    _wgmma("tf32", 8),
    _wgmma("bf16", 16),
    _wgmma("f16", 16),
    _statement("wgmma_fence", "wgmma.fence.sync.aligned;"),
    _statement("wgmma_commit", "wgmma.commit_group.sync.aligned;"),
    _statement("wgmma_wait0", "wgmma.wait_group.sync.aligned 0;"),
    _statement("wgmma_wait1", "wgmma.wait_group.sync.aligned 1;"),
    # What threads and cp.async wrote to shared memory becomes visible to wgmma; of shared memory alone, which is far
    # cheaper than of all.
    Word(
        "fence_async_shared",
        "none()",
        assembly("fence.proxy.async.shared::cta;", "none()", effects=True),
        lambda: None,
        since="90",
    ),
)
