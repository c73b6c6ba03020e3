"""Sources of the gradients of unshared convolution. Arguments as in `local_conv`."""

from __future__ import annotations

from textwrap import indent

from netlang.backends.cuda.kernel import Kernel
from netlang.backends.cuda.tiles.local_conv import AXES, BYTES, LocalConv, place_of, position_of, split, tap_of

WEIGHT_ROWS = 8
"""Output channels that a thread of the weight gradient has: each element of a patch serves so many."""


def local_weight_gradient(shape: LocalConv) -> Kernel:
    """dw from x and dy: a thread for each column of a patch, `WEIGHT_ROWS` output channels each, summed sample by
    sample; the grid is (positions * parts, blocks of output channels), a part being `threads` columns."""
    return shape.made("local_conv_weight_grad", _weight_gradient(shape))


def local_data_gradient(shape: LocalConv) -> Kernel:
    """dx from dy and w: a thread for each element of an image, the same of `samples` images; output channels, then
    taps. The grid is (blocks of elements, parts of the images)."""
    return shape.made("local_conv_data_grad", _data_gradient(shape))


def _weight_gradient(shape: LocalConv) -> str:
    dtype, bytes, rows = shape.dtype, BYTES[shape.dtype], range(WEIGHT_ROWS)
    lines = f"""\
{split("part", "block_x()", "position", "parts")}\
{position_of("position")}\
column = i32(part * {shape.threads} + thread())
if column >= i32(channels * {shape.taps}):
    return
{tap_of(shape, "column")}{place_of(shape)}\
out = i32(block_y() * {WEIGHT_ROWS})
source = x + u64(place * {bytes})
step = i64(channels) * in_a * in_b * in_c * {bytes}
"""
    for r in rows:
        lines += f"""\
y{r} = y + u64((i64(min_i32(i32(out + {r}), i32(out_channels - 1))) * positions + position) * {bytes})
s{r} = {dtype}(0)
"""
    products = "".join(f"s{r} = s{r} + value * load_{dtype}(y{r}, further)\n" for r in rows)
    lines += f"""\
if inside:
    image = i64(0)
    while image < images:
        value = load_{dtype}(source, image * step)
        further = image * out_channels * positions * {bytes}
{indent(products, " " * 8)}\
        image = image + i64(1)
"""
    for r in rows:
        lines += f"""\
if out + {r} < out_channels:
    row = (i64(position) * out_channels + out + {r}) * channels * {shape.taps}
    store_{dtype}(w, (row + column) * {bytes}, s{r})
"""
    return lines


def _met(axis: str, kernel: int, stride: int) -> str:
    """Lines that open the loop over the taps of an axis that meet element i of it, and find the output o."""
    return f"""\
for {axis} in range({kernel}):
    reach = i32(i_{axis} + pad_{axis} - {axis})
    o_{axis} = i32(div_u32(u32(max_i32(reach, 0)), {stride}))
    if reach < 0 or o_{axis} * {stride} != reach or o_{axis} >= out_{axis}:
        continue
"""


def _data_gradient(shape: LocalConv) -> str:
    dtype, bytes, samples = shape.dtype, BYTES[shape.dtype], range(shape.samples)
    products = """\
position = i32((o_a * out_b + o_b) * out_c + o_c)
"""
    products += f"""\
row = ((i64(position) * out_channels + out) * channels + channel) * {shape.taps}
weight = load_{dtype}(w, (row + (a * {shape.kernel[1]} + b) * {shape.kernel[2]} + c) * {bytes})
"""
    products += "".join(f"s{m} = s{m} + weight * load_{dtype}(y{m}, i64(position) * {bytes})\n" for m in samples)
    loops, depth = "", 4
    for axis, kernel, stride in zip(AXES, shape.kernel, shape.stride, strict=True):
        loops += indent(_met(axis, kernel, stride), " " * depth)
        depth += 4
    lines = f"""\
elements = i32(channels * in_a * in_b * in_c)
element = i32(block_x() * {shape.threads} + thread())
if element >= elements:
    return
{split("i_c", "element", "above", "in_c")}\
{split("i_b", "above", "before", "in_b")}\
{split("i_a", "before", "channel", "in_a")}\
image = i32(block_y() * {shape.samples})
"""
    for m in samples:
        lines += f"s{m} = {dtype}(0)\nimage{m} = i64(min_i32(i32(image + {m}), i32(images - 1)))\n"
    moved = "".join(f"    y{m} = y + u64((image{m} * out_channels + out) * positions * {bytes})\n" for m in samples)
    lines += f"for out in range(out_channels):\n{moved}{loops}{indent(products, ' ' * depth)}"
    for m in samples:
        lines += f"""\
if image + {m} < images:
    store_{dtype}(x, (i64(image + {m}) * elements + element) * {bytes}, s{m})
"""
    return lines
