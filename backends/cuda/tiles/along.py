"""Source of what goes along one axis of [outer, axis, inner], every line by itself: a thread per element of the result.

What adds does so for each element of the result in the order of the indices: nothing is added to by two threads.
"""

from __future__ import annotations

from functools import partial

from netlang.backends.cuda.kernel import Kernel
from netlang.backends.cuda.tiles import rows
from netlang.backends.cuda.tiles.numbers import chosen, computed, load, raw, store
from netlang.backends.cuda.tiles.text import Text
from netlang.ir.types import DType

# ---- by indices


def take_kernel(bytes: int, index: str, threads: int = rows.THREADS) -> Kernel:
    """Elements of so many bytes. Arguments: x, indices, out; size of the axis, inner, indices of a line; rows are
    `outer`, of width count * inner."""
    key = f"take:{bytes}:{index}:{threads}"
    return Kernel(key, partial(_take, raw(bytes), bytes, index, threads), "pppiii" + rows.ARGUMENTS, threads)


def _take(element: str, bytes: int, index: str, threads: int) -> str:
    t = Text()
    rows.head(t, ("x", "indices", "out", "size", "inner", "count"), threads)
    t("k = div_u32(place, u32(inner))", "i = u32(place - u32(k * u32(inner)))")
    t(f"indices = indices + u64(i64(row) * i64(width) * i64({DType(index).size}))")
    t(f"out = out + u64(i64(row) * i64(width) * i64({bytes}))")
    t(f"x = x + u64(i64(row) * i64(size) * i64(inner) * i64({bytes}))")
    t(f"chosen = {chosen('indices', 'place', index, 'size')}")
    t(f"value = {load('x', 'u32(u32(u32(chosen) * u32(inner)) + i)', element)}")
    t(store("out", "place", element, "value"))
    return str(t)


def put_kernel(dtype: str, index: str, alike: bool, threads: int = rows.THREADS) -> Kernel:
    """`alike`: there is one list of indices for all lines. Arguments: updates, indices, out; size of the axis, inner,
    indices of a line; rows are `outer`, of width size * inner."""
    key = f"put:{dtype}:{index}{':alike' * alike}:{threads}"
    return Kernel(key, partial(_put, dtype, index, alike, threads), "pppiii" + rows.ARGUMENTS, threads)


def _put(dtype: str, index: str, alike: bool, threads: int) -> str:
    t, number, bytes = Text(), computed(dtype), DType(dtype).size
    rows.head(t, ("updates", "indices", "out", "size", "inner", "count"), threads)
    t("own = i32(div_u32(place, u32(inner)))", "at = u32(place - u32(u32(own) * u32(inner)))")
    if not alike:
        t(f"indices = indices + u64(i64(row) * i64(count) * i64(inner) * i64({DType(index).size}))")
    t(f"updates = updates + u64(i64(row) * i64(count) * i64(inner) * i64({bytes}))")
    t(f"out = out + u64(i64(row) * i64(width) * i64({bytes}))")
    t(f"total = {number}(0)", "k = i32(0)")
    with t.block("while k < count:"):
        with t.block(f"if {chosen('indices', 'k' if alike else 'at', index, 'size')} == own:"):
            t(f"total = {number}(total + {load('updates', 'at', dtype)})")
        t("at = u32(at + u32(inner))", "k = i32(k + i32(1))")
    t(store("out", "place", dtype, "total"))
    return str(t)


_COMBINED = {
    "set": "{value}",
    "add": "total + {value}",
    "mul": "total * {value}",
    "max": "{value} if {value} > total or {value} != {value} else total",
    "min": "{value} if {value} < total or {value} != {value} else total",
}
"""What becomes of an element `total` and one that is put in its place; NaN wins."""


def scatter_kernel(dtype: str, index: str, reduction: str, threads: int = rows.THREADS) -> Kernel:
    """Arguments: x, indices, updates, out; size of the axis, inner, indices of a line; rows are `outer`, of width
    size * inner."""
    key = f"scatter_along:{dtype}:{index}:{reduction}:{threads}"
    return Kernel(key, partial(_scatter, dtype, index, reduction, threads), "ppppiii" + rows.ARGUMENTS, threads)


def _scatter(dtype: str, index: str, reduction: str, threads: int) -> str:
    t, number, bytes = Text(), computed(dtype), DType(dtype).size
    rows.head(t, ("x", "indices", "updates", "out", "size", "inner", "count"), threads)
    t("own = i32(div_u32(place, u32(inner)))", "at = u32(place - u32(u32(own) * u32(inner)))")
    t(f"indices = indices + u64(i64(row) * i64(count) * i64(inner) * i64({DType(index).size}))")
    t(f"updates = updates + u64(i64(row) * i64(count) * i64(inner) * i64({bytes}))")
    t(f"x = x + u64(i64(row) * i64(width) * i64({bytes}))", f"out = out + u64(i64(row) * i64(width) * i64({bytes}))")
    t(f"total = {load('x', 'place', dtype)}", "k = i32(0)")
    with t.block("while k < count:"):
        with t.block(f"if {chosen('indices', 'at', index, 'size')} == own:"):
            t(f"value = {load('updates', 'at', dtype)}")
            t(f"total = {number}({_COMBINED[reduction].format(value='value')})")
        t("at = u32(at + u32(inner))", "k = i32(k + i32(1))")
    t(store("out", "place", dtype, "total" if dtype != "bool" else "total != i32(0)"))
    return str(t)


# ---- sums


def cumsum_kernel(dtype: str, threads: int = rows.THREADS) -> Kernel:
    """A thread for each line. Arguments: x, out; size of the axis, inner; rows are `outer`, of width inner."""
    key = f"cumsum:{dtype}:{threads}"
    return Kernel(key, partial(_cumsum, dtype, threads), "ppii" + rows.ARGUMENTS, threads)


def _cumsum(dtype: str, threads: int) -> str:
    t, number, bytes = Text(), computed(dtype), DType(dtype).size
    rows.head(t, ("x", "out", "size", "inner"), threads)
    for name in ("x", "out"):
        t(f"{name} = {name} + u64(i64(row) * i64(size) * i64(inner) * i64({bytes}))")
    t(f"total = {number}(0)", "i = i32(0)", "at = place")
    with t.block("while i < size:"):
        t(f"total = {number}(total + {load('x', 'at', dtype)})")
        t(store("out", "at", dtype, "total"))
        t("at = u32(at + u32(inner))", "i = i32(i + i32(1))")
    return str(t)


# ---- resampling: see `netlang.ops.resample` for the positions


def resample_kernel(dtype: str, linear: bool, wide: bool, threads: int = rows.THREADS) -> Kernel:
    """`wide`: positions take 64 bits. Arguments: x, out; size of the axis in x, inner, size in the result; rows are
    `outer`, of width size in the result * inner."""
    key = f"resample:{dtype}:{'linear' if linear else 'nearest'}:{'wide' * wide}:{threads}"
    return Kernel(key, partial(_resample, dtype, linear, wide, threads), "ppiii" + rows.ARGUMENTS, threads)


def _resample(dtype: str, linear: bool, wide: bool, threads: int) -> str:
    t, bytes, number = Text(), DType(dtype).size, computed(dtype)
    rows.head(t, ("x", "out", "n", "inner", "m"), threads)
    t("i = i32(div_u32(place, u32(inner)))", "at = u32(place - u32(u32(i) * u32(inner)))")
    t(f"x = x + u64(i64(row) * i64(n) * i64(inner) * i64({bytes}))")
    t(f"out = out + u64(i64(row) * i64(width) * i64({bytes}))")
    _source_of(t, number, linear, wide)
    t(f"value = {load('x', 'u32(u32(u32(first) * u32(inner)) + at)', dtype)}")
    if linear:
        t("second = min_i32(i32(first + i32(1)), i32(n - i32(1)))")
        t(f"other = {load('x', 'u32(u32(u32(second) * u32(inner)) + at)', dtype)}")
        t(f"value = value * ({number}(1) - weight) + other * weight")
    t(store("out", "place", dtype, "value"))
    return str(t)


def resample_grad_kernel(dtype: str, linear: bool, wide: bool, threads: int = rows.THREADS) -> Kernel:
    """Arguments: dy, out; size of the axis in the result, inner, size in dy; rows are `outer`, of width size in the
    result * inner."""
    key = f"resample_grad:{dtype}:{'linear' if linear else 'nearest'}:{'wide' * wide}:{threads}"
    return Kernel(key, partial(_resample_grad, dtype, linear, wide, threads), "ppiii" + rows.ARGUMENTS, threads)


def _resample_grad(dtype: str, linear: bool, wide: bool, threads: int) -> str:
    t, bytes, number = Text(), DType(dtype).size, computed(dtype)
    rows.head(t, ("dy", "out", "n", "inner", "m"), threads)
    t("j = i32(div_u32(place, u32(inner)))", "at = u32(place - u32(u32(j) * u32(inner)))")
    t(f"dy = dy + u64(i64(row) * i64(m) * i64(inner) * i64({bytes}))")
    t(f"out = out + u64(i64(row) * i64(width) * i64({bytes}))")
    _begin(t, "i", "max_i32(i32(j - i32(1)), i32(0))" if linear else "j", linear, wide)
    _begin(t, "end", "i32(j + i32(1))", linear, wide)
    t(f"total = {number}(0)")
    with t.block("while i < end:"):
        t(f"value = {load('dy', 'u32(u32(u32(i) * u32(inner)) + at)', dtype)}")
        if linear:
            _source_of(t, number, linear, wide)
            t(f"share = {number}(1) - weight")
            with t.block("if first < j:"):
                t("share = weight")
            with t.block("elif j == i32(n - i32(1)):"):
                t(f"share = {number}(1)")
            t("value = value * share")
        t("total = total + value", "i = i32(i + i32(1))")
    t(store("out", "place", dtype, "total"))
    return str(t)


def _whole(wide: bool) -> str:
    return "i64" if wide else "i32"


def _quotient(wide: bool, a: str, b: str) -> str:
    return f"i64(u64({a}) // u64({b}))" if wide else f"i32(div_u32(u32({a}), u32({b})))"


def _source_of(t: Text, number: str, linear: bool, wide: bool) -> None:
    """`first` of the two elements that element i of m is made of, and the `weight` of the second."""
    w = _whole(wide)
    if not linear:
        t(f"first = i32({_quotient(wide, f'{w}({w}(i) * {w}(n))', 'm')})")
        return
    t(f"position = max_{w}({w}({w}({w}({w}({w}(i) * {w}(2)) + {w}(1)) * {w}(n)) - {w}(m)), {w}(0))")
    t(f"double = {w}({w}(m) * {w}(2))", f"step = {_quotient(wide, 'position', 'double')}")
    t(f"weight = {number}({w}(position - {w}(step * double))) / {number}(double)", "first = i32(step)")


def _begin(t: Text, name: str, j: str, linear: bool, wide: bool) -> None:
    """The first of m elements that has element j of n, or a later one, as its first source."""
    w = _whole(wide)
    t(f"reach = {w}({j})")
    if linear:
        t(f"ahead = {w}({w}({w}({w}(reach * {w}(2)) + {w}(1)) * {w}(m)) - {w}(n))", f"double = {w}({w}(n) * {w}(2))")
    else:
        t(f"ahead = {w}(reach * {w}(m))", f"double = {w}(n)")
    t(f"{name} = i32(0)")
    with t.block(f"if reach > {w}(0) and ahead > {w}(0):"):
        t(f"{name} = min_i32(i32({_quotient(wide, f'{w}({w}(ahead + double) - {w}(1))', 'double')}), m)")
    with t.block(f"if reach >= {w}(n):"):
        t(f"{name} = m")
