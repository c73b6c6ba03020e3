"""One cell of the table, in a process of its own: netlang and the peers on one net, in turn, outputs compared.

    python -m benchmarks.cell resnet50 --mode inference --batch 1 --threads 2 --seconds 2

Prints one line of JSON, a `Cell`. Exit status 1 where an output differs by more than `TOLERANCE`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from benchmarks.layers import Layer, layers
from benchmarks.networks import NETS, images, labels, make_model
from netlang.cli.bench import turns, work
from netlang.ir.graph import Node
from netlang.runtime.arrays import Array
from netlang.runtime.model import Model

OWN = "netlang"
TOLERANCE = 1e-3
"""Largest difference of an output, as a part of the peer's largest output; for training, of the loss."""
STEPS_COMPARED = 2

TORCH = ("torch", "torch channels-last", "torch frozen", "torch.compile")
INFERENCE = (*TORCH, "onnxruntime", "onnxruntime no spinning", "OpenVINO")
TRAINING = ("torch", "torch channels-last", "torch.compile")
MODULES = {"torch": "torch", "onnxruntime": "onnxruntime", "OpenVINO": "openvino"}
VARIANTS = {"torch": "plain", "torch channels-last": "channels-last", "torch frozen": "frozen"}
VARIANTS |= {"torch.compile": "compiled"}

Functions = dict[str, Callable[[], Any]]


@dataclass
class Cell:
    """What was measured. `medians`, `fastest` in seconds, `calls` counted, by name; `differences` from netlang by peer.

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
    madds: int = 0
    memory: int = 0
    peak: float = 0.0


def measure(cell: Cell, peers: tuple[str, ...], seconds: float) -> None:
    """Fill a cell in. Raises SystemExit where outputs differ."""
    model = make_model(cell.net, cell.threads)
    model.compiled.build()
    cell.peak = model.compiled.executable.peak()  # type: ignore[attr-defined]
    functions = (_inference if cell.mode == "inference" else _training)(cell, model, peers)
    samples = turns(functions, seconds)
    cell.medians = {name: statistics.median(times) for name, times in samples.items()}
    cell.fastest = {name: min(times) for name, times in samples.items()}
    cell.calls = {name: len(times) for name, times in samples.items()}


def installed(peers: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the peers whose package is there."""
    return tuple(
        p for p in peers if find_spec(MODULES[_family(p)]) and find_spec("onnx" if p[:5] != "torch" else "torch")
    )


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
        if _family(peer) == "torch":
            made = _torch(cell.threads).inference(plan, model.parameters, image, VARIANTS[peer])
        else:
            exported = exported or _exported(plan, model.parameters, image)
            made = _from_onnx(peer, exported, image, cell.threads)
        for _ in range(2):
            found = made()
        cell.differences[peer] = difference(wanted, found)
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
    if found is not None and not found <= TOLERANCE:
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
        made = torch.training(plan, start, image, label, spec.optimizer.args, VARIANTS[peer])
        losses = [made() for _ in range(STEPS_COMPARED)]
        # Dropout draws from another generator; such nets are compared in inference alone.
        cell.differences[peer] = None if random else difference(np.array(own), np.array(losses))
        check(cell, peer)
        functions[peer] = made
    return functions


def _loss(nodes: tuple[Node, ...]) -> Node:
    return next(n for n in nodes if n.op == "cross_entropy")


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("net", choices=NETS)
    parser.add_argument("--mode", choices=("inference", "training"), default="inference")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=2.0, help="for each framework")
    parser.add_argument("--peers", default="", help="names, separated by commas; all that are installed but compile")
    options = parser.parse_args()
    known = INFERENCE if options.mode == "inference" else TRAINING
    chosen = tuple(options.peers.split(",")) if options.peers else tuple(p for p in known if p != "torch.compile")
    cell = Cell(options.net, options.mode, options.batch, options.threads)
    measure(cell, installed(tuple(p for p in chosen if p in known)), options.seconds)
    sys.stdout.write(json.dumps(asdict(cell)) + "\n")


if __name__ == "__main__":
    main()
