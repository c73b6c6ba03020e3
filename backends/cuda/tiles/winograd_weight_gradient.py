"""The kernel that makes the gradient by the weights of the products of transformed x and dy: parts of sums, for each
place of a patch and pair of channels, are added up in order and transformed.

What is not finite would spread to weights that it does not meet: these are computed again by the definition.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from netlang.backends.common.winograd import both_axes, weight_gradient_axis
from netlang.backends.cuda.kernel import Kernel
from netlang.backends.cuda.tiles.lines import Lines
from netlang.backends.cuda.tiles.text import Text
from netlang.backends.cuda.tiles.winograd_text import TAPS, Variables, size_of

ARGUMENTS = {
    "parts": "p",  # [part, place, output channel, input channel]
    "x": "p",
    "dy": "p",
    "out": "p",  # [output channel, input channel, row, column]
    "x_image": "l",  # bytes from an image to the next
    "dy_image": "l",
    "count": "i",  # of parts
    "images": "i",
    "out_channels": "i",
    "channels": "i",
    "pitch": "i",  # input channels with those that are added
    "height": "i",  # of x
    "width": "i",
    "pad_top": "i",
    "pad_left": "i",
    "map_height": "i",  # of dy
    "map_width": "i",
}


@dataclass(frozen=True)
class WinogradWeightGradient:
    """`flip`: the convolution reads its weights backwards."""

    m: int
    threads: int
    flip: bool

    @property
    def kernel(self) -> Kernel:
        """A thread for each pair of channels; those of an output channel are side by side."""
        key = f"winograd_weight_gradient:{self.m}:{self.threads}{'f' * self.flip}"
        return Kernel(key, partial(_source, self), "".join(ARGUMENTS.values()), self.threads)


def _source(s: WinogradWeightGradient) -> str:
    t = Text()
    t.open(f"def kernel({', '.join(ARGUMENTS)}):")
    t(
        f"unit = u32(u32(block_x()) * u32({s.threads}) + u32(thread()))",
        "row = i32(div_u32(unit, u32(pitch)))",
        "channel = i32(i32(unit) - i32(row * pitch))",
    )
    with t.block("if row < out_channels and channel < channels:"):
        _sums(t, s)
        size = size_of(s.m)
        axis = partial(weight_gradient_axis, Variables(Lines(t)), s.m)
        rows = both_axes(axis, (size, size), lambda i, j: f"s{i}{j}")
        t(*(f"w{i}{j} = {rows[i][j]}" for i in range(TAPS) for j in range(TAPS)))
        _make_exact(t)
        t(f"to = u64(out + u64(i64(i64(row) * i64(channels) + i64(channel)) * i64({TAPS * TAPS * 4})))")
        for i in range(TAPS):
            for j in range(TAPS):
                place = i * TAPS + j
                t(f"store_f32(to, i64({4 * (TAPS * TAPS - 1 - place if s.flip else place)}), w{i}{j})")
    return str(t)


def _sums(t: Text, s: WinogradWeightGradient) -> None:
    """s00, s01, ...: those of all parts."""
    names = [f"s{i}{j}" for i in range(size_of(s.m)) for j in range(size_of(s.m))]
    t("; ".join(f"{name} = f32(0)" for name in names))
    t("at = u64(parts + u64(unit) * u64(4))", "place = i64(out_channels) * i64(pitch) * i64(4)", "part = i32(0)")
    with t.block("while part < count:"):
        for name in names:
            t(f"{name} = f32({name} + load_fixed_f32(at, i64(0)))", "at = u64(at + u64(place))")
        t("part = i32(part + i32(1))")


def _make_exact(t: Text) -> None:
    """The weights again, where their sum is not finite."""
    names = [f"w{i}{j}" for i in range(TAPS) for j in range(TAPS)]
    t("nothing = f32(0)", *(f"nothing = f32(nothing + {name})" for name in names))
    t("nothing = f32(nothing - nothing)")
    with t.block("if nothing != nothing:"):
        t("; ".join(f"{name} = f32(0)" for name in names))
        t(
            "source = u64(x + u64(i64(channel) * i64(i32(height * width)) * i64(4)))",
            "given = u64(dy + u64(i64(row) * i64(i32(map_height * map_width)) * i64(4)))",
            "image = i32(0)",
        )
        with t.block("while image < images:"):
            t("pixel = i32(0)")
            with t.block("while pixel < i32(map_height * map_width):"):
                _pixel(t)
                t("pixel = i32(pixel + i32(1))")
            t(
                "source = u64(source + u64(x_image))",
                "given = u64(given + u64(dy_image))",
                "image = i32(image + i32(1))",
            )


def _pixel(t: Text) -> None:
    """What one pixel of dy contributes."""
    t(
        "d = load_fixed_f32(given, i64(i64(pixel) * i64(4)))",
        "top = i32(div_u32(u32(pixel), u32(map_width)))",
        "left = i32(i32(pixel - i32(top * map_width)) - pad_left)",
        "top = i32(top - pad_top)",
        "first = i64(i64(i32(i32(top * width) + left)) * i64(4))",
    )
    for i in range(TAPS):
        t(f"held = u32(i32(top + i32({i}))) < u32(height)")
        for j in range(TAPS):
            t("e = f32(0)")
            with t.block(f"if held and u32(i32(left + i32({j}))) < u32(width):"):
                t(f"e = load_fixed_f32(source, i64(first + i64({4 * j})))")
            t(f"w{i}{j} = fma_f32(d, e, w{i}{j})")
        t("first = i64(first + i64(width) * i64(4))")
