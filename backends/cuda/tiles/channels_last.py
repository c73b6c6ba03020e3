"""The kernel that puts the channels of each pixel side by side, in words of four bytes of a format:

    float32    a number, as it is
    tf32       a number, rounded
    bf16 f16   two neighbouring numbers, the first in the low half

A pixel has whole chunks of 16 bytes, with zeros behind its last channel.
"""

from __future__ import annotations

from functools import partial

from netlang.backends.cuda.kernel import Kernel
from netlang.backends.cuda.tiles.block_tile import CHUNK_BYTES, FLOAT, Precision
from netlang.backends.cuda.tiles.text import Text

WORDS = CHUNK_BYTES // FLOAT
"""Words of a chunk."""
ARGUMENTS = {
    "x": "p",  # [images, channels, pixels] float32
    "out": "p",  # [images, pixels, words]
    "x_image": "l",  # bytes from an image of x to the next
    "pixels": "i",
    "blocks": "i",  # of an image's pixels
    "channels": "i",
    "words": "i",  # of a pixel
}


def numbers_of_word(format: Precision) -> int:
    """How many numbers a word holds."""
    return 2 if format in ("bf16", "f16") else 1


def words_of(channels: int, format: Precision) -> int:
    """Words of a pixel with so many channels."""
    return -(-channels // (WORDS * numbers_of_word(format))) * WORDS


def word(format: Precision, values: list[str]) -> str:
    """The word (u32) of the numbers that it holds (float32)."""
    if format == "float32":
        return f"bits_of_f32({values[0]})"
    return f"round_tf32({values[0]})" if format == "tf32" else f"pack_{format}x2({values[1]}, {values[0]})"


def channels_last_kernel(format: Precision, threads: int) -> Kernel:
    """A thread for each chunk of a pixel: blocks are numbered (images * parts of their pixels, chunks)."""
    key = f"conv_channels_last:{format}:{threads}"
    return Kernel(key, partial(_source, format, threads), "".join(ARGUMENTS.values()), threads)


def _source(format: Precision, threads: int) -> str:
    t, each = Text(), numbers_of_word(format)
    t.open(f"def kernel({', '.join(ARGUMENTS)}):")
    t(
        "image = div_u32(u32(block_x()), u32(blocks))",
        "part = i32(u32(block_x()) - u32(image * u32(blocks)))",
        f"pixel = i32(i32(part * i32({threads})) + thread())",
        f"channel = i32(block_y() * i32({WORDS * each}))",
        "plane = i64(i64(pixels) * i64(4))",
    )
    with t.block("if pixel < pixels:"):
        t("at = u64(x + u64(i64(i64(i64(image) * x_image) + i64(i64(pixel) * i64(4)))))")
        t("at = u64(at + u64(i64(i64(channel) * plane)))")
        values = [f"e{i}" for i in range(WORDS * each)]
        for i, value in enumerate(values):
            t(f"{value} = f32(0)")
            with t.block(f"if i32(channel + i32({i})) < channels:"):
                t(f"{value} = load_f32(at, i64(plane * i64({i})))")
        t("to = i64(i64(i64(i64(image) * i64(pixels)) + i64(pixel)) * i64(words))")
        t(f"to = i64(i64(to + i64(i32(block_y() * i32({WORDS})))) * i64({FLOAT}))")
        words = [word(format, values[each * i : each * (i + 1)]) for i in range(WORDS)]
        t(f"store4_u32(out, to, ({', '.join(words)}))")
    return str(t)
