"""Trains a digit classifier, then changes held-out digits until it errs: how often, by how large a change?

python examples/adversarial/train.py [--data digits | mnist] [--quick]
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from attacks import change, iterative, one_step, searched
from numpy.typing import NDArray

import netlang
from netlang.pictures import chart, save, sheet, signed

Array = NDArray[Any]

HERE = Path(__file__).parent
SIZES = (0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3)
"""The largest change of a pixel, for the two methods by signs."""
SEARCHED = 50
"""Pictures that the search is tried on, which looks at one at a time."""


def by_signs(attack: netlang.Model, image: Array, label: Array) -> dict[str, list[tuple[float, float, float]]]:
    """(largest change, root mean square of it, share of pictures now wrong) of both methods at each size."""
    out: dict[str, list[tuple[float, float, float]]] = {}
    for name, method in (("one step", one_step), ("iterative", iterative)):
        out[name] = [(0.0, 0.0, 0.0)]
        for size in SIZES:
            changed = method(attack, image, label, size)
            wrong = attack(changed, label)["probs"].argmax(axis=1) != label
            out[name].append((size, float(change(image, changed).mean()), float(wrong.mean())))
    return out


def by_search(attack: netlang.Model, image: Array, label: Array) -> list[Array | None]:
    """What the search finds for each picture, towards the class that comes second."""
    probs = attack(image, label)["probs"].copy()
    probs[np.arange(len(label)), label] = 0
    return [searched(attack, i, int(p.argmax())) for i, p in zip(image, probs, strict=True)]


def curves(signs: dict[str, list[tuple[float, float, float]]], sizes: Array, tried: int) -> Any:
    """Success rate against the root mean square of the change, for all three."""
    lines = {name: ([r for _, r, _ in rows], [100 * s for _, _, s in rows]) for name, rows in signs.items()}
    steps = np.sort(sizes)
    lines["search"] = ([0.0, *steps], [100 * k / tried for k in range(len(steps) + 1)])
    return chart(lines, across="change of a pixel, root mean square (0 to 1)", up="% of digits misread", marks=False)


def shown(attack: netlang.Model, image: Array, label: Array, found: list[Array | None]) -> Any:
    """Digits, what each method makes of them, and the change itself; below, what the classifier reads."""
    which = [i for i in range(len(found)) if found[i] is not None][:4]
    x, y = image[which], label[which]
    versions = [x, one_step(attack, x, y, 0.2), iterative(attack, x, y, 0.1), np.stack([found[i] for i in which])]  # type: ignore[arg-type]
    probs = [attack(v, y)["probs"] for v in versions]
    rows = []
    captions = []
    for i in range(len(which)):
        rows.append([k for v in versions for k in ((v[i],) if v is x else (v[i], signed(v[i] - x[i], 0.3)))])
        words = [f"{p[i].argmax()}: {100 * p[i].max():.0f} %" for p in probs]
        captions.append([words[0], words[1], "", words[2], "", words[3], ""])
    columns = ("digit", "one step, 0.2", "change", "iterative, 0.1", "change", "search", "change")
    return sheet(rows, scale=3, columns=columns, captions=captions)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="digits", metavar="SOURCE")
    parser.add_argument("--quick", action="store_true", help="one epoch, few pictures")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--figures", type=Path, metavar="OUT.json")
    parser.add_argument("--pictures", type=Path, metavar="DIR")
    args = parser.parse_args()
    attack = netlang.compile(HERE / "attack.net")
    trainer = attack.trainer(seed=args.seed)
    data = trainer.fitted(args.data)
    record = trainer.fit(data, netlang.Options(epochs=1 if args.quick else None))
    test = data.test.take(slice(0, 100 if args.quick else 1000))
    right = attack.nets["digit"](test["image"]).argmax(axis=1) == test["label"]
    image, label = test["image"][right], test["label"][right]
    signs = by_signs(attack, image, label)
    tried = 5 if args.quick else SEARCHED
    found = by_search(attack, image[:tried], label[:tried])
    sizes = np.array([change(image[i : i + 1], f[None])[0] for i, f in enumerate(found) if f is not None])
    figures = {
        "accuracy": record["test_accuracy"],
        "search_success": len(sizes) / tried,
        "search_change": float(sizes.mean()),
    }
    for name, rows in signs.items():
        print(f"{name}:\n  largest change   root mean square   misread")
        for size, root, share in rows[1:]:
            print(f"  {size:14.2f}   {root:16.3f}   {share:7.1%}")
            figures[f"{name.replace(' ', '_')}_{size:g}"] = share
    print("  ".join(f"{name} {figures[name]:.4f}" for name in ("accuracy", "search_success", "search_change")))
    names = ["adversarial.png", "success.png"]
    if args.pictures:
        save(shown(attack, image, label, found), args.pictures / names[0])
        save(curves(signs, sizes, tried), args.pictures / names[1], colours=64)
    if args.figures:
        args.figures.write_text(json.dumps({"figures": figures, "pictures": names if args.pictures else []}))


if __name__ == "__main__":
    main()
