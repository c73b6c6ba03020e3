"""The vocabulary of kernels: the global names that their source text may use, each with two meanings.

Compiled, a name is LLVM IR or PTX (`language`); in the simulator it is plain Python (`simulator`). `WORDS` is the one
table of both. A kernel computes in

    i32 i64 u32 u64    conversions, which wrap. As in Numba, every sum has 64 bits, so that each has to be wrapped
    f32 f64            conversions. A float literal is float64: `f32(0.5) * x`
    r[0], r[1]         the numbers of a tuple, by constants alone
    WGMMA_DESCRIPTOR   see `warp_groups`

and in what the modules of this package list: `numbers`, `conversions`, `indices`, `elements` (memory), `copies` (shared
memory), `warps`, `matrices`, `warp_groups`, `dots`.
"""

from __future__ import annotations

from typing import Any

from netlang.backends.cuda.intrinsics import (
    conversions,
    copies,
    dots,
    elements,
    indices,
    matrices,
    numbers,
    warp_groups,
    warps,
)
from netlang.backends.cuda.intrinsics.warp_groups import WGMMA_DESCRIPTOR
from netlang.backends.cuda.intrinsics.word import Word

WORDS: dict[str, Word] = {
    word.name: word
    for module in (numbers, conversions, indices, elements, copies, warps, matrices, warp_groups, dots)
    for word in module.WORDS
}
"""All words by name, those that not every architecture has included."""

CONSTANTS: dict[str, Any] = {"WGMMA_DESCRIPTOR": WGMMA_DESCRIPTOR}
