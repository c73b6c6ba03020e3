"""Products by the four warps of a warp group, on Hopper alone (sm_90a): wgmma m64n128.

Both operands are in shared memory, rows of 128 bytes along k whose 16-byte chunk c of row r lies at c ^ (r & 7). A
descriptor names 32 bytes of k (8 tf32, 16 numbers of 16 bits) of all rows: WGMMA_DESCRIPTOR | address >> 4, where the
tile starts on a multiple of 1024 bytes and the next 32 bytes are + 2.

The 64 sums of a thread, of D[64, 128] += A[64, k] B[128, k]^T, are with w = warp % 4, g = lane // 4 and t = lane % 4:

    acc[4 j + e] = D[16 w + g + 8 (e // 2), 8 j + 2 t + e % 2],   0 <= j < 16, 0 <= e < 4

    cp_wait0(); fence_async_shared(); sync()
    acc = wgmma_fence(acc)
    acc = wgmma_bf16(acc, tile_a, tile_b)           any number of them
    wgmma_commit()
    acc = wgmma_wait0(acc)                          nothing reads the sums or writes the tiles before that

wgmma_wait1() says when the tiles of the group before the last may be written again; the sums stay unfinished.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir

from netlang.backends.cuda.intrinsics.emission import F32, Emission, assembly
from netlang.backends.cuda.intrinsics.group_products import DESCRIPTOR, SUMS, commit, product, wait
from netlang.backends.cuda.intrinsics.machine import Machine
from netlang.backends.cuda.intrinsics.word import Word

WGMMA_DESCRIPTOR = DESCRIPTOR
_HOPPER = "90a"
_THROUGH = f"f32x{SUMS}(f32x{SUMS})"


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

    return Word(f"wgmma_{kind}", f"f32x{SUMS}(f32x{SUMS},u64,u64)", emit, product(kind), "group", _HOPPER)


def _with_sums(text: str) -> Callable[..., Any]:
    """A statement that sums go through, so that nothing is done with them on its other side."""
    constraints = ",".join(["=f"] * SUMS + [str(i) for i in range(SUMS)] + ["~{memory}"])

    def emit(e: Emission, sums: Any) -> Any:
        inputs = e.parts(sums)
        function = ir.FunctionType(ir.LiteralStructType([F32] * SUMS), [F32] * SUMS)
        statement = ir.InlineAsm(function, text, constraints, True)
        return e.tuple(e.parts(e.builder.call(statement, inputs, attrs=("convergent",))))

    return emit


def _statement(text: str) -> Callable[..., Any]:
    return assembly(text, "none()", effects=True, together=True)


def _same(machine: Machine, arguments: list[Any]) -> list[Any]:
    return [sums for (sums,) in arguments]


def _zeros(e: Emission) -> Any:
    return ir.Constant(ir.ArrayType(F32, SUMS), [F32(0.0)] * SUMS)


WORDS = (
    Word("zeros64", f"f32x{SUMS}()", _zeros, lambda: (np.float32(0),) * SUMS),
    _wgmma("tf32", 8),
    _wgmma("bf16", 16),
    _wgmma("f16", 16),
    Word("wgmma_fence", _THROUGH, _with_sums("wgmma.fence.sync.aligned;"), _same, "group", _HOPPER),
    Word("wgmma_commit", "none()", _statement("wgmma.commit_group.sync.aligned;"), commit, "group", _HOPPER),
    Word("wgmma_wait0", _THROUGH, _with_sums("wgmma.wait_group.sync.aligned 0;"), wait(0), "group", _HOPPER),
    Word("wgmma_wait1", "none()", _statement("wgmma.wait_group.sync.aligned 1;"), wait(1), "group", _HOPPER),
    # What threads and cp.async wrote to shared memory becomes visible to wgmma; of shared memory alone, which is far
    # cheaper than of all.
    Word(
        "fence_async_shared",
        "none()",
        assembly("fence.proxy.async.shared::cta;", "none()", effects=True),
        lambda machine: machine.fence,
        "bound",
        since="90",
    ),
)
