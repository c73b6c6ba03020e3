"""`netc import`: a network from an ONNX file."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from netlang.cli.arguments import Verbs, natural
from netlang.cli.output import bytes_text
from netlang.diagnostics import NetError
from netlang.frontend import load
from netlang.runtime.data.npz import read_npy
from netlang.runtime.ports import Array

if TYPE_CHECKING:
    from netlang.interchange.importing import Imported


def add_verbs(verbs: Verbs) -> None:
    help = "write a .net file, and weights, of an ONNX file"
    new = verbs.add_parser("import", help=help, description=help)
    new.set_defaults(carry_out=_import)
    new.add_argument("file", metavar="MODEL.onnx", help="the ONNX file")
    new.add_argument("-o", "--output", metavar="MODEL.net", help="the .net file to write (default: beside it)")
    new.add_argument("--weights", metavar="FILE", help="the weights file to write (default: MODEL.safetensors)")
    new.add_argument("--name", metavar="NAME", default="", help="of the net (default: the graph's own)")
    new.add_argument("--flat", action="store_true", help="a line for each operation, no blocks")
    new.add_argument(
        "--size", type=_size, action="append", default=[], metavar="NAME=N", help="a number for a named size of inputs"
    )
    new.add_argument("--batch", type=natural, metavar="N", help="a number for the first size of every input")
    new.add_argument(
        "--value",
        type=_value,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="what an input always is, such as shape=1,3,-1 or k=5 or x=FILE.npy, where an operator must know it",
    )


def _import(args: argparse.Namespace) -> None:
    from netlang.interchange.importing import import_onnx

    source = Path(args.file)
    target = Path(args.output) if args.output else source.with_suffix(".net")
    weights = Path(args.weights) if args.weights else target.with_suffix(".safetensors")
    if source.absolute() in (target.absolute(), weights.absolute()):
        raise NetError(f"{source} is what is read: it would be overwritten", hint="say where to write: -o MODEL.net")
    found = import_onnx(
        source, name=args.name, sizes=dict(args.size), batch=args.batch, values=dict(args.value), flat=args.flat
    )
    if not found.outputs:
        raise NetError(f"{source}: nothing is left to compute", hint="all outputs are empty")
    found.write(target, weights)
    for line in _summary(found, target, weights):
        print(line)


def _summary(found: Imported, target: Path, weights: Path) -> Iterator[str]:
    lines = found.text.splitlines()
    blocks = sum(line.startswith("block ") for line in lines)
    folded = f", {found.folded} of them carried out now" if found.folded else ""
    yield f"{target}: {_counted(len(lines), 'line')}, {_counted(blocks, 'block')}, from {found.nodes} nodes{folded}"
    if found.weights:
        count = sum(array.size for array in found.weights.values())
        size = bytes_text(sum(array.nbytes for array in found.weights.values()))
        yield f"{weights}: {count:,} numbers in {_counted(len(found.weights), 'array')}, {size}"
    net = load(found.text, str(target)).net
    yield from _ports("input", found.inputs, {v.node.name: str(v.type) for v in net.inputs})
    yield from _ports("output", found.outputs, {name: str(v.type) for name, v in net.outputs})
    for name in found.empty:
        yield f"output '{name}' has no elements and was left out"


def _ports(what: str, names: Mapping[str, str], types: Mapping[str, str]) -> Iterator[str]:
    for theirs, ours in names.items():
        other = "" if theirs == ours else f"   ({theirs} in the file)"
        yield f"{what:6} {ours}: {types[ours]}{other}"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _size(text: str) -> tuple[str, int]:
    name, equals, number = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"'{text}' is not a name and a number, such as N=4")
    return name, natural(number)


def _value(text: str) -> tuple[str, Array]:
    """A number, numbers with commas between them, lists of lists of them, or the array of a file."""
    name, equals, told = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"'{text}' is not a name and a value, such as shape=1,3,-1")
    if told.endswith(".npy"):
        return name, read_npy(Path(told))
    try:
        found = json.loads(told if told.startswith("[") or "," not in told else f"[{told}]")
        array = np.array(found)
    except (ValueError, RecursionError):
        array = np.array(None)
    if array.dtype.kind not in "fiub":
        raise argparse.ArgumentTypeError(f"'{told}' is no number, no list of numbers, and no .npy file")
    return name, array
