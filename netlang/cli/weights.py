"""netc weights: what is in a file of weights, in what two differ, and a file with other names or types."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

from netlang.cli.arguments import Verbs, add_net
from netlang.cli.loading import add_map
from netlang.cli.output import bytes_text, count, table
from netlang.diagnostics import NetError
from netlang.driver import choose
from netlang.frontend import load
from netlang.frontend.settings import written
from netlang.interchange.weights.comparing import Difference, Tolerance, compare
from netlang.interchange.weights.converting import convert
from netlang.interchange.weights.statistics import statistics
from netlang.ir.dims import shape_text
from netlang.runtime.mapping.fitting import Demands
from netlang.runtime.mapping.guessing import natural
from netlang.runtime.mapping.loading import table_of, wanted
from netlang.runtime.mapping.stored import Entry, Stored, open_stored
from netlang.runtime.parameters import is_learned
from netlang.runtime.tensor_file import Wanted

DIFFERENT = 1
"""The exit status where two files differ."""
SUFFIX = ".safetensors"
TYPES = ("f16", "bf16", "f32")
_FILE = "a safetensors, .npz or .netc file"


def add_verbs(verbs: Verbs) -> None:
    text = "list, compare and convert files of weights"
    kinds = verbs.add_parser("weights", help=text, description=text).add_subparsers(metavar="WHAT", required=True)
    new = _verb(kinds, "list", show, "names, shapes and types of what is in a file")
    new.add_argument("file", metavar="FILE", help=_FILE)
    new.add_argument("--statistics", action="store_true", help="with the least, mean, most and norm of each tensor")
    new = _verb(kinds, "diff", diff, f"in what two files differ; the exit status is {DIFFERENT} where they do")
    new.add_argument("first", metavar="A", help=_FILE)
    new.add_argument("second", metavar="B", help="the other")
    new.add_argument("--atol", type=_tolerance, default=0.0, metavar="X", help="differences up to this do not count")
    new.add_argument("--rtol", type=_tolerance, default=0.0, metavar="X", help="the same, in parts of A's number")
    new = _verb(kinds, "convert", rewrite, "write a safetensors file with other names, other types, or for a net")
    new.add_argument("file", metavar="FILE", help=_FILE)
    new.add_argument("-o", "--output", required=True, metavar="OUT", help=f"a name that ends in {SUFFIX}")
    add_map(new)
    new.add_argument(
        "--for", dest="model", metavar="MODEL.net", help="check that this net's parameters are what is written"
    )
    add_net(new)
    new.add_argument("--set", type=written, action="append", default=[], metavar="NAME=VALUE", help="a parameter of it")
    new.add_argument("--as", dest="floats", choices=TYPES, help="what floating-point numbers become")
    new.add_argument(
        "--partial", action="store_true", help="FILE may lack parameters of the net, and what it has not is left out"
    )


def _verb(verbs: Verbs, name: str, carry_out: object, text: str) -> argparse.ArgumentParser:
    new: argparse.ArgumentParser = verbs.add_parser(name, help=text, description=text)
    new.set_defaults(carry_out=carry_out)
    return new


def show(args: argparse.Namespace) -> None:
    stored = open_stored(args.file)
    names = sorted(stored.entries, key=natural)
    heads = ["tensor", "type", "shape", "elements", "bytes"]
    rows = [_row(name, stored.entries[name]) for name in names]
    if args.statistics:
        heads += ["least", "mean", "most", "norm", "not finite"]
        rows = [row + _figures(stored, name) for name, row in zip(names, rows, strict=True)]
    sums = [sum(math.prod(e.shape) for e in stored.entries.values()), sum(e.bytes for e in stored.entries.values())]
    totals = [f"{count(len(rows))} in all", "", "", count(sums[0]), bytes_text(sums[1])]
    table(args.file, heads, rows, totals + [""] * (len(heads) - len(totals)), text_columns=3)


def _row(name: str, entry: Entry) -> list[str]:
    return [name, entry.dtype, shape_text(entry.shape), count(math.prod(entry.shape)), bytes_text(entry.bytes)]


def _figures(stored: Stored, name: str) -> list[str]:
    found = statistics(stored.read(name)) if stored.readable(name) else None
    if found is None:
        return ["-"] * 5
    numbers = [f"{number:.4g}" for number in (found.least, found.mean, found.most, found.norm)]
    return [*numbers, count(found.odd) if found.odd else ""]


def diff(args: argparse.Namespace) -> int:
    found = list(compare(open_stored(args.first), open_stored(args.second), Tolerance(args.atol, args.rtol)))
    unlike = [difference for difference in found if not difference.same]
    if not unlike:
        print(f"{count(len(found))} tensors, all the same")
        return 0
    heads = ("tensor", "in A", "in B", "largest difference", "relative", "elements that differ")
    table(f"A = {args.first}, B = {args.second}", heads, [_told(d) for d in unlike], text_columns=3)
    print(f"{count(len(unlike))} of {count(len(found))} tensors differ")
    return DIFFERENT


def _told(found: Difference) -> list[str]:
    types = [entry.type if entry else "-" for entry in (found.first, found.second)]
    if found.first is None or found.second is None or found.first.shape != found.second.shape:
        return [found.name, *types, "", "", ""]
    return [found.name, *types, f"{found.absolute:.4g}", f"{found.relative:.4g}", count(found.unequal)]


def rewrite(args: argparse.Namespace) -> None:
    if not args.output.endswith(SUFFIX):
        raise NetError(f"'{args.output}' does not say what it is", hint=f"weights are written to a name in {SUFFIX}")
    if not args.model and (args.partial or args.by_order or args.net or args.set):
        raise NetError("--partial, --by-order, --net and --set are about a net", hint="add --for MODEL.net")
    demands = Demands(args.partial, args.by_order, rounded=args.floats is not None)
    params = _wanted(args) if args.model else None
    print(convert(open_stored(args.file), args.output, table_of(args.map), params, demands, args.floats))


def _wanted(args: argparse.Namespace) -> dict[str, Wanted]:
    module = load(Path(args.model), arguments=dict(args.set))
    for warning in module.warnings:
        print(warning, file=sys.stderr)
    return wanted([p for p in module.kept_with(choose(module, args.net).name) if is_learned(p)])


def _tolerance(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found < math.inf:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number from 0 on")
    return found
