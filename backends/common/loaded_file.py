"""What the nets and the training steps of an open file have in common: parameters, and who carries graphs out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from itertools import count
from typing import TYPE_CHECKING, Any

from netlang.backends.common.machine import Machine, Run
from netlang.diagnostics import NetError, did_you_mean
from netlang.runtime.artifact.container import Artifact
from netlang.runtime.artifact.damage import damage_told
from netlang.runtime.artifact.signature import Signature
from netlang.runtime.artifact.stored import parameters
from netlang.runtime.ports import Array

if TYPE_CHECKING:
    from netlang.backends.common.learning import Learning


class Draws:
    """What the random nodes of a net draw by: a seed, and how many calls there were since it was set."""

    def __init__(self) -> None:
        self.begin(0)

    def begin(self, seed: int) -> None:
        """Begin anew."""
        self.seed, self._calls = seed, count()

    def next(self) -> tuple[int, int]:
        """The key of the next call."""
        return self.seed, next(self._calls)


class LoadedFile:
    """An open file. What is made for its nets is made when one is asked for, once."""

    def __init__(self, artifact: Artifact, machine: Machine) -> None:
        self.machine = machine
        self._artifact, self._content = artifact, artifact.content
        self._making = threading.RLock()
        self._learning: Learning | None = None
        self._runs: dict[str, Run] = {}
        self._params: dict[str, Mapping[str, Array]] = {}
        self._draws: dict[str, Draws] = {}
        self.net_names: tuple[str, ...] = tuple(self._content["nets"])

    @property
    def learns(self) -> bool:
        """Whether training steps are in the file."""
        return "steps" in self._content

    @property
    def learning(self) -> Learning:
        """What learns. Raises NetError where the file was compiled for inference alone."""
        if not self.learns:
            raise NetError(
                f"{self._artifact.path} was compiled for inference: it has no training step",
                hint="netc compile --train puts one into the file",
            )
        # A file that does not learn shall not wait for what learning needs.
        from netlang.backends.common.learning import Learning

        with self._making, damage_told(self._artifact):
            if self._learning is None:
                self._learning = Learning(self._artifact, self.machine)
            return self._learning

    def net_called(self, name: str | None) -> str:
        """The name of a net; without any, of the one that was compiled for. Raises NetError where there is none."""
        found = self._content["net"] if name is None else name
        if found not in self.net_names:
            hint = did_you_mean(str(found), self.net_names) or f"it has {', '.join(self.net_names)}"
            raise NetError(f"{self._artifact.path} has no net '{found}'", hint=hint)
        return str(found)

    def signature(self, net: str) -> Signature:
        """What a net takes and gives."""
        with damage_told(self._artifact):
            return Signature.of(self._content["nets"][net])

    def run(self, net: str) -> Run:
        """What carries a net out; where parameters change, between the changes."""
        with self._making, damage_told(self._artifact):
            if net not in self._runs:
                run = self.machine.graph(net, self._content["nets"][net], self._of(net))
                self._runs[net] = guarded(run, self.learning.gate.reading) if self.learns else run
            return self._runs[net]

    def shown(self, net: str) -> dict[str, Array]:
        """The parameters of a net, which cannot be written to."""
        if self.learns:
            self.machine.settle()
        views = {name: array.view() for name, array in self._of(net).items()}
        for view in views.values():
            view.flags.writeable = False
        return views

    def draws_of(self, net: str) -> Draws:
        """What a net's random nodes draw by."""
        return self._draws.setdefault(net, Draws())

    def _of(self, net: str) -> Mapping[str, Array]:
        with self._making, damage_told(self._artifact):
            if net not in self._params:
                said = self._content["nets"][net]["params"]
                if self.learns:
                    self._params[net] = self.learning.arrays(said)
                else:
                    self._params[net] = parameters(said, self._artifact.member("weights"))
            return self._params[net]


def guarded(run: Run, passing: Callable[[], Any]) -> Run:
    """The same, behind a gate."""

    def behind(inputs: Mapping[str, Array]) -> dict[str, Array]:
        with passing():
            return run(inputs)

    return behind
