"""Images side by side in rows, with captions."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from netlang.pictures.colours import Array, pixels

INK, PAPER = (40, 40, 40), (255, 255, 255)
_FONT_SIZE = 12


def font() -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    """The font of all captions: the one that Pillow brings along."""
    return ImageFont.load_default(_FONT_SIZE)


def text_size(text: str) -> tuple[int, int]:
    """Width and height in pixels, a pixel of air below."""
    left, top, right, bottom = font().getbbox(text)
    return int(right - left) + 1, int(bottom - top) + 4


def sheet(
    rows: Sequence[Sequence[Array | None]],
    *,
    scale: int = 1,
    columns: Sequence[str] = (),
    names: Sequence[str] = (),
    captions: Sequence[Sequence[str]] = (),
    gap: int = 4,
) -> Image.Image:
    """A sheet of images: `rows[r][c]` (None: an empty place), each pixel enlarged to `scale` x `scale`.

    columns    a heading for each column
    names      a word to the left of each row
    captions   a word below each image, as `captions[r][c]`

    Images may differ in size; all places of a column are as wide as its widest. See `colours.pixels` for what an image
    is.
    """
    images = [[None if i is None else _enlarged(pixels(i), scale) for i in row] for row in rows]
    line = text_size("Ag")[1]
    below = line if captions else 0
    count = max(len(row) for row in images)
    widths = [
        max(
            [row[c].shape[1] for row in images if c < len(row) and row[c] is not None]  # type: ignore[union-attr]
            + [text_size(columns[c])[0] if c < len(columns) else 0]
            + [text_size(words[c])[0] for words in captions if c < len(words)]
        )
        for c in range(count)
    ]
    heights = [max([i.shape[0] for i in row if i is not None], default=0) + below for row in images]
    left = gap + (max(text_size(n)[0] for n in names) + gap if names else 0)
    top = gap + (line if columns else 0)
    out = Image.new("RGB", (left + sum(widths) + gap * count, top + sum(heights) + gap * len(images)), PAPER)
    pen = ImageDraw.Draw(out)
    y = top
    for r, row in enumerate(images):
        x = left
        if r < len(names):
            pen.text((gap, y + (heights[r] - below - line) // 2), names[r], INK, font())
        for c, image in enumerate(row):
            if r == 0 and c < len(columns):
                pen.text((x, gap - 2), columns[c], INK, font())
            if image is not None:
                out.paste(Image.fromarray(image), (x, y))
            if captions and c < len(captions[r]):
                pen.text((x, y + heights[r] - below), captions[r][c], INK, font())
            x += widths[c] + gap
        y += heights[r] + gap
    return out


def _enlarged(image: Array, scale: int) -> Array:
    return np.ascontiguousarray(image.repeat(scale, axis=0).repeat(scale, axis=1))


def save(image: Image.Image, path: str | os.PathLike[str], colours: int = 256) -> None:
    """Write a PNG of at most `colours` colours, which takes a third of the bytes of a full one."""
    image.quantize(colours, dither=Image.Dither.NONE).save(path, optimize=True)
