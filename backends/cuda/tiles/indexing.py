"""Source of gather and scatter_add along an axis of [outer, axis, inner], by one list of indices for all lines.

Sums are taken in the order of the indices, or of segments of them whose sums are added up in their order: the same bits
every time, and no atomics.
"""

from __future__ import annotations

from functools import partial

from netlang.backends.cuda.kernel import WARP, Kernel
from netlang.backends.cuda.tiles import rows
from netlang.backends.cuda.tiles.numbers import chosen, computed, load, raw, store
from netlang.backends.cuda.tiles.text import Text
from netlang.ir.types import DType

TILE = 32
"""Rows of the result that a block of `scatter_kernel` adds up."""
THREADS = 128


def gather_kernel(bytes: int, index: str, threads: int = rows.THREADS) -> Kernel:
    """Elements of so many bytes. Arguments: x, indices, out; size of the axis, number of indices; rows are
    outer * indices, of width `inner`."""
    key = f"gather:{bytes}:{index}:{threads}"
    return Kernel(key, partial(_gather, bytes, index, threads), "pppii" + rows.ARGUMENTS, threads)


def _gather(bytes: int, index: str, threads: int) -> str:
    t, element = Text(), raw(bytes)
    rows.head(t, ("x", "indices", "out", "size", "count"), threads)
    t("outer = i32(div_u32(u32(row), u32(count)))", "k = i32(row - i32(outer * count))")
    t(f"chosen = {chosen('indices', 'k', index, 'size')}")
    t(f"x = x + u64((i64(outer) * i64(size) + i64(chosen)) * i64(width) * i64({bytes}))")
    t(f"out = out + u64(i64(row) * i64(width) * i64({bytes}))")
    t(f"value = {load('x', 'place', element)}")
    t(store("out", "place", element, "value"))
    return str(t)


# ---- sums by index: a block adds up some rows of the result, a thread for each column, in shared memory


def scatter_kernel(dtype: str, index: str, segmented: bool, threads: int = THREADS) -> Kernel:
    """`segmented`: blocks go over part of the indices, and their sums, of the type that is computed in, lie one after
    the other. Arguments: updates, indices, out; outer, size of the axis, inner, number of indices, tiles of TILE rows,
    chunks of as many columns as there are threads, indices of a segment. Its grid is
    [chunks * tiles * outer, segments]."""
    key = f"scatter_add:{dtype}:{index}{':segmented' * segmented}:{threads}"
    shared = (TILE * DType(computed(dtype)).size + 4) * threads + 4 * (threads // WARP)
    return Kernel(key, partial(_scatter, dtype, index, segmented, threads), "pppiiiiiii", threads, shared)


def _scatter(dtype: str, index: str, segmented: bool, threads: int) -> str:
    t, number, bytes = Text(), computed(dtype), DType(dtype).size
    target, wide = (number if segmented else dtype), DType(number).size
    t.open("def kernel(updates, indices, out, outer, size, inner, count, tiles, chunks, segment):")
    t("above = div_u32(u32(block_x()), u32(chunks))", "chunk = i32(u32(u32(block_x()) - u32(above * u32(chunks))))")
    t("line = i32(div_u32(above, u32(tiles)))", "tile = i32(u32(above - u32(u32(line) * u32(tiles))))")
    t(f"first = i32(tile * i32({TILE}))", f"height = min_i32(i32({TILE}), i32(size - first))")
    t(f"column = i32(i32(chunk * i32({threads})) + thread())", "own = column < inner")
    t(f"updates = updates + u64(i64(line) * i64(count) * i64(inner) * i64({bytes}))")
    t("part = i64(block_y()) * i64(outer) + i64(line)")
    t(f"out = out + u64((part * i64(size) + i64(first)) * i64(inner) * i64({DType(target).size}))")
    # Shared memory: a sum for each row and thread, the rows that indices name, and of each warp's which are here.
    t(f"named = u32(shared_base() + u32({TILE * wide * threads}))", f"held = u32(named + u32({4 * threads}))")
    t(f"sums = u32(shared_base() + u32(thread() * {wide}))", "r = i32(0)")
    with t.block(f"while r < i32({TILE}):"):
        t(f"store_shared_{number}(sums, i32(r * i32({threads * wide})), {number}(0))", "r = i32(r + i32(1))")
    t("start = i32(block_y() * segment)", "end = min_i32(i32(start + segment), count)")
    with t.block("while start < end:"):
        _named(t, index, threads)
        _added(t, dtype, number, threads)
        t("sync()", f"start = i32(start + i32({threads}))")
    t("r = i32(0)")
    with t.block("while own and r < height:"):
        t(f"total = load_shared_{number}(sums, i32(r * i32({threads * wide})))")
        t(store("out + u64(i64(r) * i64(inner) * i64(" + str(DType(target).size) + "))", "column", target, "total"))
        t("r = i32(r + i32(1))")
    return str(t)


def _named(t: Text, index: str, threads: int) -> None:
    """Each thread looks at one index: whose row it names goes to shared memory."""
    t("k = i32(start + thread())", "r = i32(-1)")
    with t.block("if k < end:"):
        t(f"r = i32({chosen('indices', 'k', index, 'size')} - first)")
    t("here = ballot(u32(r) < u32(height))")
    t("store_shared_i32(named, i32(thread() * 4), r)")
    with t.block("if lane() == i32(0):"):
        t("store_shared_u32(held, i32(warp() * 4), here)")
    t("sync()")


def _added(t: Text, dtype: str, number: str, threads: int) -> None:
    """What the indices name in the rows of this block is added, in their order."""
    t("w = i32(0)")
    with t.block(f"while w < i32({threads // WARP}):"):
        t("waiting = load_shared_u32(held, i32(w * i32(4)))", f"k = i32(w * i32({WARP}))")
        with t.block("while own and waiting != u32(0):"):
            with t.block("if u32(waiting & u32(1)) != u32(0):"):
                t(f"at = i32(load_shared_i32(named, i32(k * i32(4))) * i32({threads * DType(number).size}))")
                row = f"updates + u64(i64(i32(start + k)) * i64(inner) * i64({DType(dtype).size}))"
                t(f"total = load_shared_{number}(sums, at) + {load(row, 'column', dtype)}")
                t(f"store_shared_{number}(sums, at, {number}(total))")
            t("waiting = u32(waiting >> u32(1))", "k = i32(k + i32(1))")
        t("w = i32(w + i32(1))")


def segments_kernel(dtype: str, threads: int = rows.THREADS) -> Kernel:
    """Adds up segments. Arguments: their sums, out; segments, elements of each; rows are those of the result."""
    key = f"scatter_add:segments:{dtype}:{threads}"
    return Kernel(key, partial(_segments, dtype, threads), "ppil" + rows.ARGUMENTS, threads)


def _segments(dtype: str, threads: int) -> str:
    t, number = Text(), computed(dtype)
    rows.head(t, ("sums", "out", "segments", "elements"), threads)
    t(f"sums = sums + u64(i64(row) * i64(width) * i64({DType(number).size}))")
    t(f"out = out + u64(i64(row) * i64(width) * i64({DType(dtype).size}))")
    t(f"total = {number}(0)", "s = i32(0)")
    with t.block("while s < segments:"):
        t(f"total = {number}(total + {load('sums', 'place', number)})")
        t(f"sums = sums + u64(elements * i64({DType(number).size}))", "s = i32(s + i32(1))")
    t(store("out", "place", dtype, "total"))
    return str(t)
