"""The kernel that transforms a map for Winograd's convolution, or the gradient of one: [place, patch, channel].

A warp has four neighbouring patches of eight channels: it reads rows of up to 16 neighbouring pixels and stores 32
bytes side by side, so that both directions use whole sectors of memory without an exchange between threads.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from netlang.backends.common.winograd import both_axes, gradient_axis, input_axis
from netlang.backends.cuda.kernel import Kernel
from netlang.backends.cuda.tiles.lines import Lines
from netlang.backends.cuda.tiles.text import Text
from netlang.backends.cuda.tiles.winograd_text import Variables, find_patch, size_of

CHANNELS = 8
"""Of a block."""
ARGUMENTS = {
    "x": "p",
    "out": "p",
    "x_image": "l",  # bytes from an image to the next
    "patches": "i",  # of all images
    "pitch": "i",  # patches with those that are added
    "down": "i",  # patches of an image
    "across": "i",
    "channels": "i",
    "words": "i",  # channels with those that are added
    "height": "i",
    "width": "i",
    "pad_top": "i",
    "pad_left": "i",
}


@dataclass(frozen=True)
class WinogradInput:
    """x by B^T, for F(m x m, 3 x 3), or the `gradient` of its results, m by m of a patch, by A. Blocks are numbered
    (parts of the patches, parts of the channels)."""

    m: int
    threads: int
    gradient: bool = False

    @property
    def read(self) -> int:
        """Rows and columns of a patch."""
        return self.m if self.gradient else size_of(self.m)

    @property
    def patches(self) -> int:
        """Of a block."""
        return self.threads // CHANNELS

    @property
    def kernel(self) -> Kernel:
        key = f"winograd_{'gradient' if self.gradient else 'input'}:{self.m}:{self.threads}"
        return Kernel(key, partial(_source, self), "".join(ARGUMENTS.values()), self.threads)


def _source(s: WinogradInput) -> str:
    t, read = Text(), s.read
    t.open(f"def kernel({', '.join(ARGUMENTS)}):")
    t(
        f"patch = i32(i32(block_x() * i32({s.patches})) + i32(thread() >> i32({CHANNELS.bit_length() - 1})))",
        f"channel = i32(i32(block_y() * i32({CHANNELS})) + i32(thread() & i32({CHANNELS - 1})))",
    )
    with t.block("if patch < pitch and channel < words:"):
        for i in range(read):
            t("; ".join(f"d{i}{j} = f32(0)" for j in range(read)))
        with t.block("if patch < patches and channel < channels:"):
            _load(t, s)
        axis = partial(gradient_axis if s.gradient else input_axis, Variables(Lines(t)))
        rows = both_axes(axis, (read, read), lambda i, j: f"d{i}{j}")
        t("to = u64(out + u64(i64(i64(patch) * i64(words) + i64(channel)) * i64(4)))")
        t("place = i64(pitch) * i64(words) * i64(4)")
        for value in (value for row in rows for value in row):
            t(f"store_f32(to, i64(0), {value})", "to = u64(to + u64(place))")
    return str(t)


def _load(t: Text, s: WinogradInput) -> None:
    """What there is of the patch."""
    find_patch(t, s.m)
    t("row = i32(row - pad_top)", "column = i32(column - pad_left)")
    t("; ".join(f"in{j} = u32(i32(column + i32({j}))) < u32(width)" for j in range(s.read)))
    t("first = i64(i64(channel) * i64(height) + i64(row)) * i64(width) + i64(column)")
    t("at = u64(x + u64(i64(n) * x_image + first * i64(4)))", "line = i64(width) * i64(4)")
    for i in range(s.read):
        with t.block(f"if u32(i32(row + i32({i}))) < u32(height):"):
            for j in range(s.read):
                with t.block(f"if in{j}:"):
                    t(f"d{i}{j} = load_fixed_f32(at, i64({4 * j}))")
        t("at = u64(at + u64(line))")
