"""netc train, netc eval."""

from __future__ import annotations

import argparse
from pathlib import Path

from netlang.cli.arguments import (
    Verbs,
    add_memory,
    add_options,
    add_phase,
    add_target,
    backend_of,
    module_of,
    natural,
    positive,
    verb,
)
from netlang.cli.graphs import train_section
from netlang.cli.loading import add_weights, load_weights
from netlang.cli.output import count, number
from netlang.cli.progress import Bar, reporter
from netlang.cli.tuning import add_tune, measure
from netlang.driver import assemble, tune_training
from netlang.runtime import course
from netlang.runtime.data.sources import FORMS
from netlang.runtime.fit import BEST, WEIGHTS, Options
from netlang.runtime.model import Model

_SOURCE = f"{FORMS} by class (default: digits)"


def add_verbs(verbs: Verbs) -> None:
    new = verb(verbs, "train", train, "train a net as its train sections say")
    new.add_argument("--data", default="digits", metavar="SOURCE", help=_SOURCE)
    new.add_argument("--epochs", type=natural, metavar="N", help="in place of the train section's")
    new.add_argument("--seed", type=natural, default=0, metavar="N", help="of everything random (default: 0)")
    new.add_argument("--out", default="run", metavar="DIR", help="folder for weights, checkpoint, log (default: run/)")
    add_phase(new, "all, in the order of the text")
    add_weights(new, "a safetensors file to begin with, in place of random numbers")
    new.add_argument("--resume", action="store_true", help="go on from the checkpoint in --out, exactly")
    new.add_argument(
        "--checkpoint-every", type=positive, metavar="STEPS", help="within an epoch too (default: every 30 seconds)"
    )
    add_memory(new)
    add_target(new)
    add_options(new, inference=False)
    add_tune(new)
    new = verb(verbs, "eval", evaluate, "loss and metrics of trained weights on held-out data")
    add_weights(new, "a safetensors file", required=True)
    new.add_argument("--data", default="digits", metavar="SOURCE", help=_SOURCE)
    add_phase(new, "the last")
    add_target(new)
    add_options(new)


def train(args: argparse.Namespace) -> None:
    model = trainable(args)
    load_weights(args, model.family, args.seed)
    phases = None if args.phase is None else [args.phase]
    if args.tune:
        backend = backend_of(args)
        measure(lambda tell: tune_training(model.module, backend, phases, args.threads, args.tune, tell))
    out = Path(args.out)
    progress = reporter()
    options = Options(args.epochs, out, args.resume, args.checkpoint_every)
    try:
        course.train(model, args.data, options, progress, seed=args.seed, memory=args.memory, phases=phases)
    finally:
        if isinstance(progress, Bar):
            progress.close()
    print(f"weights: {out / WEIGHTS}  best: {out / BEST}")


def evaluate(args: argparse.Namespace) -> None:
    model = trainable(args)
    load_weights(args, model.family)
    # What the last section asks for is what the file is about.
    training = model.training(phase=args.phase if args.phase is not None else model.module.order[-1])
    data = training.fitted(args.data)
    judged = data.test if len(data.test) else data.train
    found = training.evaluate(data)
    print(f"{count(len(judged))} samples of {data.name}: " + "  ".join(f"{n} {number(v)}" for n, v in found.items()))


def trainable(args: argparse.Namespace) -> Model:
    """The model of the net that a file with `train` sections trains: of the last one, where they train several."""
    module = module_of(args)
    spec = train_section(module, args.phase)
    return assemble(module, backend_of(args), spec.graph.name, args.threads)
