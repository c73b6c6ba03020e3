"""Trains the sparse autoencoder stage by stage on pictures, and draws what its first fields have become.

python examples/sparse_autoencoder/train.py [--data SOURCE] [--quick] [--seed 1] [--pictures DIR] [--figures OUT.json]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import netlang
from netlang.pictures import save, sheet, signed

Array = NDArray[Any]
NET = Path(__file__).parent / "autoencoder.net"
SIZE, PICTURES = 54, 1000
"""Of the pictures to learn from."""
SHOWN, AMONG = (4, 12), 600
"""Rows and columns of fields in the picture, and among how many of the strongest they are chosen."""


class Losses(netlang.Progress):
    """Prints a line an epoch and keeps the losses."""

    def __init__(self) -> None:
        self.losses: list[float] = []

    def epoch(self, record: Mapping[str, Any]) -> None:
        self.losses.append(float(record["loss"]))
        print("  ".join(f"{k} {v}" if isinstance(v, str) else f"{k} {v:.4g}" for k, v in record.items()), flush=True)


def grey(images: Array) -> Array:
    """Bytes [n, SIZE, SIZE] of bytes [n, h, w], [n, h, w, 3] or [n, 3, h, w]."""
    if images.ndim == 4 and images.shape[1] == 3:
        images = images.transpose(0, 2, 3, 1)
    pictures = [
        Image.fromarray(np.ascontiguousarray(image)).convert("L").resize((SIZE, SIZE), Image.Resampling.BICUBIC)
        for image in images
    ]
    return np.stack([np.asarray(picture) for picture in pictures])


def alike_everywhere(model: netlang.Model) -> None:
    """Let the fields of all positions begin as the same smooth random numbers; they grow apart as they learn."""
    for name in (f"stage{i}.fields.weight" for i in (1, 2, 3)):
        weights = np.asarray(model.parameters[name])
        first = weights[:1, :1]
        for axis in (4, 5) * 3:
            first = first / 2 + (np.roll(first, 1, axis) + np.roll(first, -1, axis)) / 4
        first = first * (weights.std() / first.std())
        model.parameters[name] = np.ascontiguousarray(np.broadcast_to(first, weights.shape), np.float32)


def fields(model: netlang.Model) -> Any:
    """A sheet of fields of the first stage: of the strongest, from the strongest down. Many others have died out."""
    weights = np.asarray(model.parameters["stage1.fields.weight"])
    each = weights.reshape(-1, *weights.shape[-2:])
    order = np.argsort(-(each**2).sum(axis=(1, 2)))
    chosen = order[np.linspace(0, min(AMONG, len(order)) - 1, SHOWN[0] * SHOWN[1]).astype(int)]
    return sheet([[signed(each[i]) for i in row] for row in chosen.reshape(SHOWN)], scale=3)


def reconstructions(model: netlang.Model, images: Array) -> Any:
    """Pictures, what the first stage sees of them, and what it makes of its features."""
    out = model(np.asarray(images / np.float32(255), np.float32))
    columns = [
        [i, *(signed(out[name][n], 2.0) for name in ("seen", "reconstruction"))] for n, i in enumerate(images[:, 0])
    ]
    return sheet([list(row) for row in zip(*columns, strict=True)], scale=2, names=("picture", "seen", "explained"))


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the sparse autoencoder, stage by stage.")
    parser.add_argument("--data", default="digits", help="cifar, faces, digits, a folder of pictures ...")
    parser.add_argument("--quick", action="store_true", help="one epoch of 48 pictures for every stage")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--figures", type=Path)
    parser.add_argument("--pictures", type=Path, default=Path("run/sparse_autoencoder"))
    options = parser.parse_args()

    found = netlang.data(options.data)
    count = 48 if options.quick else PICTURES
    train, test = ({"image": grey(part["image"][:count])} for part in (found.train, found.test))
    data = netlang.Dataset(found.name, train, test, held_out=found.held_out)
    model = netlang.compile(NET).init(options.seed)
    alike_everywhere(model)
    figures = {}
    for stage, phase in enumerate(("first", "second", "third"), 1):
        kept = Losses()
        model.trainer(options.seed, phase=phase).fit(data, netlang.Options(epochs=1 if options.quick else None), kept)
        figures[f"stage{stage}_first_loss"], figures[f"stage{stage}_loss"] = kept.losses[0], kept.losses[-1]
        figures[f"stage{stage}_loss_ratio"] = kept.losses[-1] / kept.losses[0]

    options.pictures.mkdir(parents=True, exist_ok=True)
    save(fields(model), options.pictures / "fields.png")
    step = model.trainer(options.seed, phase="first").fitted(data)
    save(reconstructions(model, step.test.arrays["image"][:6]), options.pictures / "reconstructions.png")
    if options.figures:
        pictures = ["fields.png", "reconstructions.png"]
        options.figures.write_text(json.dumps({"figures": figures, "pictures": pictures}))


if __name__ == "__main__":
    main()
