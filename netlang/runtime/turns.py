"""Which `train` section is meant, and the training of several that take turns: adversaries, waking and sleeping."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from netlang.diagnostics import NetError, did_you_mean
from netlang.ir.graph import Value
from netlang.ir.module import LOSS, Alternation, Call, Module, TrainSpec
from netlang.runtime.arrays import Array
from netlang.runtime.data.dataset import Fitted
from netlang.runtime.fit import Options, Progress, fit
from netlang.runtime.stepping import counted
from netlang.runtime.trainer import Data, Trainer


def chosen_phase(module: Module, phase: str | None) -> str:
    """The name of a `train` section: the one that is asked for, or the only one.

    Raises NetError where there is none, or several and nobody says which.
    """
    sections = [*module.phases, *module.alternations]
    if not sections:
        raise NetError(f"{module.source.name} has no train section, so there is nothing to train for")
    if phase is None:
        if len(sections) == 1:
            return sections[0]
        raise NetError(
            f"{module.source.name} has {len(sections)} train sections", hint=f"say which: {', '.join(sections)}"
        )
    if phase not in sections:
        named = [name for name in sections if name]
        hint = did_you_mean(phase, named) or (f"there are {', '.join(named)}" if named else "its only one has no name")
        raise NetError(f"{module.source.name} has no train section '{phase}'", hint=hint)
    return phase


def phases_of(module: Module, name: str) -> tuple[TrainSpec, ...]:
    """The section of that name, or those that take turns in it."""
    if name in module.phases:
        return (module.phases[name],)
    return tuple(module.phases[part] for part in dict.fromkeys(p for p, _ in module.alternations[name].turns))


@dataclass(frozen=True)
class FittedParts(Fitted):
    """A data set that suits each of several trainings; what is there besides is that of the first."""

    parts: Mapping[str, Fitted] = field(default_factory=dict)


class Turns:
    """Trainers of the same weights that take turns: so many steps of each, over and over, every step on a new batch.

    What is measured is called `discriminator.loss`, `generator.loss`, ...
    """

    def __init__(self, alternation: Alternation, parts: Mapping[str, Trainer]) -> None:
        self.alternation = alternation
        self.parts = dict(parts)
        self.order = [name for name, steps in alternation.turns for _ in range(steps)]
        self.turn = 0
        self.values: dict[str, float] = {}
        first = next(iter(self.parts.values()))
        self.family, self.seed, self.programs = first.family, first.seed, first.programs

    # ---- what `fit` asks of a training

    @property
    def name(self) -> str:
        return self.alternation.name

    @property
    def batch(self) -> int:
        return self.alternation.batch

    @property
    def epochs(self) -> int:
        return self.alternation.epochs

    @property
    def stop(self) -> Call | None:
        return None

    @property
    def chief(self) -> str:
        """What says which weights are best: the loss of the one whose turn is last."""
        return f"{self.order[-1]}.{LOSS}"

    def build(self) -> None:
        for part in self.parts.values():
            part.build()

    def check(self, data: Fitted) -> None:
        assert isinstance(data, FittedParts)
        for name, part in self.parts.items():
            part.check(data.parts[name])

    def begin_epoch(self, data: Fitted, epoch: int) -> None:
        assert isinstance(data, FittedParts)
        for name, part in self.parts.items():
            part.begin_epoch(data.parts[name], epoch)

    def train(self, rows: Array, at: slice, epoch: float) -> None:
        """A step of whoever's turn it is, on these rows of the epoch's data."""
        name = self.order[self.turn % len(self.order)]
        part = self.parts[name]
        part.train(rows, at, epoch)
        self.turn += 1
        self.values = {f"{name}.{key}": value for key, value in part.values.items()}

    def end_epoch(self, judged: Mapping[str, float]) -> None:
        for name, part in self.parts.items():
            # One that had no turn in a short epoch has learned nothing that its schedule should know of.
            if f"{name}.{LOSS}" in judged:
                part.end_epoch({LOSS: judged[f"{name}.{LOSS}"]})

    def rates(self) -> dict[str, float]:
        return {f"{name}.{key}": rate for name, part in self.parts.items() for key, rate in part.rates().items()}

    def judge(self, data: Fitted, batch: int) -> dict[str, float]:
        """Means over the held-out samples, if there are any."""
        assert isinstance(data, FittedParts)
        found = {name: part.judge(data.parts[name], batch) for name, part in self.parts.items()}
        return {f"{name}.{key}": value for name, values in found.items() for key, value in values.items()}

    def progress(self) -> dict[str, Any]:
        return {"turn": self.turn, "parts": {name: part.progress() for name, part in self.parts.items()}}

    def go_on(self, progress: Mapping[str, Any], epoch: int) -> None:
        self.turn = counted(progress["turn"])
        for name, part in self.parts.items():
            part.go_on(progress["parts"][name], epoch)

    def private(self) -> dict[str, tuple[Value, Array]]:
        found = {name: part.private() for name, part in self.parts.items()}
        return {f"{name}:{key}": kept for name, values in found.items() for key, kept in values.items()}

    # ---- what users call

    def fitted(self, data: Data) -> Fitted:
        """Data made to suit the inputs of all."""
        if isinstance(data, FittedParts):
            return data
        parts: dict[str, Fitted] = {}
        for name, part in self.parts.items():
            alike = next((n for n in parts if _same_inputs(self.parts[n], part)), None)
            parts[name] = parts[alike] if alike else part.fitted(data)
        first = next(iter(parts.values()))
        kept = (first.name, first.train, first.test, first.classes, first.held_out, first.vocabulary)
        return FittedParts(*kept, parts=parts)

    def evaluate(self, data: Data, batch: int | None = None) -> dict[str, float]:
        """Mean losses and metrics in evaluation mode: of the held-out samples of a data set, or of all given arrays."""
        found = self.fitted(data)
        assert isinstance(found, FittedParts)
        parts = {name: part.evaluate(found.parts[name], batch or self.batch) for name, part in self.parts.items()}
        return {f"{name}.{key}": value for name, values in parts.items() for key, value in values.items()}

    def fit(self, data: Data, options: Options | None = None, progress: Progress | None = None) -> dict[str, Any]:
        """Train for the epochs of the `train` section; returns the last epoch's record. See `netlang.runtime.fit`."""
        return fit(self, self.fitted(data), options or Options(), progress or Progress())


def _same_inputs(a: Trainer, b: Trainer) -> bool:
    ours, theirs = ([(v.node.name, v.type, v.node.name in t.spec.targets) for v in t.inputs] for t in (a, b))
    return ours == theirs
