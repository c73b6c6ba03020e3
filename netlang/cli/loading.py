"""`--weights FILE` of several verbs, with the table of names and what may be left out."""

from __future__ import annotations

import argparse
import sys

from netlang.diagnostics import NetError
from netlang.runtime.family import Family
from netlang.runtime.mapping.fitting import Demands


def add_weights(parser: argparse.ArgumentParser, help: str, required: bool = False) -> None:
    parser.add_argument("--weights", metavar="FILE", required=required, help=help)
    add_map(parser)
    parser.add_argument(
        "--partial",
        action="store_true",
        help="weights that FILE lacks begin at random, and what the net does not have is left out; a report says which",
    )


def add_map(parser: argparse.ArgumentParser) -> None:
    """What says which tensor of a file is which parameter."""
    parser.add_argument("--map", metavar="TABLE", help="a table of names, a rule a line: their.name -> our.name")
    parser.add_argument(
        "--by-order", action="store_true", help="guess by shape and order what names do not say; a report tells"
    )


def load_weights(args: argparse.Namespace, family: Family, seed: int = 0) -> bool:
    """Whether there were weights to load. A report goes to standard error, where one was asked for."""
    if not args.weights:
        if args.map or args.partial or args.by_order:
            raise NetError("--map, --partial and --by-order say how weights are read", hint="add --weights FILE")
        return False
    if args.partial:
        family.init(seed)
    report = family.load(args.weights, args.map, Demands(args.partial, args.by_order))
    if args.map or args.partial or args.by_order:
        print(report, file=sys.stderr)
    return True
