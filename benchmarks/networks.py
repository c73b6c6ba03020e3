"""The nets of the benchmarks, with weights and inputs that keep their numbers sane."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.layers import layers
from netlang.driver import assemble, backend_for, options
from netlang.frontend import load
from netlang.ir.module import Call, Module
from netlang.runtime.arrays import Array
from netlang.runtime.model import Model

ROOT = Path(__file__).parent.parent
RATE = 1e-4
"""Learning rate of timed training steps: all the work of a step, and no divergence on random labels."""
TRAINING_BATCH = {"lenet5": 32}
"""Batch of a training step where it is not 16."""

_EXAMPLES = ROOT / "examples"
NETS = {
    "lenet5": _EXAMPLES / "lenet5.net",
    "alexnet": _EXAMPLES / "alexnet" / "alexnet.net",
    "vgg16": _EXAMPLES / "vgg" / "vgg16.net",
    "googlenet": _EXAMPLES / "googlenet" / "googlenet_batchnorm.net",
    "resnet50": _EXAMPLES / "resnet" / "resnet.net",
    "densenet121": _EXAMPLES / "densenet" / "densenet.net",
    "lstm": ROOT / "benchmarks" / "nets" / "lstm.net",
}
"""Each file's net as it is without arguments."""


ROWS = ("lenet5", "alexnet", "alexnet+bfloat16", *(name for name in NETS if name not in ("lenet5", "alexnet")))
"""What has a row in the tables: nets, and one with its weights stored as bfloat16."""


def split(row: str) -> tuple[str, str | None]:
    """(net, how its weights are stored) of a row."""
    net, _, stored = row.partition("+")
    return net, stored or None


def load_net(name: str, rate: float = RATE) -> Module:
    """The module of a net, with another learning rate and no schedule."""
    module = load(NETS[name])
    phases = {
        phase: replace(spec, schedule=Call("constant"), optimizer=Call("sgd", {**spec.optimizer.args, "lr": rate}))
        for phase, spec in module.phases.items()
    }
    return replace(module, phases=phases)


def make_model(row: str, threads: int, rate: float = RATE, batch: int | None = None) -> Model:
    """The net of a row with initial weights, settled; compiled for batches of this size."""
    name, stored = split(row)
    backend = backend_for("cpu", options(weights_as=stored, batch=batch))
    model = assemble(load_net(name, rate), backend, threads=threads).init(0)
    settle(model)
    return model


def images(model: Model, batch: int, seed: int = 0) -> Array:
    """Normally distributed pictures, or sequences, for the one input of a net."""
    (value,) = (v for v in model.net.inputs if not v.node.name.startswith("$"))
    shape = (batch, *(int(str(d)) for d in value.shape[1:]))
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def labels(model: Model, batch: int, seed: int = 1) -> Array:
    classes = int(str(model.net.outputs[0][1].shape[-1]))
    return np.random.default_rng(seed).integers(0, classes, batch)


def settle(model: Model, batch: int = 2) -> None:
    """Scale the last layer until the probabilities are neither saturated nor flat: comparing them then tells of errors
    in all layers before. Without normalisation of a trained net, numbers grow from layer to layer."""
    last = [layer for layer in layers(model.net.outputs[0][1]) if layer.kind == "dense"][-1].params["weight"]
    image = images(model, batch, seed=7)
    for _ in range(40):
        probs = model(image)
        highest, flat = float(probs.max()), 1 / probs.shape[-1]
        if highest > 0.5:
            model.parameters[last] = model.parameters[last] * np.float32(0.5)
        elif highest < 2 * flat:
            model.parameters[last] = model.parameters[last] * np.float32(1.5)
        else:
            return
