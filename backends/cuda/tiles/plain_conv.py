"""Source of plain convolution and its adjoints: one thread for each element of the result, any rank up to three.

Each sum is taken in one order whatever the grid: channels, then taps; for a weight positions of a row, rows of an
image, images, each kind summed by itself, so that long sums lose little. Missing axes are of one element.
"""

from __future__ import annotations

from functools import partial
from textwrap import indent

from netlang.backends.cuda.kernel import Kernel

_AXES = "abc"
WINDOW = ("in", "out", "kernel", "stride", "pad", "dilation")
"""What the kernels know of each axis; three numbers each, in this order, at the end of their arguments."""
_HEAD = ("x", "w", "y", "total", "images", "channels", "out_channels", "per_in", "per_out")
_ARGUMENTS = "ppp" + "l" + "i" * (5 + 3 * len(WINDOW))
_BYTES = {"f32": 4, "f64": 8}


def plain_conv(op: str, dtype: str, flip: bool, threads: int) -> Kernel:
    """The kernel of `conv`, `conv_data_grad` or `conv_weight_grad` for f32 or f64; `flip`: with reversed weights.

    Arguments: the addresses of x, w and y or their gradients, elements of the result, images, channels of x and y,
    channels of a group of each, and then the numbers of `WINDOW`.
    """
    body = {"conv": _forward, "conv_data_grad": _data_gradient, "conv_weight_grad": _weight_gradient}[op]
    key = f"plain:{op}:{dtype}:{'flip' if flip else 'straight'}:{threads}"
    return Kernel(key, partial(_source, body(dtype, flip), threads), _ARGUMENTS, threads)


def _source(body: str, threads: int) -> str:
    names = [*_HEAD, *(f"{what}_{axis}" for what in WINDOW for axis in _AXES)]
    head = f"""\
def kernel({", ".join(names)}):
    place = u64(i64(block_x()) * i64({threads}) + i64(thread()))
    if place >= u64(total):
        return
"""
    return head + indent(body, "    ")


def _split(name: str, count: str) -> str:
    """Lines that take the last of the axes off `place`: its index, and the place among the others."""
    return f"""\
above = place // u64({count})
{name} = i64(place - above * u64({count}))
place = above
"""


def _tap(flip: bool) -> str:
    """The place of tap (a, b, c) in the weights."""
    place = "(i64(a) * kernel_b + b) * kernel_c + c"
    return f"taps - i64(1) - ({place})" if flip else place


_TAPS = "taps = i64(kernel_a) * kernel_b * kernel_c\n"


def _reads(axis: str) -> str:
    """Where an output reads, through a tap."""
    return f"i64(o_{axis}) * stride_{axis} + i64({axis}) * dilation_{axis} - pad_{axis}"


def _forward(dtype: str, flip: bool) -> str:
    split = "".join(_split(f"o_{axis}", f"out_{axis}") for axis in reversed(_AXES))
    return f"""\
element = i64(place)
{split}{_split("channel", "out_channels")}image = i64(place)
{_TAPS}first = i64(u64(channel) // u64(per_out)) * per_in
sum = {dtype}(0)
for q in range(per_in):
    source = (image * channels + first + q) * in_a
    row = (channel * per_in + q) * taps
    for a in range(kernel_a):
        i_a = {_reads("a")}
        if i_a < 0 or i_a >= in_a:
            continue
        for b in range(kernel_b):
            i_b = {_reads("b")}
            if i_b < 0 or i_b >= in_b:
                continue
            line = ((source + i_a) * in_b + i_b) * in_c
            for c in range(kernel_c):
                i_c = {_reads("c")}
                if i_c >= 0 and i_c < in_c:
                    weight = load_{dtype}(w, (row + {_tap(flip)}) * {_BYTES[dtype]})
                    sum = sum + weight * load_{dtype}(x, (line + i_c) * {_BYTES[dtype]})
store_{dtype}(y, element * {_BYTES[dtype]}, sum)
"""


def _met(axis: str, indentation: str) -> str:
    """Lines that find the output that reads element i of an axis through a tap, or go on with the next tap."""
    lines = f"""\
reach = i_{axis} + pad_{axis} - i64({axis}) * dilation_{axis}
if reach < 0:
    continue
o_{axis} = i64(u64(reach) // u64(stride_{axis}))
if o_{axis} * stride_{axis} != reach or o_{axis} >= out_{axis}:
    continue
"""
    return indent(lines, indentation)


def _data_gradient(dtype: str, flip: bool) -> str:
    split = "".join(_split(f"i_{axis}", f"in_{axis}") for axis in reversed(_AXES))
    return f"""\
element = i64(place)
{split}{_split("channel", "channels")}image = i64(place)
{_TAPS}group = i64(u64(channel) // u64(per_in))
within = channel - group * per_in
sum = {dtype}(0)
for r in range(per_out):
    out = group * per_out + r
    source = (image * out_channels + out) * out_a
    row = (out * per_in + within) * taps
    for a in range(kernel_a):
{_met("a", " " * 8)}\
        for b in range(kernel_b):
{_met("b", " " * 12)}\
            line = ((source + o_a) * out_b + o_b) * out_c
            for c in range(kernel_c):
{_met("c", " " * 16)}\
                weight = load_{dtype}(w, (row + {_tap(flip)}) * {_BYTES[dtype]})
                sum = sum + weight * load_{dtype}(y, (line + o_c) * {_BYTES[dtype]})
store_{dtype}(x, element * {_BYTES[dtype]}, sum)
"""


def _weight_gradient(dtype: str, flip: bool) -> str:
    split = "".join(_split(axis, f"kernel_{axis}") for axis in reversed(_AXES))
    return f"""\
element = i64(place)
{split}{_split("within", "per_in")}channel = i64(place)
{_TAPS}source = i64(u64(channel) // u64(per_out)) * per_in + within
row = (channel * per_in + within) * taps
sum = {dtype}(0)
for image in range(images):
    of_image = {dtype}(0)
    for o_a in range(out_a):
        i_a = {_reads("a")}
        if i_a < 0 or i_a >= in_a:
            continue
        for o_b in range(out_b):
            i_b = {_reads("b")}
            if i_b < 0 or i_b >= in_b:
                continue
            line = (((i64(image) * channels + source) * in_a + i_a) * in_b + i_b) * in_c
            other = (((i64(image) * out_channels + channel) * out_a + o_a) * out_b + o_b) * out_c
            of_row = {dtype}(0)
            for o_c in range(out_c):
                i_c = {_reads("c")}
                if i_c >= 0 and i_c < in_c:
                    gradient = load_{dtype}(y, (other + o_c) * {_BYTES[dtype]})
                    of_row = of_row + gradient * load_{dtype}(x, (line + i_c) * {_BYTES[dtype]})
            of_image = of_image + of_row
    sum = sum + of_image
store_{dtype}(w, (row + {_tap(flip)}) * {_BYTES[dtype]}, sum)
"""
