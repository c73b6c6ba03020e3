"""Source of pools over whole maps: one warp for each plane, whose lanes read neighbours and meet at the end."""

from __future__ import annotations

from functools import partial

from netlang.backends.cuda.kernel import WARP, Kernel
from netlang.backends.cuda.tiles.numbers import computed, least, load, store
from netlang.backends.cuda.tiles.text import Text
from netlang.ir.types import DType

THREADS = 128


def whole_pool_kernel(kind: str, dtype: str, sliced: bool, threads: int = THREADS) -> Kernel:
    """kind: max, sum, mean or l2. Arguments: x, out, planes, elements of a plane, and where they may be slices
    channels and bytes from image to image of both."""
    key = f"whole_pool:{kind}:{dtype}{':sliced' * sliced}:{threads}"
    return Kernel(key, partial(_source, kind, dtype, sliced, threads), "ppii" + ("ill" if sliced else ""), threads)


def _source(kind: str, dtype: str, sliced: bool, threads: int) -> str:
    t, number, size = Text(), computed(dtype), DType(dtype).size
    further = ", channels, x_image, out_image" if sliced else ""
    t.open(f"def kernel(x, out, planes, count{further}):")
    t(f"plane = i32(i32(block_x() * {threads // WARP}) + warp())")
    with t.block("if plane >= planes:"):
        t("return")
    if sliced:
        t("image = i32(div_u32(u32(plane), u32(channels)))", "channel = i32(plane - i32(image * channels))")
        t(f"x = x + u64(i64(image) * x_image + i64(channel) * i64(count) * i64({size}))")
        t(f"out = out + u64(i64(image) * out_image + i64(channel) * i64({size}))")
    else:
        t(f"x = x + u64(i64(plane) * i64(count) * i64({size}))", f"out = out + u64(i64(plane) * i64({size}))")
    t(f"total = {least(dtype) if kind == 'max' else f'{number}(0)'}", "at = lane()")
    with t.block("while at < count:"):
        t(
            f"value = {load('x', 'at', dtype)}",
            f"total = {_joined(kind, number, 'value')}",
            f"at = i32(at + i32({WARP}))",
        )
    apart = WARP // 2
    while apart:
        other = f"shuffle_xor_{number}(total, i32({apart}))"
        t(f"total = {_joined('sum' if kind != 'max' else kind, number, other)}")
        apart //= 2
    with t.block("if lane() == i32(0):"):
        if kind == "mean":
            t(f"total = total / {number}(count)")
        if kind == "l2":
            t(f"total = sqrt_{number}(total)")
        t(store("out", "0", dtype, "total"))
    return str(t)


def _joined(kind: str, number: str, value: str) -> str:
    if kind == "max":
        return f"max_{number}(total, {value})"
    return f"total + {value} * {value}" if kind == "l2" else f"total + {value}"
