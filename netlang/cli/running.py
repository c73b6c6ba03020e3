"""netc run: a net on arrays from files."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from netlang.cli.arguments import Verbs, add_net, add_options, add_target, backend_of, module_of, natural, verb
from netlang.cli.loading import add_weights, load_weights
from netlang.diagnostics import NetError
from netlang.driver import assemble
from netlang.runtime.arrays import Array
from netlang.runtime.data import npz
from netlang.runtime.files import replacing
from netlang.runtime.parameters import learned


def add_verbs(verbs: Verbs) -> None:
    new = verb(verbs, "run", run, "run a net on an array from a file")
    add_weights(new, "a safetensors file; not needed by a net without weights")
    new.add_argument("--input", required=True, metavar="X.npy", help="the input; an .npz names several")
    new.add_argument("--output", required=True, metavar="Y.npy", help="where the output goes; several make an .npz")
    new.add_argument("--seed", type=natural, default=0, metavar="N", help="of the net's random nodes (default: 0)")
    add_net(new)
    add_target(new)
    add_options(new)


def run(args: argparse.Namespace) -> None:
    model = assemble(module_of(args), backend_of(args), args.net, args.threads)
    if not load_weights(args, model.family) and learned(model.net):
        raise NetError(f"net '{model.name}' has weights to load", hint="give them with --weights FILE")
    model.freeze()
    model.seed = args.seed
    given = read(Path(args.input))
    outputs = model(**given) if isinstance(given, dict) else model(given)
    path = Path(args.output)
    if isinstance(outputs, dict) and path.suffix != ".npz":
        raise NetError(
            f"net '{model.name}' has {len(outputs)} outputs", hint=f"write them to {path.with_suffix('.npz')}"
        )
    with replacing(path) as temporary, temporary.open("wb") as file:
        if path.suffix == ".npz":
            np.savez(file, **(outputs if isinstance(outputs, dict) else {next(iter(model.outputs)): outputs}))
        else:
            np.save(file, outputs, allow_pickle=False)


def read(path: Path) -> Array | dict[str, Array]:
    """The array of a `.npy` file, or those of an `.npz` by name. Raises NetError where it is neither."""
    return npz.read(path) if path.suffix == ".npz" else npz.read_npy(path)
