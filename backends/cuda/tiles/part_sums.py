"""The kernel that adds up a split sum of many parts: several threads share the parts of one result.

`split_sum` has a thread for each result, which for few results with many parts is too little to hide the latency of
memory. Here a block has 32 results, and each of its warps a slice of the parts; the slices are added up in shared
memory. Cuts and order follow from the number of parts alone.
"""

from __future__ import annotations

from functools import partial

from netlang.backends.cuda.kernel import WARP, Kernel
from netlang.backends.cuda.tiles.block_tile import FLOAT
from netlang.backends.cuda.tiles.text import Text

_CHAINS = 4
"""Sums of a thread under way at once."""


def part_sums(threads: int) -> Kernel:
    """out[i] = sum of parts[p, i] over p, for 32 i a block. Arguments: parts, out, int32 count of i and of p."""
    key = f"part_sums:{threads}"
    return Kernel(key, partial(_source, threads // WARP), "ppii", threads, threads * FLOAT)


def _source(slices: int) -> str:
    t = Text()
    t.open("def kernel(parts, out, count, how_many):")
    t(f"element = i64(block_x()) * i64({WARP}) + i64(lane())", f"step = i64(count) * i64({FLOAT})")
    t("own = u32(shared_base() + u32(i32(thread() * i32(4))))", "; ".join(f"s{i} = f32(0)" for i in range(_CHAINS)))
    for name, slice in (("part", "warp()"), ("end", "i32(warp() + i32(1))")):
        t(f"{name} = i32(i64(how_many) * i64({slice}) // i64({slices}))")
    with t.block("if element < i64(count):"):
        t(f"at = u64(parts + u64(i64(part) * step + element * i64({FLOAT})))")
        with t.block(f"while i32(part + i32({_CHAINS})) <= end:"):
            t(*(f"s{i} = f32(s{i} + load_fixed_f32(at, step * i64({i})))" for i in range(_CHAINS)))
            t(f"at = u64(at + u64(step * i64({_CHAINS})))", f"part = i32(part + i32({_CHAINS}))")
        with t.block("while part < end:"):
            t("s0 = f32(s0 + load_fixed_f32(at, i64(0)))", "at = u64(at + u64(step))", "part = i32(part + i32(1))")
    t("store_shared_f32(own, i32(0), f32(f32(s0 + s1) + f32(s2 + s3)))", "sync()")
    with t.block("if warp() == i32(0) and element < i64(count):"):
        t("total = load_shared_f32(own, i32(0))")
        t(*(f"total = f32(total + load_shared_f32(own, i32({i * WARP * FLOAT})))" for i in range(1, slices)))
        t(f"store_f32(out, element * i64({FLOAT}), total)")
    return str(t)
