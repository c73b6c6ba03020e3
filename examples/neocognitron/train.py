"""Shows the neocognitron five digits, and then the same digits somewhere else.

python examples/neocognitron/train.py [--quick] [--seed 2] [--pictures DIR] [--figures OUT.json]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from patterns import digits, shifted

import netlang
from netlang.pictures import chart, save, sheet

Array = NDArray[Any]
NET = Path(__file__).parent / "neocognitron.net"
SHOWINGS = 20
"""How often each digit is shown to each layer."""
FARTHEST = 4
"""Pixels that digits are moved by; with more they would leave the picture."""


def learned(seed: int, showings: int) -> netlang.Model:
    """A network that has seen the digits, one after the other, layer by layer."""
    model = netlang.compile(NET)
    for phase in ("first", "second", "third"):
        step = model.trainer(seed, phase=phase)
        for _ in range(showings):
            for image in digits():
                step(image=image[None])
    return model


def ring(distance: int) -> list[tuple[int, int]]:
    """All moves (down, right) whose larger part is `distance`."""
    reach = range(-distance, distance + 1)
    return [(y, x) for y in reach for x in reach if max(abs(y), abs(x)) == distance]


def responses(model: netlang.Model, images: Array) -> Array:
    """How strongly each plane of the last layer responds, [n, planes]."""
    return np.asarray(model(images)["patterns"])


def recognised(model: netlang.Model, distance: int) -> tuple[float, float]:
    """The share of moved digits that the plane of the digit itself responds to most; that of a template matcher, which
    goes by the angle to the digits as they were."""
    images, right, matched = digits(), [], []
    own = responses(model, images).argmax(axis=1)
    templates = images.reshape(len(images), -1)
    templates = templates / np.linalg.norm(templates, axis=1, keepdims=True)
    for move in ring(distance):
        moved = shifted(images, *move)
        found = responses(model, moved)
        right.append((found.argmax(axis=1) == own) & (found.max(axis=1) > 0))
        matched.append((moved.reshape(len(images), -1) @ templates.T).argmax(axis=1) == np.arange(len(images)))
    return float(np.mean(right)), float(np.mean(matched))


def pictures(model: netlang.Model, shares: list[tuple[float, float]], folder: Path) -> list[str]:
    """What the first layer learned to see; digits here and there with their responses; the shares by distance."""
    weights = np.asarray(model.parameters["s1.weight"])[:, 0]
    seen = [w / w.max() for w in weights if w.max() > 0.1]
    save(sheet([seen], scale=10), folder / "features.png")
    images = digits()
    own = responses(model, images).argmax(axis=1)
    rows, captions = [], []
    for move in ((0, 0), (0, 2), (-2, 2), (3, -3)):
        moved = shifted(images, *move)
        found = responses(model, moved)
        rows.append([1 - image[0] for image in moved])
        captions.append([f"{found[i, plane]:.2f}" for i, plane in enumerate(own)])
    save(sheet(rows, scale=4, captions=captions), folder / "shifted.png")
    distances = list(range(FARTHEST + 1))
    curves = {name: (distances, [s[i] for s in shares]) for i, name in enumerate(("neocognitron", "template"))}
    save(chart(curves, across="pixels moved", up="share recognised"), folder / "shares.png")
    return ["features.png", "shifted.png", "shares.png"]


def main() -> None:
    parser = argparse.ArgumentParser(description="Show the neocognitron five digits, and move them.")
    parser.add_argument("--data", default="digits", help="only the digits that it brings along")
    parser.add_argument("--quick", action="store_true", help="each digit is shown three times")
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--figures", type=Path)
    parser.add_argument("--pictures", type=Path, default=Path("run/neocognitron"))
    options = parser.parse_args()

    model = learned(options.seed, 3 if options.quick else SHOWINGS)
    apart = len(set(responses(model, digits()).argmax(axis=1)))
    shares = [recognised(model, distance) for distance in range(FARTHEST + 1)]
    print(f"{apart} of 5 digits have a plane of their own")
    for distance, (ours, template) in enumerate(shares):
        print(f"moved by {distance}: {ours:.1%} recognised, by templates {template:.1%}")
    options.pictures.mkdir(parents=True, exist_ok=True)
    names = pictures(model, shares, options.pictures)
    if options.figures:
        figures = {"digits_apart": apart, "moved_2_accuracy": shares[2][0], "moved_2_template_accuracy": shares[2][1]}
        options.figures.write_text(json.dumps({"figures": figures, "pictures": names}))


if __name__ == "__main__":
    main()
