"""A program bound to sizes: its memory on the device, and its launches recorded. One call at a time may use it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from netlang.backends.base import Array
from netlang.backends.common.homes import Copy, External, Homes
from netlang.backends.common.planning import plan_memory
from netlang.backends.common.steps import Buffer, Scratch, Sizes, Step, evaluated
from netlang.backends.cuda.addresses import Addresses
from netlang.backends.cuda.arrays import DeviceArray, Pool
from netlang.backends.cuda.device import Clocked, Device, Launched, Recording
from netlang.backends.cuda.lower import LoweringContext
from netlang.backends.cuda.recordings import Recordings
from netlang.backends.cuda.resident import Resident

ALIGNMENT = 256
"""Of every array on the device, as the driver's own allocations have it."""


class Binding:
    """Inputs are copied to places of their own and outputs from there, so that a recording stays valid."""

    def __init__(
        self,
        device: Device,
        context: LoweringContext,
        homes: Homes,
        steps: Sequence[Step],
        known: Mapping[Buffer, int],
        residents: Mapping[str, Resident],
        sizes: Sizes,
    ) -> None:
        self._device, self._context, self._sizes, self._known = device, context, sizes, known
        graph = context.graph
        plan = plan_memory(context, homes, sizes)
        arrays = {External("input", v.node.name): v.type for v in graph.inputs}
        arrays |= {External("output", name): v.type for name, v in graph.outputs}
        self._types = {home: (type.concrete(sizes), type.dtype.numpy) for home, type in arrays.items()}
        staged = [copy for copy in homes.copies if copy.target.kind == "param"]
        room = [*map(self._bytes, self._types), *map(self._copied, staged), plan.peak]
        ends = list(accumulate((-(-bytes // ALIGNMENT) * ALIGNMENT for bytes in room), initial=0))
        self._memory = device.allocate(max(1, ends[-1]))
        self._tables: dict[bytes, int] = {}
        """What is in the memory of the device -> where: recordings share it."""
        places = [self._memory + end for end in ends]
        self._places = dict(zip(self._types, places, strict=False))
        params = {External("param", name): resident.address for name, resident in residents.items()}
        staging = dict(zip(staged, places[len(self._types) :], strict=False))

        def addresses(external: Mapping[External, int]) -> Addresses:
            return Addresses(context, homes, known, external, sizes, plan, places[-2], self._table)

        def record(elsewhere: Mapping[External, int]) -> Recording:
            external = {**self._places, **params, **elsewhere}
            found = addresses(external)
            return device.record(found.launches(steps) + self._copies(homes, found, external, staging))

        def usual() -> Addresses:
            return addresses({**self._places, **params})

        def clocked(groups: Sequence[Sequence[Step]]) -> Clocked:
            found = usual()
            return device.clocked([found.launches(group) for group in groups])

        self.addresses = usual
        """Where everything is as long as inputs and outputs are in the program's own places."""

        self.clocked = clocked
        """Records steps group by group, with a clock between; what is copied after the last step is left out."""
        self.record = record
        """Records the launches for inputs that are elsewhere than in the program's own memory."""
        self._recordings = Recordings(record, ALIGNMENT)

    def run(self, inputs: Mapping[str, Array | DeviceArray], pool: Pool) -> dict[str, Any]:
        """One call; the parameters are on the device. Outputs are there too, from the pool, where an input is."""
        given = {home: inputs[home.name] for home in self._places if home.kind == "input"}
        outputs = {home.name: home for home in self._places if home.kind == "output"}
        resident = {home: array.address for home, array in given.items() if isinstance(array, DeviceArray)}
        if not resident:
            self._bring(given)
            self._recordings.usual.replay()
            return {name: self._fetched(home) for name, home in outputs.items()}
        recording = self._recordings.reading(resident)
        self._bring({home: array for home, array in given.items() if recording is None or home not in resident})
        (recording or self._recordings.usual).replay()
        left = {name: self._left(home, pool) for name, home in outputs.items()}
        # From here on the caller may write to his arrays, and other libraries may read ours, on any stream.
        self._device.synchronize()
        return left

    def bring(self, inputs: Mapping[str, Array]) -> None:
        """Have the inputs of a call in the program's own places."""
        self._bring({External("input", name): array for name, array in inputs.items()})

    def place(self, array: External) -> int:
        """Where the program has an input or output."""
        return self._places[array]

    def type_of(self, array: External) -> tuple[tuple[int, ...], Any]:
        """Shape and element type of an input or output."""
        return self._types[array]

    def bytes_of(self, array: External) -> int:
        """How long an input or output is."""
        return self._bytes(array)

    def _bring(self, arrays: Mapping[External, Array | DeviceArray]) -> None:
        for home, array in arrays.items():
            if isinstance(array, DeviceArray):
                self._device.copy(self._places[home], array.address, array.nbytes)
            else:
                self._device.upload(self._places[home], array)

    def _fetched(self, output: External) -> Array:
        array = np.empty(*self._types[output])
        self._device.download(self._places[output], array)
        return array

    def _left(self, output: External, pool: Pool) -> DeviceArray:
        array = pool.array(*self._types[output])
        self._device.copy(array.address, self._places[output], array.nbytes)
        return array

    def seconds(self, inputs: Mapping[str, Array], calls: int) -> list[float]:
        """What the device takes for the launches of a call, copies to it and from it left out, in each of several."""
        self.bring(inputs)
        return [self._device.elapsed(self._recordings.usual.replay) for _ in range(calls)]

    def release(self) -> None:
        """Give the memory back."""
        for place in (self._memory, *self._tables.values()):
            self._device.free(place)

    def _table(self, rows: Array) -> int:
        """Where the rows of a launch are on the device, as long as this is bound."""
        key = rows.tobytes()
        if key not in self._tables:
            self._tables[key] = self._device.allocate(rows.nbytes)
            self._device.upload(self._tables[key], rows)
        return self._tables[key]

    def _bytes(self, home: External) -> int:
        shape, dtype = self._types[home]
        return int(np.prod(shape, dtype=np.int64)) * dtype.itemsize

    def _copied(self, copy: Copy) -> int:
        return evaluated(self._context.storage_bytes(copy.source.type), self._sizes)

    def _copies(
        self, homes: Homes, addresses: Addresses, external: Mapping[External, int], staging: Mapping[Copy, int]
    ) -> list[Launched]:
        """What is copied after the last step. All is read before a parameter is written: they may change places."""
        launches: list[Launched] = []
        for copy in homes.copies:
            place = staging.get(copy, external[copy.target])
            launches += self._copy(addresses.of(copy.source), place, self._copied(copy))
        for copy, place in staging.items():
            launches += self._copy(place, external[copy.target], self._copied(copy))
        return launches

    def _copy(self, source: int, target: int, bytes: int) -> list[Launched]:
        origin, goal = Scratch(bytes), Scratch(bytes)
        found = Addresses(self._context, Homes(self._context), {origin: source, goal: target}, {}, self._sizes)
        return found.launches([self._context.copy_bytes(origin, goal, bytes)])
