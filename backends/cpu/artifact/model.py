"""A net from a file, as users hold it: called with NumPy arrays, and carried out by the code that the file has."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from itertools import count
from types import MappingProxyType
from typing import Any

import numpy as np

from netlang import config
from netlang.backends.common.external import External
from netlang.backends.common.numbers import Sizes
from netlang.backends.cpu.artifact.code import Code, chosen_level, code_of, unpacked_bytes
from netlang.backends.cpu.artifact.formulas import Evaluated
from netlang.backends.cpu.artifact.unpacking import unpacked
from netlang.backends.cpu.binding import Binding, address_of
from netlang.backends.cpu.program import KEPT, Line, Program, Room
from netlang.backends.cpu.runner import Memory, Runner, Shapes, memory_of
from netlang.backends.cpu.tables import Home
from netlang.backends.cpu.threads import available
from netlang.diagnostics import NetError, did_you_mean
from netlang.runtime.artifact.container import Artifact
from netlang.runtime.artifact.signature import RNG, Signature, parameters
from netlang.runtime.ports import (
    Array,
    Port,
    arguments,
    batch_of,
    checked_seed,
    converted,
    dtype_of,
    has_batch,
    sizes_of,
    without_batch,
)


class Loaded:
    """One net of a file. Calls may come from several threads at a time.

    level   the kind of processor whose code it is carried out by
    """

    def __init__(self, artifact: Artifact, net: str | None, threads: int | None, level: str | None) -> None:
        nets = artifact.content["nets"]
        name = artifact.content["net"] if net is None else net
        if name not in nets:
            hint = did_you_mean(str(name), nets) or f"it has {', '.join(nets)}"
            raise NetError(f"{artifact.path} has no net '{name}'", hint=hint)
        found = chosen_level(artifact, level)
        self.name, self.level = name, str(found["name"])
        self.threads = int(threads or config.get("NETLANG_THREADS") or available())
        self._content = nets[name]
        self._signature = Signature.of(self._content)
        ports = self._signature.inputs
        self._wanted = [(p.name, dtype_of(p.dtype), p.type, f"input '{p.name}'") for p in ports]
        self._batch = batch_of(ports)
        self._params = parameters(self._content, artifact.member("weights"))
        self._draws = count()
        self._seed = 0
        self._net = _Net(artifact, name, found, self._params, self.threads, partial(_sizes, self._content, ports))

    @property
    def inputs(self) -> Mapping[str, str]:
        """Names and types of the inputs, in the order in which a call takes them."""
        return MappingProxyType({port.name: port.type for port in self._signature.inputs})

    @property
    def outputs(self) -> Mapping[str, str]:
        """Names and types of the outputs."""
        return MappingProxyType({port.name: port.type for port in self._signature.outputs})

    @property
    def parameters(self) -> Mapping[str, Array]:
        """The weights by name; they cannot be written to."""
        return MappingProxyType(self._params)

    @property
    def seed(self) -> int:
        """The seed of the net's random nodes. Every call draws other numbers; setting a seed begins them anew."""
        return self._seed

    @seed.setter
    def seed(self, seed: int) -> None:
        self._seed, self._draws = checked_seed(seed), count()

    def __call__(self, *args: Any, **named: Any) -> Any:
        """Run the net on a batch of any size, as `netlang.Model` does: see there."""
        signature = self._signature
        key = self._key(named)
        if named or len(args) != len(self._wanted):
            names = [port.name for port in signature.inputs]
            given = arguments(names, args, named, f"net '{self.name}'")
            args = tuple(given[name] for name in names)
        arrays = {n: converted(a, d, t, what) for (n, d, t, what), a in zip(self._wanted, args, strict=True)}
        single = without_batch(signature.inputs, {n: a.ndim for n, a in arrays.items()}, self._batch)
        if single:
            arrays = {n: a[None] if n in single else a for n, a in arrays.items()}
        if signature.bounds:
            signature.check_bounds(arrays)
        if signature.random:
            arrays[RNG] = np.array(key, np.int64)
        outputs = self._net.run(arrays)
        if single:
            outputs = {p.name: self._one(p, outputs[p.name]) for p in signature.outputs}
        return next(iter(outputs.values())) if len(outputs) == 1 else outputs

    def _key(self, named: dict[str, Any]) -> tuple[int, int]:
        """What random nodes draw by in a call with these arguments; takes the seed out of them."""
        random = self._signature.random
        if "seed" in named and "seed" not in self.inputs:
            if not random:
                raise NetError(f"net '{self.name}' has no random nodes, so there is nothing to seed")
            return checked_seed(named.pop("seed")), 0
        return self._seed, next(self._draws) if random else 0

    def _one(self, port: Port, array: Array) -> Array:
        return array[0] if has_batch(port.shape, self._batch) else array

    def __reduce__(self) -> Any:
        raise TypeError("a loaded net holds machine code and cannot be copied or pickled; load() makes it again")

    def __repr__(self) -> str:
        takes = ", ".join(f"{n}: {t}" for n, t in self.inputs.items())
        gives = ", ".join(f"{n}: {t}" for n, t in self.outputs.items())
        return f"<Loaded {self.name}({takes}) -> {gives}, for {self.level}>"


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
