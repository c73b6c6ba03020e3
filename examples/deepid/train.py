"""Trains DeepID on some people and asks it about others: are two pictures of the same person?

python examples/deepid/train.py [--data digits | faces] [--quick]

Each quarter of the people is unseen once: trained on the others, verified on it; figures are means of the four.
With `digits`, ten people are ten digits, and shots are handwritings.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from people import multiplied
from verification import best_threshold, cosines, pairs, verified

import netlang
from netlang.pictures import save, sheet

Array = NDArray[Any]

HERE = Path(__file__).parent
FOLDS = 4
BENDS, AMOUNT = 4, 1.5
MOST = 400
"""Pictures that verification looks at, all their pairs; more are thinned out."""


def vectors(model: netlang.Model, image: Array) -> Array:
    """Of each face and its mirror image together, as in the paper: [n, 160]."""
    both = (image, np.ascontiguousarray(image[..., ::-1]))
    return sum(model(side)["vector"] for side in both)  # type: ignore[no-any-return]


def trained(image: Array, label: Array, bends: int, seed: int, epochs: int | None) -> netlang.Model:
    """DeepID after it has learned to tell these people apart."""
    label = np.unique(label, return_inverse=True)[1].reshape(-1)
    image, label = multiplied(np.random.default_rng(seed), image, label, bends, AMOUNT)
    model = netlang.compile(HERE / "deepid.net", arguments={"people": int(label.max()) + 1})
    print(model.trainer(seed).fit({"image": image, "label": label}, netlang.Options(epochs=epochs)), flush=True)
    return model


def faces(source: str) -> tuple[Array, Array]:
    """All pictures of a source as the net takes them, [n, 1, 39, 31], and who it is."""
    trainer = netlang.compile(HERE / "deepid.net").trainer()
    fitted = trainer.fitted(netlang.data(source))
    parts = [part.take(slice(None)) for part in (fitted.train, fitted.test)]
    image, label = (np.concatenate([p[name] for p in parts]) for name in ("image", "label"))
    if len(label) > MOST:
        kept = np.random.default_rng(0).permutation(len(label))[:MOST]
        image, label = image[kept], label[kept]
    return image, label


def drawn(vector: Array, image: Array, person: Array, known: Array) -> Any:
    """Pairs of unseen people that are judged rightly and wrongly, with the cosine of their vectors below."""
    similarity = cosines(vector, vector[known].mean(axis=0))
    threshold = best_threshold(*pairs(similarity[np.ix_(known, known)], person[known]))
    i, j = np.triu_indices(len(person), 1)
    unseen = ~known[i] & ~known[j]
    i, j = i[unseen], j[unseen]
    s, same = similarity[i, j], person[i] == person[j]
    kinds = [
        np.flatnonzero(k)
        for k in (same & (s > threshold), same & (s <= threshold), ~same & (s <= threshold), ~same & (s > threshold))
    ]
    chosen = [k[np.linspace(0, len(k) - 1, min(3, len(k))).astype(int)] for k in kinds]
    rows = [[image[p] for c in row for p in (i[c], j[c])] for row in chosen]
    captions = [[w for c in row for w in (f"{s[c]:.2f}", "")] for row in chosen]
    names = ("same, recognised", "same, missed", "two, told apart", "two, mixed up")
    return sheet(rows, scale=2, names=names, captions=captions)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="digits", metavar="SOURCE")
    parser.add_argument("--quick", action="store_true", help="one fold, one epoch, no bent faces")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--figures", type=Path, metavar="OUT.json")
    parser.add_argument("--pictures", type=Path, metavar="DIR")
    args = parser.parse_args()
    image, person = faces(args.data)
    people = np.random.default_rng(args.seed).permutation(np.unique(person))
    found: dict[str, list[float]] = {}
    for fold in range(1 if args.quick else FOLDS):
        known = ~np.isin(person, people[fold::FOLDS])
        model = trained(image[known], person[known], 0 if args.quick else BENDS, args.seed, 1 if args.quick else None)
        vector = vectors(model, image)
        pixels = (image + image[..., ::-1]).reshape(len(image), -1)
        for name, by in (("", vector), ("pixels_", pixels)):
            for what, value in verified(by, person, known).items():
                found.setdefault(f"{name}{what}", []).append(value)
    figures = {name: float(np.mean(values)) for name, values in found.items()}
    print("  ".join(f"{name} {value:.4f}" for name, value in figures.items()))
    names = ["pairs.png"]
    if args.pictures:
        save(drawn(vector, image, person, known), args.pictures / names[0], colours=128)
    if args.figures:
        args.figures.write_text(json.dumps({"figures": figures, "pictures": names if args.pictures else []}))


if __name__ == "__main__":
    main()
