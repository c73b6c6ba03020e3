"""Trains the digit net, then draws one held-out digit on its way through all layers.

python examples/digit_net/train.py [--data SOURCE] [--quick] [--seed 1] [--digit 3] [--pictures DIR] [--figures OUT]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

import netlang
from netlang.pictures import save, sheet

NET = Path(__file__).parent / "digit_net.net"
GAP = 14
PAPER, INK = (255, 255, 255), (40, 40, 40)

Array = NDArray[Any]


def maps(layer: Array, columns: int, scale: int) -> Image.Image:
    """The maps [c, h, w] of a layer with values in -1 ... 1, from black to white."""
    shades = [(m + 1) / 2 for m in layer]
    return sheet([shades[i : i + columns] for i in range(0, len(shades), columns)], scale=scale)


def units(layer: Array, columns: int, scale: int) -> Image.Image:
    """The units [n] of a dense layer as a block of squares."""
    rows = -(-len(layer) // columns)
    block = np.full(rows * columns, -1.0)
    block[: len(layer)] = layer
    return sheet([[(block.reshape(rows, columns) + 1) / 2]], scale=scale)


def bars(probs: Array) -> Image.Image:
    """The probabilities of the ten classes."""
    picture = Image.new("RGB", (170, 10 * 16), PAPER)
    pen = ImageDraw.Draw(picture)
    for digit, p in enumerate(probs):
        pen.text((4, 16 * digit), str(digit), INK)
        pen.rectangle((18, 16 * digit + 2, 18 + round(100 * float(p)), 16 * digit + 12), (0, 114, 178))
        pen.text((124, 16 * digit), f"{p:.1%}", INK)
    return picture


def journey(image: Array, layers: Mapping[str, Array]) -> Image.Image:
    """One sample, [1, 32, 32] in 0 ... 1, and what every layer makes of it, one below the other."""
    drawn = {
        "the digit, 32 x 32": sheet([[image]], scale=2),
        "conv1: 6 maps of 28 x 28": maps(layers["conv1"], 6, 3),
        "pool1: 6 maps of 14 x 14": maps(layers["pool1"], 6, 3),
        "conv2: 16 maps of 10 x 10": maps(layers["conv2"], 16, 3),
        "pool2: 16 maps of 5 x 5": maps(layers["pool2"], 16, 6),
        "dense1: 120 units": units(layers["dense1"], 60, 8),
        "dense2: 100 units": units(layers["dense2"], 50, 8),
        "the answer": bars(layers["probs"]),
    }
    width = max(p.width for p in drawn.values()) + 2 * GAP
    picture = Image.new("RGB", (width, sum(p.height + GAP + 14 for p in drawn.values()) + GAP), PAPER)
    pen, y = ImageDraw.Draw(picture), GAP
    for name, part in drawn.items():
        pen.text((GAP + 4, y), name, INK)
        picture.paste(part, (GAP, y + 14))
        y += part.height + GAP + 14
    return picture


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the digit net and draw a digit passing through it.")
    parser.add_argument("--data", default="digits", help="digits, mnist, ...")
    parser.add_argument("--quick", action="store_true", help="one epoch")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--digit", type=int, default=3, help="which digit is drawn: the first one that is held out")
    parser.add_argument("--figures", type=Path)
    parser.add_argument("--pictures", type=Path, default=Path("run/digit_net"))
    options = parser.parse_args()

    model = netlang.compile(NET)
    trainer = model.trainer(options.seed)
    data = trainer.fitted(options.data)
    record = trainer.fit(data, netlang.Options(epochs=1 if options.quick else None))
    print(f"{record['test_accuracy']:.2%} of {len(data.test)} held-out digits are right")

    chosen = np.flatnonzero(data.test.arrays["label"] == options.digit)[:1]
    image = data.test.take(chosen)["image"]
    layers = {name: values[0] for name, values in model(image).items()}
    options.pictures.mkdir(parents=True, exist_ok=True)
    save(journey(image[0], layers), options.pictures / "layers.png")
    print(options.pictures / "layers.png")
    if options.figures:
        figures = {"accuracy": record["test_accuracy"]}
        options.figures.write_text(json.dumps({"figures": figures, "pictures": ["layers.png"]}))


if __name__ == "__main__":
    main()
