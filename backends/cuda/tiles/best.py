"""Source of argmax and topk along an axis of [outer, axis, inner].

Each round looks for the best of all elements that come after the one found before it, in the order by value and then by
place; so nothing has to be kept sorted. The first of equal elements is better, and NaN is better than any number. A
line is gone through by one thread, beside its neighbours' lines, or by a warp.
"""

from __future__ import annotations

from functools import partial

from netlang.backends.cuda.kernel import WARP, Kernel
from netlang.backends.cuda.tiles import rows
from netlang.backends.cuda.tiles.numbers import computed, load, store
from netlang.backends.cuda.tiles.text import Text
from netlang.ir.types import DType


def best_kernel(dtype: str, values: bool, by_warp: bool, threads: int = rows.THREADS) -> Kernel:
    """`values`: whether they are wanted besides the places. Arguments: x, values if so, places (i64); size of the axis,
    inner, how many; then outer or, with a thread for each line, what `rows` wants, whose rows are `outer` of width
    `inner`."""
    key = f"best:{dtype}{':values' * values}:{'warp' if by_warp else 'thread'}:{threads}"
    arguments = "pp" + "p" * values + "iii" + ("l" if by_warp else rows.ARGUMENTS)
    return Kernel(key, partial(_source, dtype, values, by_warp, threads), arguments, threads)


def _source(dtype: str, values: bool, by_warp: bool, threads: int) -> str:
    t, number = Text(), computed(dtype)
    names = ["x", *(["values"] if values else []), "places", "size", "inner", "count"]
    if by_warp:
        t.open(f"def kernel({', '.join(names)}, lines):")
        t(f"line = i64(i64(block_x()) * i64({threads // WARP}) + i64(warp()))")
        with t.block("if line >= lines:"):
            t("return")
        t("row = i64(u64(line) // u64(inner))", "place = u32(i64(line - i64(row * i64(inner))))")
    else:
        rows.head(t, names, threads)
    t(f"x = x + u64(i64(row) * i64(size) * i64(inner) * i64({DType(dtype).size}))")
    t("places = places + u64(i64(row) * i64(count) * i64(inner) * i64(8))")
    if values:
        t(f"values = values + u64(i64(row) * i64(count) * i64(inner) * i64({DType(dtype).size}))")
    t(f"last = {number}(0)", "before = i32(-1)", "round = i32(0)")
    with t.block("while round < count:"):
        _search(t, dtype, number, by_warp)
        if by_warp:
            _meet(t, number)
        target = "u32(u32(u32(round) * u32(inner)) + place)"
        with t.block(f"if {'lane()' if by_warp else 'i32(0)'} == i32(0):"):
            t(store("places", target, "i64", "i64(found)"))
            if values:
                t(store("values", target, dtype, "best"))
        t("last = best", "before = found", "round = i32(round + i32(1))")
    return str(t)


def _better(a: str, b: str) -> str:
    return f"({a} > {b} or ({a} != {a} and {b} == {b}))"


def _search(t: Text, dtype: str, number: str, by_warp: bool) -> None:
    """The best of a thread's elements that come after (last, before), and its place `found`; -1 if there is none."""
    t(f"best = {number}(0)", "found = i32(-1)", f"i = {'lane()' if by_warp else 'i32(0)'}")
    with t.block("while i < size:"):
        t(f"value = {load('x', 'u32(u32(u32(i) * u32(inner)) + place)', dtype)}")
        later = f"{_better('last', 'value')} or (i > before and not {_better('value', 'last')})"
        with t.block(f"if before < i32(0) or {later}:"), t.block(f"if found < i32(0) or {_better('value', 'best')}:"):
            t("best = value", "found = i")
        t(f"i = i32(i + i32({WARP if by_warp else 1}))")


def _meet(t: Text, number: str) -> None:
    """The best of all lanes, in every lane."""
    apart = WARP // 2
    while apart:
        t(f"value = shuffle_xor_{number}(best, i32({apart}))", f"i = shuffle_xor_i32(found, i32({apart}))")
        equal = f"(not {_better('best', 'value')} and i < found)"
        with t.block(f"if i >= i32(0) and (found < i32(0) or {_better('value', 'best')} or {equal}):"):
            t("best = value", "found = i")
        apart //= 2
