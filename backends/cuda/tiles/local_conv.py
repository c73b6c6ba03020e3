"""Source of unshared convolution: a kernel of its own for every output position, so that weights are what takes time.

A block has one position, some output channels and some samples. The patches of the samples are copied to shared memory
a chunk at a time, and every weight, read once by one lane, serves all samples. The lanes of a warp share the sum over a
patch and add up at the end, in one order. Arguments, of all three kernels: the addresses of x, w and y or their
gradients; images, channels of x and y, output positions, parts of the images; then input sizes, output sizes and low
padding, three numbers each. Axes that are missing are 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import indent

from netlang.backends.cuda.kernel import WARP, Kernel

AXES = "abc"
BYTES = {"f32": 4, "f64": 8}
ARGUMENTS = "ppp" + "i" * 14
_HEAD = ("x", "w", "y", "images", "channels", "out_channels", "positions", "parts")
_ROWS = 4
"""Output channels of a warp: each patch element loaded serves so many."""


@dataclass(frozen=True)
class LocalConv:
    """Sizes that stand in the code: the `kernel` and `stride` of three axes, and how many `samples` share a weight."""

    dtype: str
    kernel: tuple[int, int, int]
    stride: tuple[int, int, int]
    threads: int
    samples: int = 8

    @property
    def taps(self) -> int:
        return self.kernel[0] * self.kernel[1] * self.kernel[2]

    @property
    def outputs(self) -> int:
        """Output channels of a block."""
        return self.threads // WARP * _ROWS

    @property
    def chunk(self) -> int:
        """Elements of a patch that are in shared memory at a time."""
        return 2 * self.threads

    def made(self, what: str, source: str, shared: int = 0) -> Kernel:
        """The kernel of that body."""
        names = [*_HEAD, *(f"{of}_{axis}" for of in ("in", "out", "pad") for axis in AXES)]
        text = f"def kernel({', '.join(names)}):\n" + indent(source, "    ")
        return Kernel(f"{what}:{self}", lambda: text, ARGUMENTS, self.threads, shared)


def local_conv(shape: LocalConv) -> Kernel:
    """y from x and w; the grid is (positions * parts, blocks of output channels)."""
    return shape.made("local_conv", _forward(shape), shape.samples * shape.chunk * BYTES[shape.dtype])


def split(name: str, source: str, rest: str, count: str) -> str:
    """Lines that divide a number that is not negative: the remainder, and the quotient."""
    return f"""\
{rest} = i32(div_u32(u32({source}), u32({count})))
{name} = i32({source} - {rest} * {count})
"""


def position_of(name: str) -> str:
    """Lines that find the output place (o_a, o_b, o_c) of a position."""
    return split("o_c", name, "above", "out_c") + split("o_b", "above", "o_a", "out_b")


def tap_of(shape: LocalConv, column: str) -> str:
    """Lines that find the channel and the tap (a, b, c) of a column of a patch."""
    return (
        split("tap", column, "channel", str(shape.taps))
        + split("c", "tap", "above", str(shape.kernel[2]))
        + split("b", "above", "a", str(shape.kernel[1]))
    )


def place_of(shape: LocalConv) -> str:
    """Lines that find where output (o_a, o_b, o_c) reads through tap (a, b, c): `inside` and, if so, `place`."""
    lines = [f"i_{x} = i32(o_{x} * {s} - pad_{x} + {x})" for x, s in zip(AXES, shape.stride, strict=True)]
    lines += ["inside = " + " and ".join(f"i_{x} >= 0 and i_{x} < in_{x}" for x in AXES)]
    lines += ["place = ((i64(channel) * in_a + i_a) * in_b + i_b) * in_c + i_c"]
    return "\n".join(lines) + "\n"


def _forward(shape: LocalConv) -> str:
    dtype, bytes, samples = shape.dtype, BYTES[shape.dtype], range(shape.samples)
    sums = [[f"s{r}_{m}" for m in samples] for r in range(_ROWS)]
    zeros = "".join("; ".join(f"{s} = {dtype}(0)" for s in row) + "\n" for row in sums)
    weights = "".join(
        f"w{r} = w + u64(((i64(position) * out_channels + min_i32(i32(out + {r}), i32(out_channels - 1))) * patch)"
        f" * {bytes})\n"
        for r in range(_ROWS)
    )
    return f"""\
shared = shared_base()
patch = i32(channels * {shape.taps})
image_elements = i64(channels) * in_a * in_b * in_c
{split("part", "block_x()", "position", "parts")}\
{position_of("position")}\
image = i32(part * {shape.samples})
out = i32((block_y() * {shape.threads // WARP} + warp()) * {_ROWS})
{weights}{zeros}\
first = i32(0)
while first < patch:
    sync()
    column = thread()
    while column < {shape.chunk}:
{indent(_gathered(shape), " " * 8)}\
        column = i32(column + {shape.threads})
    sync()
    column = lane()
    end = min_i32(i32({shape.chunk}), i32(patch - first))
    while column < end:
{indent(_products(shape, sums), " " * 8)}\
        column = i32(column + {WARP})
    first = i32(first + {shape.chunk})
{_stored(shape, sums)}"""


def _gathered(shape: LocalConv) -> str:
    """Lines that copy a column of the patches of all samples to shared memory, zeros where there is padding."""
    dtype, bytes = shape.dtype, BYTES[shape.dtype]
    lines = tap_of(shape, "i32(first + column)") + place_of(shape)
    for m in range(shape.samples):
        lines += f"""\
value = {dtype}(0)
if inside and channel < channels and image + {m} < images:
    value = load_{dtype}(x, (i64(image + {m}) * image_elements + place) * {bytes})
store_shared_{dtype}(shared, i32((column + {m * shape.chunk}) * {bytes}), value)
"""
    return lines


def _products(shape: LocalConv, sums: list[list[str]]) -> str:
    """Lines that add the products of a lane's column to its sums."""
    dtype, bytes = shape.dtype, BYTES[shape.dtype]
    lines = [
        f"x{m} = load_shared_{dtype}(shared, i32((column + {m * shape.chunk}) * {bytes}))" for m in range(shape.samples)
    ]
    for r, row in enumerate(sums):
        lines += [f"weight = load_{dtype}(w{r}, i64(first + column) * {bytes})"]
        lines += [f"{s} = {s} + weight * x{m}" for m, s in enumerate(row)]
    return "\n".join(lines) + "\n"


def _stored(shape: LocalConv, sums: list[list[str]]) -> str:
    """Lines that add up the sums of all lanes, and store each from a lane of its own."""
    dtype, bytes = shape.dtype, BYTES[shape.dtype]
    lines = ""
    for r, row in enumerate(sums):
        for m, s in enumerate(row):
            for distance in (16, 8, 4, 2, 1):
                lines += f"{s} = {s} + shuffle_xor_{dtype}({s}, {distance})\n"
            lines += f"""\
if lane() == {r * shape.samples + m} and image + {m} < images and out + {r} < out_channels:
    store_{dtype}(y, ((i64(image + {m}) * out_channels + out + {r}) * positions + position) * {bytes}, {s})
"""
    return lines
