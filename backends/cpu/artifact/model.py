"""Graphs from a file on a CPU: the programs of its level, and what follows from their parameters."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from netlang import config
from netlang.backends.common.external import External
from netlang.backends.common.loaded import LoadedNet
from netlang.backends.common.loaded_file import LoadedFile
from netlang.backends.common.machine import Machine, Run
from netlang.backends.cpu.artifact.code import chosen_level, code_of, unpacked_bytes
from netlang.backends.cpu.artifact.formulas import Evaluated
from netlang.backends.cpu.artifact.unpacking import Known, unpacked
from netlang.backends.cpu.binding import Binding, address_of
from netlang.backends.cpu.processors import available
from netlang.backends.cpu.program import KEPT, Line, Program, Room
from netlang.backends.cpu.runner import Memory, Runner, Shapes, memory_of
from netlang.backends.cpu.tables import Home
from netlang.diagnostics import NetError
from netlang.ir.reserved import LEARNING_RATE, RNG
from netlang.runtime.artifact.container import Artifact
from netlang.runtime.artifact.signature import Signature
from netlang.runtime.ports import Array, Port, sizes_of


class CpuMachine(Machine):
    """`level` is the kind of processor whose code is taken."""

    def __init__(self, artifact: Artifact, threads: int | None, level: str | None) -> None:
        """Raises NetError where the file has no code for this processor."""
        self._artifact = artifact
        self._said = chosen_level(artifact, level)
        self.level = str(self._said["name"])
        self._threads = int(threads or config.get("NETLANG_THREADS") or available())
        self.version = 0
        """Differs after every change of parameters."""

    def graph(self, key: str, said: Mapping[str, Any], params: Mapping[str, Array]) -> Run:
        """A graph of the file over these parameters."""
        body = unpacked_bytes(self._artifact, self._artifact.member(f"program/{key}/{self.level}"))
        data, signature = json.loads(body), Signature.of(said)
        code = code_of(self._artifact, self._said)
        known: Known = {
            "input": dict.fromkeys((RNG, LEARNING_RATE, *(port.name for port in signature.inputs))),
            "param": {name: array.nbytes for name, array in params.items()},
            "output": dict.fromkeys(port.name for port in signature.outputs),
        }
        program = unpacked(data, self._artifact.member("constants"), code.bytes, signature.symbols, known)
        sizes = partial(_sizes, data["numbers"], said, signature.inputs)
        return _Graph(self, program, Runner(program, code.address, code.pool, self._threads, sizes), params).run

    def settle(self) -> None:
        """Graphs change parameters where they are."""

    def changed(self) -> None:
        """What was computed from parameters is out of date."""
        self.version += 1


def loaded(artifact: Artifact, net: str | None, threads: int | None, level: str | None) -> LoadedNet:
    """A net of a file. Raises NetError where it has none of that name, or no code for this processor."""
    return LoadedNet(LoadedFile(artifact, CpuMachine(artifact, threads, level)), net)


class _Graph:
    """A program over its parameters, and what follows from these."""

    def __init__(self, machine: CpuMachine, program: Program, runner: Runner, params: Mapping[str, Array]) -> None:
        self._machine, self.program, self._runner, self._params = machine, program, runner, params
        self._lock = threading.Lock()
        self._memory, self._version = self._prepared(), machine.version

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """One call with arrays that fit."""
        if self._version != self._machine.version:
            self._prepare_again()
        outputs = self._runner.run(inputs, self._params, self._place if self._memory else None)
        if self.program.changes:
            self._machine.changed()
        return outputs

    def _prepare_again(self) -> None:
        """After parameters have changed, and while nobody changes them."""
        with self._lock:
            if self._version != self._machine.version:
                version = self._machine.version
                self._memory = self._prepared()
                self._version = version

    def _place(self, binding: Binding) -> None:
        memory = self._memory
        if binding.prepared is not memory:
            for room, kept in memory.items():
                binding.table.place(room, kept.ctypes.data)
            binding.prepared = memory

    def _prepared(self) -> dict[Room, Memory]:
        """Carry out the prologue. What only its own lines read goes when the last of them has."""
        memory: dict[Room, Memory] = {}
        last = {room: i for i, line in enumerate(self.program.prologue) for room in _kept(line)}
        for i, line in enumerate(self.program.prologue):
            for room in _kept(line):
                if room not in memory:
                    memory[room] = memory_of(room)

            def address(home: Home) -> int:
                return address_of(self._params[home.name]) if isinstance(home, External) else memory[home].ctypes.data

            self._runner.carry_out(line, address)
            for room in [r for r in memory if last[r] <= i and r not in self.program.kept]:
                del memory[room]
        return memory


def _kept(line: Line) -> list[Room]:
    return [use.room for use in line.uses if use.room.home == KEPT]


def _sizes(entries: Sequence[Any], said: Mapping[str, Any], ports: tuple[Port, ...], shapes: Shapes) -> Evaluated:
    """The sizes of a call, and what follows from them. Raises NetError for those that the code was not made for."""
    sizes = sizes_of(ports, shapes)
    for name, least in said["least"].items():
        if sizes[name] < least:
            raise NetError(f"{name} is {sizes[name]}: the net needs {least} at least")
    for name, largest in said["largest"].items():
        if sizes[name] > largest:
            raise NetError(
                f"{name} is {sizes[name]}: the net was compiled for {largest} at most",
                hint=f"netc compile --size {name}={sizes[name]} makes code for that many",
            )
    return Evaluated(entries, sizes)
