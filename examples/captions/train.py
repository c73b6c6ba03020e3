"""Teaches both nets to say what is in a scene, counts the sentences they get exactly right, and draws where they look.

python examples/captions/train.py [--quick] [--seed 1] [--figures OUT.json] [--pictures DIR]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import scenes
from attention import draw

import netlang

HERE = Path(__file__).parent
NETS = {"plain": "show_and_tell.net", "attention": "show_attend_tell.net"}


class Lines(netlang.Progress):
    """One line for each epoch."""

    def epoch(self, record: Mapping[str, Any]) -> None:
        reached = f"loss {record['test_loss']:.4f}  words {record['test_accuracy']:.2%}"
        print(f"epoch {record['epoch']}: {reached}  {record['seconds']:.0f} s", flush=True)


def learn(file: str, data: netlang.Dataset, seed: int, epochs: int | None) -> netlang.Model:
    """The net `tell` of a file, with the weights of its other net, which was trained."""
    model = netlang.compile(HERE / file)
    model.trainer(seed).fit(data, netlang.Options(epochs=epochs), Lines())
    return model.nets["tell"]


def told(model: netlang.Model, images: scenes.Array) -> dict[str, scenes.Array]:
    """What a net says of images u8[n, 3, 32, 32]: `said` i64[n, 11], and `looked` if it pays attention."""
    parts = [model(image=part.astype(np.float32) / 255) for part in np.array_split(images, -(-len(images) // 250))]
    named = [part if isinstance(part, dict) else {"said": part} for part in parts]
    return {name: np.concatenate([part[name] for part in named]) for name in named[0]}


def exact(model: netlang.Model, data: netlang.Dataset) -> float:
    """The share of held-out scenes whose whole sentence is right."""
    return float((told(model, data.test["image"])["said"] == data.test["next"]).all(axis=1).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description="captions of scenes")
    parser.add_argument("--data", default="generated", choices=["generated"])
    parser.add_argument("--quick", action="store_true", help="few scenes and epochs, to see it work")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--figures", type=Path)
    parser.add_argument("--pictures", type=Path)
    args = parser.parse_args()
    seen, unseen = scenes.data(*((2000, 200) if args.quick else (20_000, 1000)), seed=1)
    print(f"unseen combinations: {unseen.held_out}")
    figures: dict[str, float] = {}
    for name, file in NETS.items():
        model = learn(file, seen, args.seed, 2 if args.quick else None)
        figures[f"{name} exact share"] = exact(model, seen)
        figures[f"{name} unseen exact share"] = exact(model, unseen)
    for name, share in figures.items():
        print(f"{name:30} {share:.1%}")
    if args.pictures:
        sentences = [scenes.sentence_of(words) for words in unseen.test["next"]]
        chosen = [next(i for i, s in enumerate(sentences) if f" {r} " in s) for r in scenes.RELATIONS]
        images = unseen.test["image"][chosen]
        draw(images, told(model, images), args.pictures / "looking.png")
    if args.figures:
        shown = {"figures": figures, "pictures": ["looking.png"] if args.pictures else []}
        args.figures.write_text(json.dumps(shown), encoding="utf-8")


if __name__ == "__main__":
    main()
