"""Trains the time-delay network beside a dense one, and dilated convolutions beside narrow ones.

python examples/time_delay/train.py [--quick] [--seed 1] [--figures OUT.json] [--pictures DIR]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from sounds import PHONEMES, consonants, made, pulses

import netlang
from netlang.pictures import save, sheet, signed

HERE = Path(__file__).parent
MOMENTS = (3, 5, 8)
"""Frames of release in the picture."""


Trained = tuple[netlang.Model, netlang.Trainer]


def trained(file: str, data: netlang.Dataset, seed: int, epochs: int | None, **arguments: int) -> Trained:
    """A net of a file of this folder, trained, and what evaluates it."""
    model = netlang.compile(HERE / file, arguments=arguments)
    trainer = model.trainer(seed)
    trainer.fit(data, netlang.Options(epochs=epochs))
    return model, trainer


def moments(model: netlang.Model, path: Path) -> None:
    """One sound of each phoneme, released early, in time and late, and what fires when."""
    rows = []
    for phoneme in range(len(PHONEMES)):
        row = []
        for release in MOMENTS:
            drawn = consonants(40, 7, release, release)
            sound = drawn["sound"][drawn["label"] == phoneme][0]
            firing = model(sound)["firing"]
            padded = np.pad(firing, ((0, 0), (3, 3)))
            row += [signed(sound[::-1], 3.0), signed(padded, 1.0)]
        rows.append(row)
    columns = [text for release in MOMENTS for text in (f"released at {release * 10} ms", "b d g fire")]
    save(sheet(rows, scale=8, columns=columns, names=PHONEMES), path)


def main() -> None:
    parser = argparse.ArgumentParser(description="time-delay networks")
    parser.add_argument("--data", default="generated", choices=["generated"])
    parser.add_argument("--quick", action="store_true", help="a few epochs, to see it work")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--figures", type=Path)
    parser.add_argument("--pictures", type=Path)
    args = parser.parse_args()
    epochs = 3 if args.quick else None
    spoken = made("consonants", consonants(2000, 1), consonants(1000, 2), *PHONEMES)
    shifted = made("shifted consonants", spoken.train, consonants(1000, 3, 3, 8), *PHONEMES)
    pairs = made("pulses", pulses(12800, 1), pulses(1000, 2), "the same", "different")

    figures: dict[str, float] = {}
    model, delays = trained("time_delay.net", spoken, args.seed, epochs)
    _, dense = trained("dense.net", spoken, args.seed, epochs)
    for name, trainer in (("", delays), ("dense net's ", dense)):
        figures[f"{name}accuracy"] = trainer.evaluate(spoken)["accuracy"]
        figures[f"{name}shifted accuracy"] = trainer.evaluate(shifted)["accuracy"]
    for name, spacing in (("dilated", 2), ("narrow", 1)):
        _, trainer = trained("dilated.net", pairs, args.seed, epochs, spacing=spacing)
        figures[f"{name} accuracy"] = trainer.evaluate(pairs)["accuracy"]
    for name, share in figures.items():
        print(f"{name:30} {share:.1%}")
    if args.pictures:
        moments(model, args.pictures / "moments.png")
    if args.figures:
        shown = {"figures": figures, "pictures": ["moments.png"] if args.pictures else []}
        args.figures.write_text(json.dumps(shown), encoding="utf-8")


if __name__ == "__main__":
    main()
