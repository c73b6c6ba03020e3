"""What a whole `.net` file means, once checked: graphs for inference, training and evaluation, and the training recipe.

The frontend makes a `Module`; everything after it works on graphs and on these records alone.

Conventions of the graphs
- A parameter's `init` attribute is one of `("constant", value)`, `("normal", mean, std)`, `("uniform", low, high)`,
  `("value", array)`. Names of initialisers (`he_normal`) are resolved to these by the frontend, which knows the fan-in.
- Inputs whose name starts with `$` are given by the runtime, not by the user: `$rng`, i64[2], holds (seed, step) for
  random nodes; `$lr`, f32[], the learning rate of this step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from netlang.diagnostics import Diagnostic, Source, Span
from netlang.ir.graph import Graph

RNG = "$rng"
LEARNING_RATE = "$lr"
LOSS = "loss"


@dataclass(frozen=True)
class Call:
    """A named thing with its arguments, all of them, defaults included: `sgd(lr = 0.05, momentum = 0.9, ...)`."""

    name: str
    args: Mapping[str, Any] = field(default_factory=dict)
    span: Span | None = None

    def __getitem__(self, key: str) -> Any:
        return self.args[key]


@dataclass(frozen=True)
class TrainSpec:
    """One `train` section.

    graph       training mode (dropout on, batch statistics): inputs are the net's and the targets; outputs `loss` (a
                scalar) and one scalar per metric under its name; updates of buffers.
    evaluation  the same in evaluation mode, with the net's own outputs besides.
    targets     names of the inputs that are targets
    optimizer   one of sgd, adam, adamw, rmsprop, adagrad
    schedule    one of constant, step, cosine, warmup, plateau; its unit is the epoch
    augment     per input, the transformations in order
    clip        `norm(max)` or `value(max)`, or None
    stop        `early(patience, monitor)` or None: when training ends before its last epoch
    """

    graph: Graph
    evaluation: Graph
    targets: tuple[str, ...]
    optimizer: Call
    schedule: Call
    epochs: int
    batch: int
    metrics: tuple[str, ...] = ()
    augment: tuple[tuple[str, tuple[Call, ...]], ...] = ()
    clip: Call | None = None
    stop: Call | None = None
    span: Span | None = None


@dataclass(frozen=True)
class Module:
    """A checked file. `nets` are in the order of the text; `net` is the one that commands use without being told.

    `arguments` are what was said from outside of its constants and of the parameters of its nets.
    """

    source: Source
    nets: Mapping[str, Graph]
    train: TrainSpec | None = None
    warnings: tuple[Diagnostic, ...] = ()
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def net(self) -> Graph:
        """The last net of the file: the others are its parts or its predecessors."""
        return list(self.nets.values())[-1]

    @property
    def fingerprint(self) -> str:
        """A hash of all that the graphs follow from: the text and the arguments."""
        given = sorted(self.arguments.items())
        return sha256(f"{self.source.text}\0{given if given else ''}".encode()).hexdigest()
