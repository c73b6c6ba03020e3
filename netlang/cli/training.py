"""netc train, netc eval."""

from __future__ import annotations

import argparse
from pathlib import Path

from netlang.cli.arguments import (
    Verbs,
    add_memory,
    add_options,
    add_target,
    backend_of,
    module_of,
    natural,
    positive,
    verb,
)
from netlang.cli.graphs import train_section
from netlang.cli.output import count, number
from netlang.cli.progress import Bar, reporter
from netlang.driver import assemble
from netlang.runtime.data.sources import FORMS
from netlang.runtime.fit import BEST, WEIGHTS, Options
from netlang.runtime.model import Model

_SOURCE = f"{FORMS} by class (default: digits)"


def add_verbs(verbs: Verbs) -> None:
    new = verb(verbs, "train", train, "train a net as its train section says")
    new.add_argument("--data", default="digits", metavar="SOURCE", help=_SOURCE)
    new.add_argument("--epochs", type=natural, metavar="N", help="in place of the train section's")
    new.add_argument("--seed", type=natural, default=0, metavar="N", help="of everything random (default: 0)")
    new.add_argument("--out", default="run", metavar="DIR", help="folder for weights, checkpoint, log (default: run/)")
    new.add_argument("--resume", action="store_true", help="go on from the checkpoint in --out, exactly")
    new.add_argument(
        "--checkpoint-every", type=positive, metavar="STEPS", help="within an epoch too (default: every 30 seconds)"
    )
    add_memory(new)
    add_target(new)
    add_options(new, inference=False)
    new = verb(verbs, "eval", evaluate, "loss and metrics of trained weights on held-out data")
    new.add_argument("--weights", required=True, metavar="FILE", help="a safetensors file")
    new.add_argument("--data", default="digits", metavar="SOURCE", help=_SOURCE)
    add_target(new)
    add_options(new)


def train(args: argparse.Namespace) -> None:
    trainer = trainable(args).trainer(args.seed, args.memory)
    data = trainer.fitted(args.data)
    out = Path(args.out)
    progress = reporter()
    options = Options(args.epochs, out, args.resume, args.checkpoint_every)
    try:
        trainer.fit(data, options, progress)
    finally:
        if isinstance(progress, Bar):
            progress.close()
    print(f"weights: {out / WEIGHTS}  best: {out / BEST}")


def evaluate(args: argparse.Namespace) -> None:
    model = trainable(args).load_weights(args.weights)
    trainer = model.trainer()
    data = trainer.fitted(args.data)
    judged = data.test if len(data.test) else data.train
    found = trainer.measure(judged, trainer.spec.batch)
    print(f"{count(len(judged))} samples of {data.name}: " + "  ".join(f"{n} {number(v)}" for n, v in found.items()))


def trainable(args: argparse.Namespace) -> Model:
    """The model of a file that must have a `train` section."""
    module = module_of(args)
    train_section(module)
    return assemble(module, backend_of(args), None, args.threads)
