"""Learning from a file: the training steps of its `train` sections, and what they change.

content["seed"]          of everything random
content["weights"]       what a file of weights holds, by the names it has there: [element type, shape, first byte in
                         the member `weights`]
content["steps"][name]   a `train` section: the signature of its step and
    "net"                the net that it trains
    "params"             what its step reads or changes of the weights of nets, by the names it has there
    "private"            the same of what it keeps for itself: the optimiser's state, layers of the section alone; where
                         the first byte is null it is zero at first
    "updates"            the names of those that it changes
    "schedule", "rate"   the learning rate: {"name", "args"}, whose values may be such an object again, and its base
    "batch", "epochs"    what the section says of them

Parameters of nets and steps that begin at the same byte are the same.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import prod
from typing import Any

from netlang.backends.common.gate import Gate
from netlang.backends.common.machine import Machine
from netlang.backends.common.step import Step
from netlang.diagnostics import NetError, did_you_mean
from netlang.ir.reserved import STEP
from netlang.runtime.aligned import aligned_zeros
from netlang.runtime.artifact.container import Artifact
from netlang.runtime.artifact.damage import damage_told
from netlang.runtime.artifact.stored import parameters
from netlang.runtime.ports import Array, checked_seed, dtype_of
from netlang.runtime.tensor_file import Wanted, check_fits, open_tensors, read_tensors, write_tensors

Place = tuple[str, tuple[int, ...], int | None]
"""(element type, shape, first byte in the member `weights`; None: nowhere, it is zero at first)."""
Kept = Mapping[str, tuple[Place, Array]]
"""Arrays by name, with what the manifest says of them."""


class Learning:
    """The weights of a file as they are learned, in memory of their own, and its steps. `gate` is between those that
    read weights and those that change them."""

    def __init__(self, artifact: Artifact, machine: Machine) -> None:
        """Raises KeyError, TypeError or ValueError for a manifest that makes no sense."""
        self.gate = Gate()
        self.machine, self._artifact = machine, artifact
        self.said = artifact.content
        self.seed = checked_seed(self.said["seed"])
        self.source = str(self.said["source"]["sha256"])
        """The hash of the text that the file was made of."""
        self._arrays: dict[Place, Array] = {}
        self.weights = self._kept(self.said["weights"])
        """What a file of weights holds."""
        self._made: dict[str, tuple[Step, Kept]] = {}
        self._making = threading.Lock()
        self.names = tuple(self.said["steps"])
        if not self.names or not isinstance(self.said["steps"], dict):
            raise ValueError("there is no training step")

    @property
    def steps(self) -> Mapping[str, Step]:
        """By the names of their `train` sections."""
        return Steps(self)

    def arrays(self, said: Mapping[str, Any]) -> dict[str, Array]:
        """Parameters, of which the manifest has `said` where they are."""
        return {name: array for name, (_, array) in self._kept(said).items()}

    def step(self, name: str) -> Step:
        """The step of a `train` section. Raises NetError where there is none, or the manifest makes no sense of it."""
        return self._step(name)[0]

    def private(self, name: str) -> Kept:
        """What the step of a `train` section keeps for itself."""
        return self._step(name)[1]

    def only_step(self) -> Step:
        """The step of the only `train` section. Raises NetError where there are several."""
        names = self.names
        if len(names) > 1:
            hint = f'say which: net.steps["{names[0]}"](...)'
            raise NetError(f"{self._artifact.path} has {len(names)} training steps: {', '.join(names)}", hint=hint)
        return self.step(names[0])

    def save_weights(self, path: str | os.PathLike[str], net: str) -> None:
        """Write a safetensors file, whole or not at all; `net` is noted in its header."""
        with self.gate.reading():
            self.machine.settle()
            write_tensors(path, {n: (place[0], array) for n, (place, array) in self.weights.items()}, {"net": net})

    def load_weights(self, path: str | os.PathLike[str]) -> None:
        """Read a safetensors file. Raises NetError, and changes nothing, unless it fits exactly."""
        file = open_tensors(path)
        check_fits(file, wanted(self.weights))
        with self.changing():
            read_tensors(file, {name: array for name, (_, array) in self.weights.items()})

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Arrays may be written to meanwhile."""
        with self.gate.changing():
            self.machine.settle()
            try:
                yield
            finally:
                self.machine.changed()

    def _step(self, name: str) -> tuple[Step, Kept]:
        if name not in self.said["steps"]:
            hint = did_you_mean(str(name), self.names) or f"it has {', '.join(map(repr, self.names))}"
            raise NetError(f"{self._artifact.path} has no training step '{name}'", hint=hint)
        with self._making, damage_told(self._artifact):
            if name not in self._made:
                self._made[name] = self._new(name, self.said["steps"][name])
        return self._made[name]

    def _new(self, name: str, said: Mapping[str, Any]) -> tuple[Step, Kept]:
        private = self._private(said["private"])
        params = {**self.arrays(said["params"]), **{key: array for key, (_, array) in private.items()}}
        for key in said["updates"]:
            if key not in params:
                raise ValueError(f"the step '{name}' changes '{key}', which it has not")
        run = self.machine.graph(STEP + name, said, params)
        return Step(name, said, self.seed, run, self.gate), private

    def _kept(self, said: Mapping[str, Any]) -> Kept:
        """What nets and steps have in common."""
        found = {}
        for name, place in ((name, _place(place)) for name, place in said.items()):
            if place not in self._arrays:
                self._arrays[place] = self._first(place)
            found[name] = place, self._arrays[place]
        return found

    def _private(self, said: Mapping[str, Any]) -> Kept:
        places = {name: _place(place) for name, place in said.items()}
        return {name: (place, self._first(place)) for name, place in places.items()}

    def _first(self, place: Place) -> Array:
        """Memory for a parameter, with its first value."""
        dtype, shape, first = place
        array = aligned_zeros(shape, dtype_of(dtype))
        if first is not None and array.size:
            (array[...],) = parameters({"": place}, self._artifact.member("weights")).values()
        return array


class Steps(Mapping[str, Step]):
    """The steps of a file by name, each made when it is asked for."""

    def __init__(self, learning: Learning) -> None:
        self._learning = learning

    def __getitem__(self, name: str) -> Step:
        return self._learning.step(name)

    def __contains__(self, name: object) -> bool:
        return name in self._learning.names

    def __iter__(self) -> Iterator[str]:
        return iter(self._learning.names)

    def __len__(self) -> int:
        return len(self._learning.names)


def wanted(kept: Kept) -> dict[str, Wanted]:
    """What a file of these arrays must hold."""
    return {name: Wanted(place[0], place[1]) for name, (place, _) in kept.items()}


def _place(said: Any) -> Place:
    dtype, shape, first = said
    dtype_of(dtype)
    for number in (*shape, *(() if first is None else (first,))):
        if type(number) is not int or number < 0:
            raise ValueError(f"{number!r} is no size of a parameter")
    if prod(shape) >= 2**48:
        raise ValueError(f"a parameter of {prod(shape)} elements")
    return dtype, tuple(shape), first
