"""Composes strips of digits, trains the reader on them, and reads strips of digits that were held out.

python examples/multidigit/train.py [--data SOURCE] [--quick] [--seed 1] [--pictures DIR] [--figures OUT.json]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from strips import Array, compose

import netlang
from netlang.pictures import save, sheet

NET = Path(__file__).parent / "reader.net"
TRAINED_ON, HELD_OUT = 80_000, 5_000
"""Strips."""


class Lines(netlang.Progress):
    """One line an epoch."""

    def epoch(self, record: Mapping[str, Any]) -> None:
        print("  ".join(f"{k} {v:.4g}" for k, v in record.items()), flush=True)


def composed(source: str, seed: int, counts: tuple[int, int]) -> netlang.Dataset:
    """Strips to train on, of the training digits of a source, and others, of its held-out digits alone."""
    singles = netlang.data(source)
    train = compose(singles.train, counts[0], np.random.default_rng([seed, 0]))
    test = compose(singles.test, counts[1], np.random.default_rng([seed, 1]))
    return netlang.Dataset(f"strips of {source}", train, test, held_out="strips of held-out digits")


def read(model: netlang.Model, strips: Array) -> list[str]:
    """What the net reads in strips [n, HEIGHT, WIDTH] of bytes."""
    out = model((strips[:, None] / np.float32(255)).astype(np.float32))
    lengths, digits = out["length"].argmax(axis=1) + 1, out["digits"].argmax(axis=1)
    return ["".join(map(str, row[:length])) for row, length in zip(digits, lengths, strict=True)]


def read_all(model: netlang.Model, part: Mapping[str, Array]) -> list[tuple[str, str]]:
    """What is written in each strip and what the net reads there."""
    written = ["".join(str(d) for d in row if d >= 0) for row in part["text"]]
    found: list[str] = []
    for start in range(0, len(written), 500):
        found += read(model, part["strip"][start : start + 500])
    return list(zip(written, found, strict=True))


def drawn(strips: Array, answers: list[tuple[str, str]]) -> Image.Image:
    """Twelve strips, below each what the net reads there."""
    words = [found if found == written else f"{found}, not {written}" for written, found in answers]
    threes = range(0, 12, 3)
    return sheet([list(strips[i : i + 3]) for i in threes], scale=2, captions=[words[i : i + 3] for i in threes])


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the reader of several digits.")
    parser.add_argument("--data", default="digits", help="digits, mnist, ...")
    parser.add_argument("--quick", action="store_true", help="a twentieth of the strips, one epoch")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--figures", type=Path)
    parser.add_argument("--pictures", type=Path, default=Path("run/multidigit"))
    options = parser.parse_args()

    shrink = 20 if options.quick else 1
    data = composed(options.data, options.seed, (TRAINED_ON // shrink, HELD_OUT // shrink))
    model = netlang.compile(NET)
    model.trainer(options.seed).fit(data, netlang.Options(epochs=1 if options.quick else None), Lines())

    answers = read_all(model, data.test)
    right = float(np.mean([written == found for written, found in answers]))
    print(f"{right:.2%} of {len(answers):,} strips are read without a mistake")
    options.pictures.mkdir(parents=True, exist_ok=True)
    save(drawn(data.test["strip"], answers), options.pictures / "strips.png")
    print(options.pictures / "strips.png")
    if options.figures:
        options.figures.write_text(json.dumps({"figures": {"strings_accuracy": right}, "pictures": ["strips.png"]}))


if __name__ == "__main__":
    main()
