"""A net from a file on a CPU: the program of its level, and what follows from its parameters."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

from netlang import config
from netlang.backends.common.external import External
from netlang.backends.common.loaded import LoadedNet
from netlang.backends.common.numbers import Sizes
from netlang.backends.cpu.artifact.code import Code, chosen_level, code_of, unpacked_bytes
from netlang.backends.cpu.artifact.formulas import Evaluated
from netlang.backends.cpu.artifact.unpacking import unpacked
from netlang.backends.cpu.binding import Binding, address_of
from netlang.backends.cpu.processors import available
from netlang.backends.cpu.program import KEPT, Line, Program, Room
from netlang.backends.cpu.runner import Memory, Runner, Shapes, memory_of
from netlang.backends.cpu.tables import Home
from netlang.diagnostics import NetError
from netlang.runtime.artifact.container import Artifact
from netlang.runtime.ports import Array, Port, sizes_of


class Loaded(LoadedNet):
    """One net of a file; `level` is the kind of processor whose code it is carried out by."""

    def __init__(self, artifact: Artifact, net: str | None, threads: int | None, level: str | None) -> None:
        super().__init__(artifact, net)
        found = chosen_level(artifact, level)
        self.level = str(found["name"])
        self.threads = int(threads or config.get("NETLANG_THREADS") or available())
        sizes = partial(_sizes, self._content, self._signature.inputs)
        self._net = _Net(artifact, self.name, found, self._params, self.threads, sizes)

    def carry_out(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """One call with arrays that fit."""
        return self._net.run(inputs)


class _Net:
    """The program of a net, with what follows from its parameters computed."""

    def __init__(
        self,
        artifact: Artifact,
        name: str,
        level: Mapping[str, Any],
        params: Mapping[str, Array],
        threads: int,
        sizes_of_shapes: Any,
    ) -> None:
        body = unpacked_bytes(artifact, artifact.member(f"program/{name}/{level['name']}"))
        data = json.loads(body)
        entries = data["numbers"]
        self._params = params
        self.program: Program = unpacked(data, artifact.member("constants"))
        code: Code = code_of(artifact, level)

        def sizes(shapes: Shapes) -> Sizes:
            return Evaluated(entries, sizes_of_shapes(shapes))

        self._runner = Runner(self.program, code.address, code.pool, threads, sizes)
        self._memory = self._prepared()
        self._prepare = self._place if self._memory else None

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """One call with arrays that fit."""
        return self._runner.run(inputs, self._params, self._prepare)

    def _place(self, binding: Binding) -> None:
        if binding.prepared is not self._memory:
            for room, memory in self._memory.items():
                binding.table.place(room, memory.ctypes.data)
            binding.prepared = self._memory

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


def _sizes(content: Mapping[str, Any], ports: tuple[Port, ...], shapes: Shapes) -> dict[str, int]:
    """The sizes of a call. Raises NetError for those that the code was not made for."""
    sizes = sizes_of(ports, shapes)
    for name, least in content["least"].items():
        if sizes[name] < least:
            raise NetError(f"{name} is {sizes[name]}: the net needs {least} at least")
    for name, largest in content["largest"].items():
        if sizes[name] > largest:
            raise NetError(
                f"{name} is {sizes[name]}: the net was compiled for {largest} at most",
                hint=f"netc compile --size {name}={sizes[name]} makes code for that many",
            )
    return sizes
