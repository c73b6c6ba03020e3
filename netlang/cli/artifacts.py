"""netc inspect, and what netc compile writes into a file that runs without a compiler."""

from __future__ import annotations

import argparse
import time
from typing import Any

from netlang.backends.base import Backend, Library, Request
from netlang.cli.arguments import Verbs
from netlang.cli.loading import load_weights
from netlang.cli.output import bytes_text, count, table
from netlang.diagnostics import NetError, did_you_mean
from netlang.driver import assemble, half_type
from netlang.ir.module import Module
from netlang.runtime.artifact import FORMAT, Artifact, open_artifact
from netlang.runtime.artifact.damage import damage_told
from netlang.runtime.artifact.signature import Signature
from netlang.runtime.artifact.stored import HALVES, bytes_of
from netlang.runtime.parameters import learned
from netlang.shipping import trainers_of, write_library, write_nets

MOST_NAMES = 20
"""Weights that a step changes that are listed."""
SUFFIX = ".netc"
"""What `netc compile -o` writes such a file for."""
LIBRARY = ".so"
"""What it writes a shared library for."""


def add_verbs(verbs: Verbs) -> None:
    text = "what is in a file that netc compile has written; every checksum is compared"
    new = verbs.add_parser("inspect", help=text, description=text)
    new.set_defaults(carry_out=inspect)
    new.add_argument("file", metavar="MODEL.netc", help="the file")
    new.add_argument("--source", action="store_true", help="print the text of the .net file that it was made of")


def write(args: argparse.Namespace, module: Module, backend: Backend) -> None:
    """Compile nets with their weights into one file, for `netlang.load` or with a C interface."""
    start, stored = time.perf_counter(), half_type(args.store_as)
    model = assemble(module, backend, args.net, args.threads)
    models = [model, *(model.nets[name] for name in args.also if name != model.name)]
    if stored is not None and args.train:
        raise NetError("weights that are still to learn are not rounded", hint="leave out --train or --store-as")
    if args.seed is not None and not args.train:
        raise NetError("--seed is for files that learn", hint="add --train")
    if not load_weights(args, model.family, args.seed or 0) and learned(model.net) and not args.train:
        raise NetError(f"net '{model.name}' has weights to load", hint="give them with --weights FILE")
    trainers = trainers_of(model, args.seed or 0) if args.train else []
    graphs = [*(m.net for m in models), *(t.spec.graph for t in trainers)]
    known = {name: None for graph in graphs for name in graph.symbols}
    for name, _ in args.size:
        if name not in known:
            hint = did_you_mean(name, known) or f"there are {', '.join(known) or 'none'}"
            raise NetError(f"no net has a symbolic dim '{name}'", hint=hint)
    request = Request(tuple(args.arch), args.threads, dict(args.size), stored)
    if args.output.endswith(LIBRARY):
        options = {"header": args.header, "prefix": args.prefix, "beside": args.weights_beside}
        told = _library_text(args.output, write_library(args.output, models, backend, request, trainers, **options))
    else:
        size = write_nets(args.output, models, backend, request, trainers)
        told = f"{args.output}: {bytes_text(size)}, of which weights {bytes_text(_weights(open_artifact(args.output)))}"
    what = [*(m.name for m in models), *(f"step of {t.name or t.spec.graph.name}" for t in trainers)]
    print(f"{', '.join(what)} for {backend.name} in {time.perf_counter() - start:.2f} s")
    print(told)


def _library_text(path: str, library: Library) -> str:
    beside = "" if library.weights is None else f", and beside it weights, {bytes_text(len(library.weights))}"
    return f"{path}: {bytes_text(len(library.body))}{beside}"


def inspect(args: argparse.Namespace) -> None:
    artifact = open_artifact(args.file)
    artifact.check()
    with damage_told(artifact):
        _show(args, artifact)


def _show(args: argparse.Namespace, artifact: Artifact) -> None:
    content = artifact.content
    if args.source:
        if "source" not in content:
            raise NetError(f"{args.file} does not hold the text that it was made of")
        print(content["source"]["text"], end="")
        return
    whole = sum(member.size for member in artifact.members.values())
    made = f" by netlang {content['netlang']}" if "netlang" in content else ""
    print(f"{args.file}: format {FORMAT}, made{made} for {content.get('target')}, {bytes_text(whole)} in all members")
    if "source" in content:
        print(f"source {content['source']['name']}, SHA-256 {content['source']['sha256']}")
    if "nets" in content:
        _show_nets(content)
    if "steps" in content:
        _show_steps(content)
    if "levels" in content:
        _show_levels(artifact)
    print()
    rows = [(name, count(member.size), member.digest.hex()) for name, member in artifact.members.items()]
    table("", ("member", "bytes", "SHA-256"), rows)


def _show_steps(content: dict[str, Any]) -> None:
    """What each training step takes and changes, and the bytes of both."""
    rows = []
    for name, said in content["steps"].items():
        signature = Signature.of(said)
        takes = ", ".join(f"{port.name} {port.type}" for port in signature.inputs)
        gives = ", ".join(port.name for port in signature.outputs)
        both = {**said["params"], **said["private"]}
        shared = [name for name in said["updates"] if name in said["params"]]
        own = [name for name in said["updates"] if name in said["private"]]
        rows.append((name or "-", said["net"], takes, gives, _sizes(said), _changed(shared, both), _changed(own, both)))
    print()
    heads = ("train section", "net", "inputs", "outputs", "sizes", "changes of the weights", "keeps for itself")
    table("", heads, rows, text_columns=7)
    for name, said in content["steps"].items():
        changed = [key for key in said["updates"] if key in said["params"]]
        more = f" and {count(len(changed) - MOST_NAMES)} more" if len(changed) > MOST_NAMES else ""
        print(f"{name or 'it'} changes {', '.join(changed[:MOST_NAMES])}{more}")
    print(f"weights of a file: {_stored_text(content['weights'])}; seed {content['seed']}")


def _changed(names: list[str], places: dict[str, Any]) -> str:
    return f"{count(len(names))} of {_stored_text({name: places[name] for name in names})}"


def _show_nets(content: dict[str, Any]) -> None:
    rows = []
    for name, said in content["nets"].items():
        signature = Signature.of(said)
        takes, gives = (", ".join(f"{p.name} {p.type}" for p in ports) for ports in _ports(signature))
        rows.append((name, takes, gives, _sizes(said), _stored_text(said["params"])))
    print()
    table("", ("net", "inputs", "outputs", "sizes", "weights"), rows, text_columns=4)


def _ports(signature: Signature) -> tuple[Any, Any]:
    return signature.inputs, signature.outputs


def _sizes(said: dict[str, Any]) -> str:
    least, largest = said["least"], said["largest"]
    parts = [f"{name} from {least.get(name, 0)} to {largest.get(name, 'any')}" for name in {**least, **largest}]
    return ", ".join(parts) or "any"


def _stored_text(places: dict[str, Any]) -> str:
    """`120.5 kB, of which bf16 118.2 kB`"""
    found = bytes_of(places)
    halves = "".join(f", of which {name} {bytes_text(found[name])}" for name in HALVES if name in found)
    return bytes_text(sum(found.values())) + halves


def _show_levels(artifact: Artifact) -> None:
    rows = []
    for level in artifact.content["levels"]:
        stored = artifact.members[f"code/{level['name']}"].size
        rows.append((level["name"], ", ".join(level["needs"]), ", ".join(level["imports"]),
                     count(level["bytes"]), count(stored)))  # fmt: skip
    print()
    table("", ("processor", "needs", "calls", "code", "stored"), rows, text_columns=3)


def _weights(artifact: Artifact) -> int:
    return artifact.members["weights"].size
