"""The kernel that transforms the weights of a Winograd convolution: [place, output channel, input channel]."""

from __future__ import annotations

from functools import partial

from netlang.backends.common.winograd import both_axes, weight_axis
from netlang.backends.cuda.kernel import Kernel
from netlang.backends.cuda.tiles.lines import Lines
from netlang.backends.cuda.tiles.text import Text
from netlang.backends.cuda.tiles.winograd_text import TAPS, Variables, size_of

ARGUMENTS = {
    "weights": "p",
    "out": "p",
    "out_channels": "i",
    "channels": "i",
    "pitch": "i",  # input channels with those that are added
    "out_stride": "l",  # elements of the weights from an output channel to the next,
    "in_stride": "l",  # an input channel,
    "down_stride": "l",  # a tap
    "across_stride": "l",
}


def weights_kernel(m: int, threads: int) -> Kernel:
    """A thread for each pair of channels; those of an output channel are side by side."""
    key = f"winograd_weights:{m}:{threads}"
    return Kernel(key, partial(_source, m, threads), "".join(ARGUMENTS.values()), threads)


def _source(m: int, threads: int) -> str:
    t, size = Text(), size_of(m)
    t.open(f"def kernel({', '.join(ARGUMENTS)}):")
    t(
        f"unit = u32(u32(block_x()) * u32({threads}) + u32(thread()))",
        "row = i32(div_u32(unit, u32(pitch)))",
        "channel = i32(i32(unit) - i32(row * pitch))",
    )
    with t.block("if row < out_channels:"):
        t("at = i64(row) * out_stride + i64(channel) * in_stride")
        for i in range(TAPS):
            t(*(f"g{i}{j} = f32(0)" for j in range(TAPS)))
        with t.block("if channel < channels:"):
            for i in range(TAPS):
                for j in range(TAPS):
                    place = f"at + down_stride * i64({i}) + across_stride * i64({j})"
                    t(f"g{i}{j} = load_fixed_f32(weights, i64(({place}) * i64(4)))")
        axis = partial(weight_axis, Variables(Lines(t)), size)
        rows = both_axes(axis, (TAPS, TAPS), lambda i, j: f"g{i}{j}")
        t("to = u64(out + u64(unit) * u64(4))", "place = i64(out_channels) * i64(pitch) * i64(4)")
        for value in (value for row in rows for value in row):
            t(f"store_f32(to, i64(0), {value})", "to = u64(to + u64(place))")
    return str(t)
