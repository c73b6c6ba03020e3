"""Line charts: a few curves over two axes, for the pages of the examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, floor, log10

from PIL import Image, ImageDraw

from netlang.pictures.colours import PALETTE
from netlang.pictures.sheet import INK, PAPER, font, text_size

_GRID = (225, 225, 225)
_MARK = 3
"""Half the width of the square at each point, in pixels."""

Curve = tuple[Sequence[float], Sequence[float]]


def chart(
    curves: Mapping[str, Curve],
    *,
    across: str,
    up: str,
    size: tuple[int, int] = (480, 320),
    marks: bool = True,
) -> Image.Image:
    """Curves by name, each (xs, ys), with straight lines between the points; `across` and `up` name the axes."""
    x_ticks = _ticks([x for xs, _ in curves.values() for x in xs])
    y_ticks = _ticks([y for _, ys in curves.values() for y in ys])
    image = Image.new("RGB", size, PAPER)
    pen = ImageDraw.Draw(image)
    line = text_size("Ag")[1]
    left = 12 + max(text_size(_label(t))[0] for t in y_ticks)
    right, top, bottom = size[0] - 14, 8 + line, size[1] - 10 - 2 * line

    def place(x: float, y: float) -> tuple[float, float]:
        across_share = (x - x_ticks[0]) / (x_ticks[-1] - x_ticks[0])
        up_share = (y - y_ticks[0]) / (y_ticks[-1] - y_ticks[0])
        return left + across_share * (right - left), bottom - up_share * (bottom - top)

    for tick in x_ticks:
        x = place(tick, y_ticks[0])[0]
        pen.line((x, top, x, bottom), _GRID)
        pen.text((x - text_size(_label(tick))[0] // 2, bottom + 4), _label(tick), INK, font())
    for tick in y_ticks:
        y = place(x_ticks[0], tick)[1]
        pen.line((left, y, right, y), _GRID)
        pen.text((left - 6 - text_size(_label(tick))[0], y - line // 2), _label(tick), INK, font())
    pen.text(((left + right - text_size(across)[0]) // 2, bottom + 6 + line), across, INK, font())
    pen.text((4, 2), up, INK, font())
    for number, (xs, ys) in enumerate(curves.values()):
        colour = PALETTE[number % len(PALETTE)]
        points = [place(x, y) for x, y in zip(xs, ys, strict=True)]
        pen.line(points, colour, 2)
        for x, y in points if marks else []:
            pen.rectangle((x - _MARK, y - _MARK, x + _MARK, y + _MARK), colour)
    _legend(pen, list(curves), right, top)
    return image


def _legend(pen: ImageDraw.ImageDraw, names: Sequence[str], right: int, top: int) -> None:
    """The names of the curves in a row above the chart, from its right edge leftwards."""
    x = right
    for number in reversed(range(len(names))):
        x -= text_size(names[number])[0]
        pen.text((x, 2), names[number], INK, font())
        x -= 14
        pen.rectangle((x, 6, x + 9, 14), PALETTE[number % len(PALETTE)])
        x -= 8


def _ticks(values: Sequence[float]) -> list[float]:
    """Four to eleven round numbers around all values."""
    low, high = min(values), max(values)
    if high == low:
        high = low + 1.0
    rough = (high - low) / 5
    power = 10.0 ** floor(log10(rough))
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= rough)
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    return [i * step for i in range(first, last + 1)]


def _label(tick: float) -> str:
    return f"{round(tick, 9):g}"
