"""Trains one of the machines, says how well it does, and draws what it recalls and dreams.

python examples/energy/train.py rbm|boltzmann|dbn|updown [--data SOURCE] [--quick] [--seed 1] [--figures OUT.json]
                                [--pictures DIR]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from bars import Array, divergence, patterns
from draw import chains, filters, square, thoughts

import netlang
from netlang.pictures import save, sheet

HERE = Path(__file__).parent
SHOWN = 10
"""Images in a row of a picture."""


class Lines(netlang.Progress):
    """One line an epoch."""

    def epoch(self, record: Mapping[str, Any]) -> None:
        shown = {k: v for k, v in record.items() if k != "phase"}
        print(record.get("phase", ""), "  ".join(f"{k} {v:.4g}" for k, v in shown.items()), flush=True)


def held_out(model: netlang.Model, data: str, phase: str) -> Array:
    """The first images of those that are held out, as the net takes them."""
    test = model.trainer(phase=phase).fitted(data).test
    return np.asarray(test.take(np.arange(SHOWN))["image"])


def rbm(options: argparse.Namespace) -> tuple[dict[str, float], list[str]]:
    """Once by contrastive divergence, once with persistent chains."""
    figures = {}
    for name, chained in (("rbm", 0), ("rbm-chains", 100)):
        model = netlang.compile(HERE / "rbm.net", arguments={"chains": chained})
        record = netlang.train(model, options.data, options.options, Lines(), seed=options.seed)
        figures["error_with_chains" if chained else "error"] = record["test_error"]
        chains(model, held_out(model, options.data, ""), options.pictures / f"{name}.png")
        if not chained:
            filters(model.parameters["up.weight"], options.pictures / "rbm-filters.png")
    return figures, ["rbm.png", "rbm-chains.png", "rbm-filters.png"]


def boltzmann(options: argparse.Namespace) -> tuple[dict[str, float], list[str]]:
    model = netlang.compile(HERE / "boltzmann.net")
    shapes = patterns(3)
    data = {"image": np.tile(shapes, (100 if options.quick else 1000, 1))}
    netlang.train(model, data, options.options, Lines(), seed=options.seed)
    distance = divergence(model.parameters["weight"], model.parameters["bias"], shapes)
    dreams = model(image=shapes)["dreams"]
    known = {row.tobytes() for row in shapes}
    right = float(np.mean([row.tobytes() in known for row in np.ascontiguousarray(dreams)]))
    print(f"{distance:.3f} nats from the {len(shapes)} patterns; {right:.0%} of its dreams are among them")
    rows = [square(1 - 0.85 * part) for part in (shapes, dreams[:14], dreams[14:28], dreams[28:42])]
    save(sheet(rows, names=["patterns", "dreams", "", ""], scale=8), options.pictures / "boltzmann.png")
    return {"divergence": distance, "dreams_right": right}, ["boltzmann.png"]


def dbn(options: argparse.Namespace) -> tuple[dict[str, float], list[str]]:
    model = netlang.compile(HERE / "dbn.net")
    layers = ["one", "two", "three"]
    netlang.train(model, options.data, options.options, Lines(), seed=options.seed, phases=layers)
    images = held_out(model, options.data, "one")
    rows = [square(images), square(model.nets["bottom"](images))]
    save(sheet(rows, names=["given", "recalled"], scale=2), options.pictures / "dbn.png")
    filters(model.parameters["first.weight"], options.pictures / "dbn-filters.png")
    record = netlang.train(model, options.data, options.options, Lines(), seed=options.seed, phases=["finetune"])
    return {"accuracy": record["test_accuracy"]}, ["dbn.png", "dbn-filters.png"]


def updown(options: argparse.Namespace) -> tuple[dict[str, float], list[str]]:
    model = netlang.compile(HERE / "updown.net")
    record = netlang.train(model, options.data, options.options, Lines(), seed=options.seed)
    drawing = model.nets["draw"]
    units = int(drawing.inputs["state"].rpartition(", ")[2].rstrip("]"))
    thoughts(drawing, units, options.pictures / "updown.png", calls=2 if options.quick else 6)
    return {"accuracy": record["test_accuracy"]}, ["updown.png"]


MACHINES: dict[str, Callable[[argparse.Namespace], tuple[dict[str, float], list[str]]]] = {
    "rbm": rbm, "boltzmann": boltzmann, "dbn": dbn, "updown": updown,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description="Train an energy model.")
    parser.add_argument("machine", choices=MACHINES, nargs="?", default="rbm")
    parser.add_argument("--data", default="digits", help="digits, mnist, ... (the Boltzmann machine makes its own)")
    parser.add_argument("--quick", action="store_true", help="one epoch each")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--figures", type=Path)
    parser.add_argument("--pictures", type=Path, default=Path("run/energy"))
    options = parser.parse_args()
    options.options = netlang.Options(epochs=1 if options.quick else None)
    options.pictures.mkdir(parents=True, exist_ok=True)
    figures, pictures = MACHINES[options.machine](options)
    print("  ".join(f"{name} {value:.4f}" for name, value in figures.items()))
    print("  ".join(str(options.pictures / name) for name in pictures))
    if options.figures:
        options.figures.write_text(json.dumps({"figures": figures, "pictures": pictures}))


if __name__ == "__main__":
    main()
