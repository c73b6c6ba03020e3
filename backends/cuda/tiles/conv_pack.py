"""The kernel that prepares a convolution: its weights in the order of k, and the table of what k means.

The numbers of k are words: numbers, or pairs of channels in 16 bits (see `channels_last`).

k goes over blocks of `run` words of input channels, in each over all taps, in those over the words of the block: taps
that read about the same pixels follow each other. Behind the last k there are zeros, up to a whole number of stages.
"""

from __future__ import annotations

from functools import partial

from netlang.backends.cuda.kernel import Kernel
from netlang.backends.cuda.tiles.block_tile import Precision
from netlang.backends.cuda.tiles.channels_last import numbers_of_word, word
from netlang.backends.cuda.tiles.conv_gather import ENTRY_BYTES, NO_TAP
from netlang.backends.cuda.tiles.text import Text

ARGUMENTS = {
    "weights": "p",
    "packed": "p",  # [groups, pitch, k_padded]
    "table": "p",  # [k_padded / run + 1, 4] int32, if there is one more row of blocks
    "group_stride": "l",  # elements of the weights from a group to the next,
    "out_stride": "l",  # from an output channel,
    "in_stride": "l",  # an input channel,
    "down_stride": "l",  # a tap
    "across_stride": "l",
    "channel_bytes": "l",  # of x, from a channel (or word) to the next
    "rows": "i",  # groups * pitch
    "pitch": "i",
    "group_out": "i",
    "per_group": "i",  # input channels
    "depth": "i",  # k: taps * words of a group
    "k_padded": "i",
    "taps": "i",
    "taps_across": "i",
    "down_bytes": "i",  # of x, from a tap to the one below,
    "across_bytes": "i",  # and beside it
    "dilation_down": "i",
    "dilation_across": "i",
}


def pack_kernel(run: int, format: Precision, threads: int) -> Kernel:
    """A block for `threads` of k of each row of weights: (row, part of k), and, where there is a table, one more row of
    blocks for it."""
    key = f"conv_pack:{run}:{format}:{threads}"
    return Kernel(key, partial(_source, run, format, threads), "".join(ARGUMENTS.values()), threads)


def _source(run: int, format: Precision, threads: int) -> str:
    t = Text()
    t.open(f"def kernel({', '.join(ARGUMENTS)}):")
    t("row = block_x()", f"k = i32(i32(block_y() * i32({threads})) + thread())")
    with t.block("if row < rows:"):
        _weights(t, run, format)
    with t.block(f"elif k <= i32(div_u32(u32(k_padded), u32({run}))):"):
        t(f"k = i32(k * i32({run}))")
        _entry(t, run)
    return str(t)


def _meaning(t: Text, run: int) -> None:
    """`channel`, and the tap `r`, `s`, of k."""
    t(
        f"block = div_u32(u32(k), u32({run}))",
        f"inner = i32(u32(k) - u32(block * u32({run})))",
        "blocks = div_u32(block, u32(taps))",
        "tap = u32(block - u32(blocks * u32(taps)))",
        f"channel = i32(i32(i32(blocks) * i32({run})) + inner)",
        "down = div_u32(tap, u32(taps_across))",
        "s = i32(tap - u32(down * u32(taps_across)))",
        "r = i32(down)",
    )


def _weights(t: Text, run: int, format: Precision) -> None:
    t(
        "group = i32(div_u32(u32(row), u32(pitch)))",
        "out = i32(row - i32(group * pitch))",
    )
    values = [f"e{i}" for i in range(numbers_of_word(format))]
    for value in values:
        t(f"{value} = f32(0)")
    with t.block("if k < depth and out < group_out:"):
        _meaning(t, run)
        t(
            "at = i64(i64(i64(group) * group_stride) + i64(i64(out) * out_stride))",
            "at = i64(at + i64(i64(i64(r) * down_stride) + i64(i64(s) * across_stride)))",
        )
        for i, value in enumerate(values):
            number = f"i32(i32(channel * i32({len(values)})) + i32({i}))"
            with t.block(f"if {number} < per_group:"):
                t(f"{value} = load_f32(weights, i64(i64(at + i64(i64({number}) * in_stride)) * i64(4)))")
    with t.block("if k < k_padded:"):
        t(f"store_u32(packed, i64(i64(i64(i64(row) * i64(k_padded)) + i64(k)) * i64(4)), {word(format, values)})")


def _entry(t: Text, run: int) -> None:
    t("offset = i32(0)", f"dy = i32({NO_TAP})", "dx = i32(0)")
    with t.block("if k < depth:"):
        _meaning(t, run)
        t(
            "offset = i32(i64(i64(channel) * channel_bytes))",
            "offset = i32(offset + i32(i32(r * down_bytes) + i32(s * across_bytes)))",
            "dy = i32(r * dilation_down)",
            "dx = i32(s * dilation_across)",
        )
    t(
        f"place = i64(i64(div_u32(u32(k), u32({run}))) * i64({ENTRY_BYTES}))",
        "store4_i32(table, place, (offset, dy, dx, i32(0)))",
    )
