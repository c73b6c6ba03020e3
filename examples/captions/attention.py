"""A picture of where a net looked for every word."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from scenes import SIZE, VOCABULARY, Array

from netlang.pictures import save, sheet


def draw(images: Array, told: Mapping[str, Array], path: Path) -> None:
    """Each row is a scene u8[3, 32, 32] and, for every word, the same lit where the net looked when it chose it."""
    rows, captions = [], []
    for image, said, looked in zip(images, told["said"], told["looked"], strict=True):
        words = [VOCABULARY[number] for number in said if number]
        rows.append([image, *(lit(image, weights) for weights in looked[: len(words)])])
        captions.append(["", *words])
    save(sheet(rows, scale=2, captions=captions, gap=3), path)


def lit(image: Array, weights: Array) -> Array:
    """The image [3, 32, 32] in the light of weights [64], one for each place of a map of 8x8."""
    side = round(len(weights) ** 0.5)
    tall = np.repeat(np.repeat(weights.reshape(side, side), SIZE // side, axis=0), SIZE // side, axis=1)
    light = 0.15 + 0.85 * np.sqrt(tall / tall.max())
    return image / 255 * light
