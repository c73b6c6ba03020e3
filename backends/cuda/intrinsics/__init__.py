"""The vocabulary of kernels: the global names that their source text may use, each with two meanings.

Compiled, a name is a Numba intrinsic (`vocabulary`); in the simulator it is plain Python (`simulator`). `WORDS` is the
one table of both. A kernel computes in

    i32 i64 u32 u64    conversions, which wrap. Numba widens every sum to 64 bits, so that each has to be wrapped
    f32 f64            conversions. A float literal is float64: `f32(0.5) * x`
    cuda.local.array(64, f32)   registers, if every index is a constant after unrolling
    r[0], r[1]         the numbers of a tuple, by constants alone: any other index becomes a branch for each number
    WGMMA_DESCRIPTOR   see `warp_groups`

and in what the modules of this package list: `numbers`, `conversions`, `indices`, `elements` (memory), `copies` (shared
memory), `warps`, `matrices`, `warp_groups`, `dots`.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

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
from netlang.backends.cuda.intrinsics.device import intrinsic
from netlang.backends.cuda.intrinsics.warp_groups import WGMMA_DESCRIPTOR
from netlang.backends.cuda.intrinsics.word import Word

WORDS: dict[str, Word] = {
    word.name: word
    for module in (numbers, conversions, indices, elements, copies, warps, matrices, warp_groups, dots)
    for word in module.WORDS
}
"""All words by name, those that not every architecture has included."""

CONSTANTS: dict[str, Any] = {"WGMMA_DESCRIPTOR": WGMMA_DESCRIPTOR}


def vocabulary(architecture: str) -> dict[str, Any]:
    """What the names in a kernel's source stand for when it is compiled for "75", "80", "90", "90a", "100", ...

    A word that the architecture lacks is not in it. Needs numba-cuda, and not its simulator.
    """
    cuda: Any = import_module("numba.cuda")
    numbers = {"i32": np.int32, "i64": np.int64, "u32": np.uint32, "u64": np.uint64}
    words = {name: intrinsic(word, architecture) for name, word in WORDS.items() if word.runs_on(architecture)}
    return {**CONSTANTS, **numbers, "f32": np.float32, "f64": np.float64, "cuda": cuda, **words}
