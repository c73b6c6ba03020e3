"""Arguments that several verbs share, and how their texts are read."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from netlang.backends.base import PRECISIONS, Backend
from netlang.diagnostics import NetError
from netlang.driver import BACKENDS, WEIGHT_TYPES, backend_for, options
from netlang.frontend import load
from netlang.frontend.settings import written
from netlang.ir.graph import Graph
from netlang.ir.module import Module
from netlang.runtime.model import batch_symbol, user_inputs

Verbs = Any
"""What argparse's `add_subparsers` returns; it has no public name."""

USUAL_SIZE = 64
"""What a symbolic dim that is not the batch counts as where nobody says: images of 64 x 64, sequences of 64."""

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}


def verb(
    verbs: Verbs, name: str, carry_out: Callable[[argparse.Namespace], None], help: str
) -> argparse.ArgumentParser:
    """Add a verb that takes a `.net` file."""
    new: argparse.ArgumentParser = verbs.add_parser(name, help=help, description=help)
    new.set_defaults(carry_out=carry_out)
    new.add_argument("model", metavar="MODEL.net", help="the .net file")
    new.add_argument(
        "--set",
        type=written,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a parameter of the net, or a constant of the file",
    )
    return new


def add_net(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--net", metavar="NAME", help="which net of the file (default: the last)")


def add_phase(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument("--phase", metavar="NAME", help=f"which train section (default: {default})")


def add_sizes(parser: argparse.ArgumentParser, batch: str) -> None:
    """`--batch`, whose default `batch` says in words, and `--size` for the other symbolic dims."""
    parser.add_argument("--batch", type=positive, metavar="N", help=f"batch size (default: {batch})")
    parser.add_argument(
        "--size",
        type=_size,
        action="append",
        default=[],
        metavar="NAME=N",
        help=f"size of another symbolic dim (default: {USUAL_SIZE})",
    )


def sizes_of(args: argparse.Namespace, graph: Graph, batch: int) -> dict[str, int]:
    """A size for every symbolic dim of a graph. Raises NetError for one it does not have."""
    first = str(batch_symbol(user_inputs(graph)))
    sizes = {name: batch if name == first else USUAL_SIZE for name in graph.symbols}
    for name, size in args.size:
        if name not in sizes:
            known = ", ".join(sizes) or "none"
            raise NetError(f"net '{graph.name}' has no symbolic dim '{name}'", hint=f"its symbolic dims are {known}")
        sizes[name] = size
    return sizes


def sizes_text(sizes: Mapping[str, int]) -> str:
    """`N = 1, H = 64`."""
    return ", ".join(f"{name} = {size}" for name, size in sizes.items())


def _size(text: str) -> tuple[str, int]:
    name, equals, number = text.partition("=")
    if not name.strip() or not equals:
        raise argparse.ArgumentTypeError(f"'{text}' is not a name and a number, such as T=64")
    return name.strip(), positive(number.strip())


def add_target(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--target", default="cpu", metavar="|".join(BACKENDS), help="what to compile for (default: cpu)"
    )
    parser.add_argument("--threads", type=positive, metavar="N", help="threads of compiled code (default: all cores)")


def add_options(parser: argparse.ArgumentParser, inference: bool = True) -> None:
    """What may be asked of generated code; see `netlang.driver.options`."""
    parser.add_argument(
        "--precision",
        metavar="NAME",
        default=PRECISIONS[0],
        help=f"what factors of products are rounded to on a GPU: {', '.join(PRECISIONS)} (default: %(default)s)",
    )
    parser.add_argument("--exact", action="store_true", help="no algorithm that rounds more than the plain sum")
    parser.add_argument("--deterministic", action="store_true", help="the same bits for any number of threads")
    if inference:
        parser.add_argument(
            "--weights-as", metavar="TYPE", help=f"keep weights as {' or '.join(WEIGHT_TYPES)} in inference"
        )


def add_memory(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--memory",
        type=byte_count,
        metavar="SIZE",
        help="bytes for a training step in all, such as 2GB: activations are computed again where it takes that",
    )


def backend_of(args: argparse.Namespace) -> Backend:
    """The backend that a verb was asked for, with its options."""
    stored, batch = getattr(args, "weights_as", None), getattr(args, "batch", None)
    return backend_for(args.target, options(args.exact, args.deterministic, stored, batch, args.precision))


def module_of(args: argparse.Namespace) -> Module:
    """The file a verb was given; its warnings go to standard error."""
    module = load(Path(args.model), arguments=dict(args.set))
    for warning in module.warnings:
        print(warning, file=sys.stderr)
    return module


def positive(text: str) -> int:
    """A whole number from 1 on."""
    return _whole(text, 1)


def natural(text: str) -> int:
    """A whole number from 0 on."""
    return _whole(text, 0)


def _whole(text: str, least: int) -> int:
    if not (text.isascii() and text.isdigit()) or (len(text) < 20 and int(text) < least):
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number from {least} on")
    if len(text) > 19 or int(text) >= 2**63:
        raise argparse.ArgumentTypeError(f"{text[:40]} is too large: the most is 2^63 - 1")
    return int(text)


def names(text: str) -> list[str]:
    """`a,b` as its parts."""
    found = [part.strip() for part in text.split(",")]
    if not all(found):
        raise argparse.ArgumentTypeError(f"'{text}' is not a list of names with commas between them")
    return found


def identifier(text: str) -> str:
    """A name as C has them."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", text):
        raise argparse.ArgumentTypeError(f"'{text}' is no name that C has")
    return text


def seconds(text: str) -> float:
    """Some time, at most a day."""
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0 < found < 86400:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number of seconds above 0")
    return found


def byte_count(text: str) -> int:
    """`512MB`, `1.5GiB`, `4096`: powers of ten, or of two with an i."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]i?)?b?", text.strip().lower())
    if not found:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number of bytes, such as 512MB or 1.5GiB")
    return int(float(found[1]) * _UNITS[found[2] or ""])
