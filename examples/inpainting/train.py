"""Trains an autoencoder that fills holes in digits, then goes on with a judge beside it; draws and measures both.

python examples/inpainting/train.py [--data digits | mnist] [--quick]
"""

import argparse
import json
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

import netlang
from netlang.pictures import save, sheet

Array = NDArray[Any]

HERE = Path(__file__).parent
SHOWN = 10
JUDGED = 2000
"""Held-out digits that are filled and measured."""


def trained(data: str, seed: int, epochs: int | None) -> tuple[netlang.Model, netlang.Model, Any]:
    """(the net as the autoencoder left it, the same after the judge's schooling, the data as it takes them)."""
    model = netlang.compile(HERE / "context.net")
    alone = model.trainer(seed, phase="alone")
    fitted, options = alone.fitted(data), netlang.Options(epochs=epochs)
    print("alone:", alone.fit(fitted, options), flush=True)
    before = model.copy()
    print("with a judge:", model.training(seed, phase="play").fit(data, options), flush=True)
    return before, model, fitted


def filled_with(picture: Array, answer: dict[str, Array]) -> Array:
    """The digits with their holes filled from a picture."""
    return answer["seen"] + answer["missing"] * picture


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="digits", metavar="SOURCE")
    parser.add_argument("--quick", action="store_true", help="one epoch of each")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--figures", type=Path, metavar="OUT.json")
    parser.add_argument("--pictures", type=Path, metavar="DIR")
    args = parser.parse_args()
    first, second, data = trained(args.data, args.seed, 1 if args.quick else None)

    image = data.test.take(slice(0, JUDGED))["image"]
    train = data.train.take(slice(None))["image"]
    # With the same seed both draw the same holes.
    answer = first(image, seed=args.seed)
    fills = {
        "grey": filled_with(train.mean(), answer),
        "mean_picture": filled_with(train.mean(axis=0), answer),
        "autoencoder": answer["filled"],
        "with_judge": second(image, seed=args.seed)["filled"],
    }
    error = {name: float(((fill - image) ** 2).sum() / answer["missing"].sum()) for name, fill in fills.items()}
    figures = {f"error_{name}": value for name, value in error.items()}
    figures["share_of_mean_picture"] = error["autoencoder"] / error["mean_picture"]
    print("  ".join(f"{name} {value:.4f}" for name, value in figures.items()))
    names = ["inpainting.png"]
    if args.pictures:
        rows = [image, answer["seen"], fills["mean_picture"], fills["autoencoder"], fills["with_judge"]]
        words = ("digit", "seen", "mean picture", "autoencoder", "with a judge")
        save(sheet([list(row[:SHOWN]) for row in rows], names=words, scale=2), args.pictures / names[0], colours=64)
    if args.figures:
        args.figures.write_text(json.dumps({"figures": figures, "pictures": names if args.pictures else []}))


if __name__ == "__main__":
    main()
