"""netc check: is the file right, and does it fit into memory?"""

from __future__ import annotations

import argparse

from netlang.cli.arguments import (
    Verbs,
    add_net,
    add_options,
    add_sizes,
    add_target,
    backend_of,
    byte_count,
    module_of,
    sizes_of,
    sizes_text,
    verb,
)
from netlang.cli.footprint import Footprint, footprint
from netlang.cli.output import bytes_text, table
from netlang.diagnostics import NetError
from netlang.driver import choose


def add_verbs(verbs: Verbs) -> None:
    new = verb(verbs, "check", check, "parse, type and shape a file; silent where all is right")
    new.add_argument(
        "--fits", type=byte_count, metavar="SIZE", help="fail if training needs more memory, such as 512MB"
    )
    add_sizes(new, "that of the train section, or 1")
    add_net(new)
    add_target(new)
    add_options(new)


def check(args: argparse.Namespace) -> None:
    module = module_of(args)
    net = choose(module, args.net)
    if args.fits is None:
        return
    train = module.train
    batch = args.batch or (train.batch if train else 1)
    sizes = sizes_of(args, train.graph if train else net, batch)
    found = footprint(module, net, backend_of(args), sizes, training=train is not None)
    show(found)
    if found.total > args.fits:
        what = "training" if found.training else "inference"
        needs = f"{what} with {sizes_text(sizes)} needs {bytes_text(found.total)}, more than {bytes_text(args.fits)}"
        raise NetError(f"{args.model}: {needs}", hint="a smaller batch needs less" if batch > 1 else "")


def show(found: Footprint) -> None:
    """The bytes by line of the source, and in all."""
    rows = [(place, *map(str, sizes)) for place, sizes in found.lines()]
    what = "training" if found.training else "inference"
    title = f"bytes at the fullest moment of {what} with {sizes_text(found.sizes)} on {found.target}"
    table(title, ("line", *Footprint.KINDS), rows, ("total", *map(str, found.totals())))
