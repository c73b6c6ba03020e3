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
from netlang.ir.call import Call as Call
from netlang.ir.graph import Graph, Value
from netlang.ir.reserved import LEARNING_RATE as LEARNING_RATE
from netlang.ir.reserved import LOSS as LOSS
from netlang.ir.reserved import RNG as RNG


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
    name        what the section is called; empty where the file has only one
    changed     the names of the parameters that it may change; None: all
    names       for its parameters that weights files hold, how they are called there; see `Module`
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
    name: str = ""
    changed: frozenset[str] | None = None
    names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Alternation:
    """A `train` section that lets others take turns: so many steps of each, over and over, every step on a batch."""

    name: str
    turns: tuple[tuple[str, int], ...]
    epochs: int
    batch: int
    span: Span | None = None


@dataclass(frozen=True)
class Module:
    """A checked file. `nets` are in the order of the text; `net` is the one that commands use without being told.

    phases         the `train` sections that have a loss, by name, in the order of the text
    alternations   those that let others take turns
    arguments      what was said from outside of its constants and of the parameters of its nets
    names          for each net, how weights files call its parameters, by the names they have in the net
    weights        for each net, the parameters under those names that are kept with it: its own and those of the nets
                   that have some in common with it. Nets that do have the same ones.
    imported       the files that it imports
    bound          for each net, the tensors that the names bound in its body stand for, in the order of the text
    """

    source: Source
    nets: Mapping[str, Graph]
    phases: Mapping[str, TrainSpec] = field(default_factory=dict)
    alternations: Mapping[str, Alternation] = field(default_factory=dict)
    warnings: tuple[Diagnostic, ...] = ()
    arguments: Mapping[str, Any] = field(default_factory=dict)
    names: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    weights: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)
    imported: tuple[Source, ...] = ()
    bound: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)

    @property
    def net(self) -> Graph:
        """The last net of the file: the others are its parts or its predecessors."""
        return list(self.nets.values())[-1]

    def kept_with(self, net: str) -> tuple[Value, ...]:
        """The parameters that are kept together with those of a net, as weights files call them."""
        return self.weights.get(net, self.nets[net].params)

    @property
    def train(self) -> TrainSpec | None:
        """The last `train` section that has a loss, if there is one."""
        return list(self.phases.values())[-1] if self.phases else None

    @property
    def order(self) -> tuple[str, ...]:
        """The names of the `train` sections that make up a training, one after the other: those that take turns in
        another are part of it."""
        parts = {name for found in self.alternations.values() for name, _ in found.turns}
        lines = {name: found.span.line if found.span else 0 for name, found in self.phases.items()}
        lines.update({name: found.span.line if found.span else 0 for name, found in self.alternations.items()})
        return tuple(name for name in sorted(lines, key=lines.__getitem__) if name not in parts)

    @property
    def fingerprint(self) -> str:
        """A hash of all that the graphs follow from: the text, what it imports, and the arguments."""
        given = sorted(self.arguments.items())
        texts = [self.source.text, *(s.text for s in self.imported), str(given) if given else ""]
        return sha256("\0".join(texts).encode()).hexdigest()
