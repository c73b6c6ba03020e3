"""Trains a small ZFNet and shows what its features respond to: a picture for each layer.

python examples/deconvnet/train.py [--data SOURCE] [--quick] [--seed 1] [--pictures DIR] [--figures OUT.json]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import netlang
from netlang.pictures import save, sheet

Array = NDArray[Any]
NET = Path(__file__).parent / "deconvnet.net"
LAYERS, FEATURES, EXAMPLES = 5, 6, 4
"""Layers of the net; features shown of each; for each feature, pictures that it responds to most."""


class Lines(netlang.Progress):
    """One line an epoch."""

    def epoch(self, record: Mapping[str, Any]) -> None:
        print("  ".join(f"{k} {v:.4g}" for k, v in record.items()), flush=True)


def coloured(images: Array, size: int = 32) -> Array:
    """Bytes [n, h, w], [n, h, w, 3] or [n, 3, h, w] as f32 [n, 3, size, size] in 0 ... 1; pixels repeat or drop out."""
    if images.ndim == 4 and images.shape[1] == 3:
        images = images.transpose(0, 2, 3, 1)
    if images.ndim == 3:
        images = np.repeat(images[..., None], 3, axis=-1)
    rows, columns = ((np.arange(size) * s) // size for s in images.shape[1:3])
    return np.ascontiguousarray(images[:, rows][:, :, columns].transpose(0, 3, 1, 2) / np.float32(255), np.float32)


def peaks(model: netlang.Model, images: Array) -> list[Array]:
    """How strongly each map of each layer responds to each image: [n, maps] for each layer."""
    found: list[list[Array]] = [[] for _ in range(LAYERS)]
    for start in range(0, len(images), 100):
        part = images[start : start + 100]
        out = model(part)
        for layer in range(LAYERS):
            found[layer].append(out[f"peaks{layer + 1}"])
    # One number names a map of every layer, so it counts no further than the first one's.
    return [np.concatenate(parts)[:, : found[0][0].shape[1]] for parts in found]


def shown(view: Array) -> Array:
    """A view [3, h, w] around grey, so that nothing is at 0.5."""
    return np.asarray(0.5 + view / (2 * np.abs(view).max() or 1.0))


def layer_sheet(model: netlang.Model, images: Array, responses: Array, layer: int) -> Any:
    """Features that respond most unevenly, one a row: the pictures they respond to most, and what of each they see."""
    alive = np.flatnonzero((responses > 0).sum(axis=0) >= EXAMPLES)
    uneven = responses.max(axis=0) / (responses.mean(axis=0) + 1e-6)
    features = sorted(alive[np.argsort(-uneven[alive])][:FEATURES])
    rows = []
    for feature in features:
        best = np.argsort(-responses[:, feature])[:EXAMPLES]
        out = model(image=images[best], feature=np.full(EXAMPLES, feature))[f"view{layer}"]
        rows.append([tile for image, view in zip(images[best], out, strict=True) for tile in (image, shown(view))])
    return sheet(rows, scale=2, names=[f"map {f}" for f in features])


def main() -> None:
    parser = argparse.ArgumentParser(description="Look at the features of a small ZFNet.")
    parser.add_argument("--data", default="digits", help="cifar, digits, mnist, an npz file ...")
    parser.add_argument("--quick", action="store_true", help="one epoch on 300 pictures")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--figures", type=Path)
    parser.add_argument("--pictures", type=Path, default=Path("run/deconvnet"))
    options = parser.parse_args()

    data = netlang.data(options.data)
    count = 300 if options.quick else None
    train, test = (
        {"image": coloured(part["image"][:count]), "label": part["label"][:count]} for part in (data.train, data.test)
    )
    model = netlang.compile(NET)
    small = netlang.Dataset(data.name, train, test, data.classes, data.held_out)
    record = model.trainer(options.seed).fit(small, netlang.Options(epochs=1 if options.quick else None), Lines())

    view, found = model.nets["deconvnet"], peaks(model.nets["responses"], test["image"])
    options.pictures.mkdir(parents=True, exist_ok=True)
    names = [f"layer{layer}.png" for layer in range(1, LAYERS + 1)]
    for layer, (name, responses) in enumerate(zip(names, found, strict=True), 1):
        save(layer_sheet(view, test["image"], responses, layer), options.pictures / name)
        print(options.pictures / name)
    if options.figures:
        accuracy = float(record["test_accuracy"])
        options.figures.write_text(json.dumps({"figures": {"accuracy": accuracy}, "pictures": names}))


if __name__ == "__main__":
    main()
