"""A compiled graph whose parts run on several devices.

Each part is a program of its own, with memory on its device. What a part reads of another one on its device is where
that one left it; what comes from another device is copied before the part begins, and the copy waits for its maker.
Nobody else waits: devices work side by side until the call ends.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass

import numpy as np

from netlang.backends.base import Array
from netlang.backends.common.homes import External
from netlang.backends.cuda.agreement import Agreement
from netlang.backends.cuda.binding import Binding
from netlang.backends.cuda.device import Device, Recording
from netlang.backends.cuda.executable import MOST_SIZES, Executable
from netlang.backends.cuda.parts import Split
from netlang.ir.graph import Graph
from netlang.ir.sizes import check_sizes
from netlang.runtime.arrays import bind_sizes

Compile = Callable[[Graph, Device], Executable]


@dataclass(frozen=True)
class Arrival:
    """Something that a part reads and another device makes: its name, who makes it, and its bytes."""

    name: str
    maker: int
    bytes: int


@dataclass(frozen=True)
class _Program:
    """All parts for one set of sizes: their memory, what arrives at each from other devices, and their launches."""

    bindings: Sequence[Binding]
    arrivals: Sequence[Sequence[Arrival]]
    recordings: Sequence[Recording]

    def release(self) -> None:
        for binding in self.bindings:
            binding.release()


class Placed:
    """Implements `netlang.backends.base.Executable`. Calls from several threads take turns."""

    def __init__(self, graph: Graph, found: Split, devices: Sequence[Device], compile: Compile) -> None:
        """`devices` are those that the numbers of the parts mean."""
        self.graph = graph
        self._split, self._devices = found, devices
        self._executables = [compile(part.graph, devices[part.device]) for part in found.parts]
        self._agreement = Agreement(devices)
        self._programs: dict[tuple[tuple[int, ...], ...], _Program] = {}
        self._lock = threading.Lock()

    def run(self, inputs: Mapping[str, Array], params: Mapping[str, Array]) -> dict[str, Array]:
        """One call, as `netlang.backends.base.Executable.run` describes it."""
        with self._lock:
            self._bring(params)
            program = self._program({name: array.shape for name, array in inputs.items()})
            for i in range(len(self._split.parts)):
                self._carry_out(program, i, inputs)
            outputs = {name: self._fetched(program, at) for name, at in self._split.outputs.items()}
            self._update(program, params)
            for device in self._devices:
                device.synchronize()
        return outputs

    def freeze(self, params: MutableMapping[str, Array]) -> None:
        """Nothing is kept twice on the host: what is on the devices stays there."""

    def planned_bytes(self, sizes: Mapping[str, int]) -> int:
        """Bytes on all devices together, as `netlang.backends.base.Executable.planned_bytes` counts them."""
        return sum(executable.planned_bytes(sizes) for executable in self._executables)

    @property
    def parts(self) -> Sequence[tuple[int, Executable]]:
        """Every part in order: the number of its device, and its program."""
        return [(part.device, found) for part, found in zip(self._split.parts, self._executables, strict=True)]

    # ---- one call

    def _bring(self, params: Mapping[str, Array]) -> None:
        """Have the parameters, and what follows from them, wherever they are read."""
        before = self._agreement.generations(params, [v.node.name for v in self.graph.params])
        moved = [executable.bring(params) for executable in self._executables]
        if any(moved):
            self._forget()
        for name, at in self._split.updates.items():
            self._agreement.bring(self._split.parts[self._split.makers[at]].device, params, name)
        self._agreement.reach(params, before)
        for executable in self._executables:
            executable.prepare()

    def _carry_out(self, program: _Program, number: int, inputs: Mapping[str, Array]) -> None:
        """Give a part what it reads, and have it done; none of it is waited for."""
        part, binding = self._split.parts[number], program.bindings[number]
        device = self._devices[part.device]
        for value in part.graph.inputs:
            name = value.node.name
            if name in inputs:
                device.upload(binding.place(External("input", name)), inputs[name])
        for arrival in program.arrivals[number]:
            source = program.bindings[arrival.maker].place(External("output", arrival.name))
            maker = self._devices[self._split.parts[arrival.maker].device]
            device.receive(binding.place(External("input", arrival.name)), maker, source, arrival.bytes)
        program.recordings[number].replay()

    def _fetched(self, program: _Program, name: str) -> Array:
        maker = self._split.makers[name]
        binding, home = program.bindings[maker], External("output", name)
        array = np.empty(*binding.type_of(home))
        self._devices[self._split.parts[maker].device].download(binding.place(home), array)
        return array

    def _update(self, program: _Program, params: Mapping[str, Array]) -> None:
        """Put new values in the place of parameters, wherever these are; by now nobody reads the old ones."""
        for name, at in self._split.updates.items():
            maker = self._split.makers[at]
            source = program.bindings[maker].place(External("output", at))
            self._agreement.write(name, params, self._split.parts[maker].device, source)

    # ---- programs

    def _program(self, shapes: Mapping[str, tuple[int, ...]]) -> _Program:
        key = tuple(shapes.values())
        if key not in self._programs:
            sizes = bind_sizes(self.graph.inputs, shapes)
            check_sizes(self.graph, sizes)
            while len(self._programs) >= MOST_SIZES:
                self._programs.pop(next(iter(self._programs))).release()
            self._programs[key] = self._bound(sizes)
        return self._programs[key]

    def _forget(self) -> None:
        """Parameters are somewhere else now: programs hold their addresses."""
        for program in self._programs.values():
            program.release()
        self._programs.clear()

    def _bound(self, sizes: Mapping[str, int]) -> _Program:
        bindings: list[Binding] = []
        arrivals: list[list[Arrival]] = []
        recordings: list[Recording] = []
        for part, executable in zip(self._split.parts, self._executables, strict=True):
            binding = executable.bound(sizes)
            here: dict[External, int] = {}
            arriving: list[Arrival] = []
            for name in (v.node.name for v in part.graph.inputs if v.node.name in self._split.makers):
                maker, home = self._split.makers[name], External("input", name)
                if self._split.parts[maker].device == part.device:
                    here[home] = bindings[maker].place(External("output", name))
                else:
                    arriving.append(Arrival(name, maker, binding.bytes_of(home)))
            bindings.append(binding)
            arrivals.append(arriving)
            recordings.append(binding.record(here))
        return _Program(bindings, arrivals, recordings)
