"""One cell of the table, in a process of its own: netlang and the peers on one net, in turn, outputs compared.

    python -m benchmarks.cell resnet50 --mode inference --batch 1 --threads 2 --seconds 8

Prints one line of JSON, a `Cell`. Exit status 1 where an output differs by more than `TOLERANCE`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from benchmarks.layers import Layer, layers
from benchmarks.networks import ROWS, images, labels, make_model, split
from netlang.cli.bench import turns, work
from netlang.ir.graph import Node
from netlang.runtime.arrays import Array
from netlang.runtime.model import Model

OWN = "netlang"
TOLERANCE = 1e-3
"""Largest difference of an output, as a part of the peer's largest output; for training, of the loss."""
HALF_TOLERANCE = 2e-2
"""The same where weights are stored as bfloat16, whose numbers have eight bits."""
STEPS_COMPARED = 2
FEWEST = 2
"""Turns of each framework, however long they take."""

TORCH = ("torch", "torch channels-last", "torch frozen", "torch.compile")
INFERENCE = (*TORCH, "onnxruntime", "onnxruntime no spinning", "OpenVINO", "ncnn")
TRAINING = ("torch", "torch channels-last", "torch.compile")
MODULES = {
    "torch": ("torch",),
    "onnxruntime": ("onnxruntime", "onnx"),
    "OpenVINO": ("openvino", "onnx"),
    "ncnn": ("ncnn",),
}
"""What must be installed for the peers of a family."""
VARIANTS = {"torch": "plain", "torch channels-last": "channels-last", "torch frozen": "frozen"}
VARIANTS |= {"torch.compile": "compiled"}

Functions = dict[str, Callable[[], Any]]


@dataclass
class Cell:
    """What was measured. `medians`, `fastest` in seconds, `calls` counted, by name; `differences` from netlang by peer.

    prepared seconds from a net to its first result, by peer: building, packing, compiling
    skipped  why a peer that was asked for is not there
    madds    multiply-adds of one call, as the net is written
    memory   bytes netlang plans: activations, scratch and packed weights, without the parameters themselves
    peak     FLOP/s of all threads together, measured before the rest
    """

    net: str
    mode: str
    batch: int
    threads: int
    medians: dict[str, float] = field(default_factory=dict)
    fastest: dict[str, float] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    differences: dict[str, float | None] = field(default_factory=dict)
    prepared: dict[str, float] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    madds: int = 0
    memory: int = 0
    peak: float = 0.0


def measure(cell: Cell, peers: tuple[str, ...], seconds: float) -> None:
    """Fill a cell in; the timed calls of all together take about so many seconds. Raises SystemExit where outputs
    differ."""
    model = make_model(cell.net, cell.threads, batch=cell.batch)
    model.compiled.build()
    cell.peak = model.compiled.executable.peak()  # type: ignore[attr-defined]
    functions = (_inference if cell.mode == "inference" else _training)(cell, model, peers)
    samples = turns(functions, seconds / len(functions), FEWEST)
    cell.medians = {name: statistics.median(times) for name, times in samples.items()}
    cell.fastest = {name: min(times) for name, times in samples.items()}
    cell.calls = {name: len(times) for name, times in samples.items()}


def usable(cell: Cell, peers: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the peers that can be measured; the cell keeps why others cannot."""
    for peer in peers:
        missing = [name for name in MODULES[_family(peer)] if find_spec(name) is None]
        if missing:
            cell.skipped[peer] = f"{missing[0]} is not installed"
        elif peer == "torch.compile" and not any(map(shutil.which, (os.environ.get("CXX", "c++"), "g++", "clang++"))):
            cell.skipped[peer] = "there is no C++ compiler"
        elif peer == "ncnn" and cell.batch > 1:
            cell.skipped[peer] = "it takes one image at a time"
        elif peer == "onnxruntime no spinning" and cell.threads == 1:
            cell.skipped[peer] = "one thread waits for nobody"
    return tuple(peer for peer in peers if peer not in cell.skipped)


def _family(peer: str) -> str:
    return next(family for family in MODULES if peer.startswith(family))


def _torch(threads: int) -> Any:
    found = import_module("benchmarks.peers.torch_peer")
    found.set_threads(threads)
    return found


# ---- inference


def _inference(cell: Cell, model: Model, peers: tuple[str, ...]) -> Functions:
    image = images(model, cell.batch)
    functions: Functions = {OWN: lambda: model(image)}
    wanted = model(image)
    cell.madds = work(model.net, {"N": cell.batch})
    cell.memory = model.compiled.planned_bytes({"N": cell.batch})
    plan = layers(model.net.outputs[0][1])
    exported = b""
    for peer in peers:
        start = time.perf_counter()
        if _family(peer) == "torch":
            made = _torch(cell.threads).inference(plan, model.parameters, image, VARIANTS[peer])
        elif peer == "ncnn":
            ncnn = import_module("benchmarks.peers.ncnn_peer")
            made = ncnn.inference(plan, model.parameters, image, cell.threads)
        else:
            exported = exported or _exported(plan, model.parameters, image)
            made = _from_onnx(peer, exported, image, cell.threads)
        made()
        cell.prepared[peer] = time.perf_counter() - start
        cell.differences[peer] = difference(wanted, made())
        check(cell, peer)
        functions[peer] = made
    return functions


def _from_onnx(peer: str, model: bytes, image: Array, threads: int) -> Callable[[], Array]:
    made: Callable[[], Array]
    if peer == "OpenVINO":
        made = import_module("benchmarks.peers.openvino_peer").inference(model, image, threads)
    else:
        spin = peer == "onnxruntime"
        made = import_module("benchmarks.peers.onnx_peer").inference(model, image, threads, spin)
    return made


def _exported(plan: list[Layer], params: Mapping[str, Array], image: Array) -> bytes:
    model: bytes = import_module("benchmarks.peers.onnx_peer").export(plan, params, image.shape)
    return model


def difference(own: Array, peer: Array) -> float:
    """The largest difference, as a part of the peer's largest number."""
    return float(np.abs(own - peer).max() / np.abs(peer).max())


def check(cell: Cell, peer: str) -> None:
    found = cell.differences[peer]
    allowed = HALF_TOLERANCE if split(cell.net)[1] else TOLERANCE
    if found is not None and not found <= allowed:
        raise SystemExit(f"{cell.net}, {cell.mode}, batch {cell.batch}: {peer} differs by {found:.1e}")


# ---- training


def _training(cell: Cell, model: Model, peers: tuple[str, ...]) -> Functions:
    spec = model.module.train
    assert spec is not None
    image, label = images(model, cell.batch), labels(model, cell.batch)
    start = {name: np.array(array) for name, array in model.parameters.items()}
    trainer = model.trainer(0)
    own = [trainer(image, label) for _ in range(STEPS_COMPARED)]
    cell.madds = work(trainer.programs.graph, {"N": cell.batch})
    cell.memory = trainer.programs.step.planned_bytes({"N": cell.batch})
    plan = layers(_loss(spec.graph.nodes).inputs[0])
    random = any(layer.kind == "dropout" for layer in plan)
    functions: Functions = {OWN: lambda: trainer(image, label)}
    for peer in peers:
        torch = _torch(cell.threads)
        began = time.perf_counter()
        made = torch.training(plan, start, image, label, spec.optimizer.args, VARIANTS[peer])
        losses = [made()]
        cell.prepared[peer] = time.perf_counter() - began
        losses += [made() for _ in range(STEPS_COMPARED - 1)]
        # Dropout draws from another generator; such nets are compared in inference alone.
        cell.differences[peer] = None if random else difference(np.array(own), np.array(losses))
        check(cell, peer)
        functions[peer] = made
    return functions


def _loss(nodes: tuple[Node, ...]) -> Node:
    return next(n for n in nodes if n.op == "cross_entropy")


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("net", choices=ROWS)
    parser.add_argument("--mode", choices=("inference", "training"), default="inference")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=8.0, help="of timed calls, everybody's together")
    parser.add_argument("--peers", default="", help="names, separated by commas; all that are installed but compile")
    options = parser.parse_args()
    known = INFERENCE if options.mode == "inference" else TRAINING
    chosen = tuple(options.peers.split(",")) if options.peers else tuple(p for p in known if p != "torch.compile")
    cell = Cell(options.net, options.mode, options.batch, options.threads)
    measure(cell, usable(cell, tuple(p for p in chosen if p in known)), options.seconds)
    sys.stdout.write(json.dumps(asdict(cell)) + "\n")


if __name__ == "__main__":
    main()
