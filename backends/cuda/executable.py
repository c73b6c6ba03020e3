"""A compiled graph on a device: launches that are bound to sizes when first called with them."""

from __future__ import annotations

import threading
from collections.abc import Mapping, MutableMapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from netlang.backends.base import Array
from netlang.backends.common.homes import External, buffers, find_homes
from netlang.backends.common.planning import kept_bytes, plan_memory
from netlang.backends.common.steps import Buffer, Step
from netlang.backends.cuda.addresses import Addresses
from netlang.backends.cuda.arrays import DeviceArray, Pool, adopted
from netlang.backends.cuda.binding import Binding
from netlang.backends.cuda.device import Device
from netlang.backends.cuda.lower import LoweringContext
from netlang.backends.cuda.resident import Resident, residents_of
from netlang.ir.graph import Graph, Node, Value
from netlang.ir.sizes import check_sizes
from netlang.runtime.arrays import bind_sizes

MOST_SIZES = 16
"""For this many different sizes programs and their memory are kept."""


WARM_UP = 2
"""Calls before those that are timed."""


class Executable:
    """Implements `netlang.backends.base.Executable`. Calls from several threads take turns."""

    def __init__(
        self, graph: Graph, context: LoweringContext, steps: Mapping[Node, Sequence[Step]], device: Device
    ) -> None:
        self.graph = graph
        self._context, self._device = context, device
        self._homes = find_homes(context, steps)
        hoisted = set(map(id, self._homes.prologue))
        self._owners = {id(step): node for node, own in steps.items() for step in own}
        self._steps = [s for n in graph.nodes for s in steps.get(n, ()) if id(s) not in hoisted]
        self._table = residents_of(device)
        self._residents: dict[str, Resident] = {}
        self._seen: tuple[object, ...] = ()
        """What params looked like in the last call: whose they were, and what the table said then."""
        self._prepared: tuple[int, ...] | None = None
        """The generations of the parameters when the prologue was carried out."""
        self._known: dict[Buffer, int] | None = None
        self._bindings: dict[tuple[tuple[int, ...], ...], Binding] = {}
        self._lock = threading.Lock()
        self._pool = Pool(device)
        device.build([step.kernel for step in (*self._homes.prologue, *self._steps)])

    def run(self, inputs: Mapping[str, Array], params: Mapping[str, Array]) -> dict[str, Array]:
        """One call, as `netlang.backends.base.Executable.run` describes it."""
        with self._lock:
            self.bring(params)
            binding = self._binding({name: array.shape for name, array in inputs.items()})
            self.prepare()
            outputs = binding.run(inputs, self._pool)
            if self.graph.updates:
                self._table.changed([self._residents[name] for name, _ in self.graph.updates], params)
        return outputs

    def adopt(self, value: Any) -> DeviceArray | None:
        """An array of any library in the memory of the device, as `netlang.backends.base.Adopting` describes it."""
        return adopted(self._device, value)

    def seconds(self, inputs: Mapping[str, Array], params: Mapping[str, Array], calls: int) -> list[float]:
        """Seconds of the device for each of so many calls, by its own clock; `updates` are carried out each time."""
        self.run(inputs, params)
        with self._lock:
            return self._binding({name: array.shape for name, array in inputs.items()}).seconds(inputs, calls)

    def node_seconds(
        self, inputs: Mapping[str, Array], params: Mapping[str, Array], calls: int
    ) -> dict[Node, list[float]]:
        """Seconds of the device for each node's launches in each of so many calls, after some that warm up. All nodes
        of a call follow each other at once; `updates` are carried out each time."""
        with self._lock:
            self.bring(params)
            self.prepare()
            sizes = bind_sizes(self.graph.inputs, {name: array.shape for name, array in inputs.items()})
            check_sizes(self.graph, sizes)
            # Its memory is needed for this alone: several executables are measured in turn.
            binding = self.bound(sizes)
            try:
                binding.bring(inputs)
                groups = [(node, list(own)) for node, own in groupby(self._steps, lambda step: self._owners[id(step)])]
                clocked = binding.clocked([own for _, own in groups])
                taken = [clocked.seconds() for _ in range(WARM_UP + calls)][WARM_UP:]
            finally:
                binding.release()
            if self.graph.updates:
                self._table.changed([self._residents[name] for name, _ in self.graph.updates], params)
        found: dict[Node, list[float]] = {}
        for (node, _), seconds in zip(groups, zip(*taken, strict=True), strict=True):
            found[node] = [a + b for a, b in zip(found.get(node, [0.0] * calls), seconds, strict=True)]
        return found

    def freeze(self, params: MutableMapping[str, Array]) -> None:
        """Nothing is kept twice on the host: what is on the device stays there."""
        self._seen = ()

    def planned_bytes(self, sizes: Mapping[str, int]) -> int:
        """Bytes of the arena for these sizes, and of what is kept per set of parameters."""
        plan = plan_memory(self._context, self._homes, sizes)
        return plan.peak + plan.kept

    @property
    def steps(self) -> Sequence[Step]:
        """The steps of one call, in order."""
        return self._steps

    @property
    def prologue(self) -> Sequence[Step]:
        """The steps done once per set of parameters."""
        return self._homes.prologue

    def _binding(self, shapes: Mapping[str, tuple[int, ...]]) -> Binding:
        key = tuple(shapes.values())
        if key not in self._bindings:
            sizes = bind_sizes(self.graph.inputs, shapes)
            check_sizes(self.graph, sizes)
            while len(self._bindings) >= MOST_SIZES:
                self._bindings.pop(next(iter(self._bindings))).release()
            self._bindings[key] = self.bound(sizes)
        return self._bindings[key]

    def bound(self, sizes: Mapping[str, int]) -> Binding:
        """The program with memory of its own, for these sizes of the graph's symbols and the parameters where they
        are."""
        return Binding(self._device, self._context, self._homes, self._steps, self._kept(), self._residents, sizes)

    def bring(self, params: Mapping[str, Array]) -> bool:
        """Have the parameters on the device, as they are now. Whether any of them is somewhere else than it was: then
        what was bound before is void."""
        version = getattr(params, "version", None)
        seen = (id(params), version, self._table.moves)
        if version is not None and seen == self._seen:
            return False
        found = self._table.bring(params, [v.node.name for v in self.graph.params])
        moved = any(found[name] is not resident for name, resident in self._residents.items())
        if moved:
            self._forget()
        self._residents = found
        self._seen = (id(params), version, self._table.moves)
        return moved

    def _forget(self) -> None:
        """Parameters are somewhere else now: programs hold their addresses."""
        for binding in self._bindings.values():
            binding.release()
        self._bindings.clear()
        self._prepared = None

    def prepare(self) -> None:
        """Carry out the steps that follow from parameters alone, if any may have changed."""
        generations = tuple(resident.generation for resident in self._residents.values())
        if not self._homes.prologue or generations == self._prepared:
            return
        external = {External("param", name): resident.address for name, resident in self._residents.items()}
        addresses = Addresses(self._context, self._homes, self._kept(), external, {})
        self._device.record(addresses.launches(self._homes.prologue)).replay()
        self._prepared = generations

    def _kept(self) -> Mapping[Buffer, int]:
        """The places of constants, uploaded once, and of what is computed once per set of parameters."""
        if self._known is None:
            self._known = {}
            for value in self._constants():
                array = np.ascontiguousarray(value.node.attrs["value"])
                self._known[value] = self._device.allocate(max(1, array.nbytes))
                self._device.upload(self._known[value], array)
            for buffer in self._homes.hoisted:
                self._known[buffer] = self._device.allocate(max(1, kept_bytes(self._context, buffer)))
        return self._known

    def _constants(self) -> list[Value]:
        read = [b for step in (*self._homes.prologue, *self._steps) for b in buffers(step) if isinstance(b, Value)]
        read += [self._context.storage(copy.source) for copy in self._homes.copies]
        return [v for v in dict.fromkeys(read) if v.node.op == "const"]
