"""Trains a digit classifier and draws what is in it: filters, maps, what its units like, what it looks at.

python examples/features/train.py [--data digits | mnist] [--quick] --pictures DIR
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import netlang
from netlang.pictures import save, sheet, signed

Array = NDArray[Any]

HERE = Path(__file__).parent
STEPS = 200
SHRINKING = 0.01
"""Share of itself that a picture loses at every step: what the unit does not ask for goes."""
BLURRED = 0.03
"""Share of its neighbours' mean that a pixel takes at every step: what is only there for a few pixels goes."""


def liked(views: netlang.Model, units: int, rng: np.random.Generator, steps: int) -> tuple[Array, Array]:
    """(a picture for each unit of the layer that makes it answer strongly, how strongly).

    Gradient ascent from noise with steps of one length, moved at random by a pixel before each (so that no pattern
    hangs on a place), shrunk and blurred a little after it.
    """
    image = rng.uniform(0, 0.2, (units, 1, 28, 28)).astype(np.float32)
    unit = np.arange(units)
    for _ in range(steps):
        shift = tuple(rng.integers(-1, 2, 2))
        gradient = views(np.roll(image, shift, (2, 3)), unit)["liked"]
        gradient = np.roll(gradient, (-shift[0], -shift[1]), (2, 3))
        length = np.sqrt((gradient**2).mean(axis=(1, 2, 3), keepdims=True)) + 1e-8
        image = (1 - SHRINKING) * (image + 0.05 * gradient / length)
        image = (1 - BLURRED) * image + BLURRED * neighbours(image)
        image = np.clip(image, 0, 1).astype(np.float32)
    return image, views(image, unit)["strong"]


def neighbours(image: Array) -> Array:
    """The mean of the four pixels beside each, black outside."""
    wide = np.pad(image, ((0, 0), (0, 0), (1, 1), (1, 1)))
    return (wide[..., :-2, 1:-1] + wide[..., 2:, 1:-1] + wide[..., 1:-1, :-2] + wide[..., 1:-1, 2:]) / 4


def rows_of(images: Any, width: int) -> list[list[Array]]:
    images = list(images)
    return [images[i : i + width] for i in range(0, len(images), width)]


def bright(image: Array) -> Array:
    """Scaled so that its largest number is 1."""
    return image / max(float(image.max()), 1e-8)


def drawn(views: list[netlang.Model], samples: Array, seed: int, quick: bool) -> tuple[dict[str, Any], float]:
    """(the pictures by name, the mean probability of its class that the pictures for the ten classes reach)."""
    rng = np.random.default_rng(seed)
    steps = 20 if quick else STEPS
    filters = views[0].nets["digit"].parameters["conv1.weight"]
    seen = views[2](samples, np.zeros(len(samples), np.int64))
    pictures = {"filters": sheet(rows_of((signed(f, float(np.abs(filters).max())) for f in filters), 8), scale=9)}
    pictures["maps"] = sheet(
        [[samples[0], *map(bright, seen["maps1"][0][:8])], [None, *map(bright, seen["maps1"][0][8:16])]]
        + [[None, *map(bright, row)] for row in rows_of(seen["maps2"][0][:16], 8)],
        scale=2,
        names=("first stage", "", "second stage", ""),
    )
    by_layer = [liked(v, units, rng, steps) for v, units in zip(views, (16, 32, 10), strict=True)]
    pictures["liked_first"] = sheet(rows_of(by_layer[0][0][:, :, 9:20, 9:20], 8), scale=5)
    pictures["liked_second"] = sheet(rows_of(by_layer[1][0], 8), scale=2)
    best, _ = by_layer[2]
    probs = views[2](best, np.arange(10))["probs"].diagonal()
    captions = [[f"{i}: {p:.0%}" for i, p in row] for row in rows_of(enumerate(probs), 5)]
    pictures["liked_classes"] = sheet(rows_of(best, 5), scale=3, captions=captions)
    pictures["saliency"] = sheet(
        [list(samples), [bright(s) for s in seen["saliency"]]], scale=3, names=("digit", "looked at"),
        captions=[[""] * len(samples), [str(p) for p in seen["probs"].argmax(axis=1)]],
    )  # fmt: skip
    return pictures, float(probs.mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="digits", metavar="SOURCE")
    parser.add_argument("--quick", action="store_true", help="one epoch, short searches")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--figures", type=Path, metavar="OUT.json")
    parser.add_argument("--pictures", type=Path, metavar="DIR")
    args = parser.parse_args()
    views = [netlang.compile(HERE / "views.net", arguments={"layer": layer}) for layer in (1, 2, 3)]
    trainer = views[0].trainer(seed=args.seed)
    data = trainer.fitted(args.data)
    record = trainer.fit(data, netlang.Options(epochs=1 if args.quick else None))
    samples = data.test.take(slice(0, 8))["image"]
    for other in views[1:]:
        other.assign(views[0])
    pictures, reached = drawn(views, samples, args.seed, args.quick)
    figures = {"accuracy": record["test_accuracy"], "reached": reached}
    print("  ".join(f"{name} {value:.4f}" for name, value in figures.items()))
    for name, image in pictures.items():
        if args.pictures:
            save(image, args.pictures / f"{name}.png", colours=128)
    if args.figures:
        names = [f"{name}.png" for name in pictures] if args.pictures else []
        args.figures.write_text(json.dumps({"figures": figures, "pictures": names}))


if __name__ == "__main__":
    main()
