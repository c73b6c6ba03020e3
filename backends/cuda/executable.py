"""A compiled graph on a device: launches that are bound to sizes when first called with them."""

from __future__ import annotations

import threading
from collections.abc import Mapping, MutableMapping, Sequence
from itertools import groupby
from typing import Any

from netlang.backends.base import Array
from netlang.backends.common.homes import find_homes
from netlang.backends.common.steps import Step
from netlang.backends.cuda.arrays import DeviceArray, Pool, adopted
from netlang.backends.cuda.binding import Binding
from netlang.backends.cuda.device import Device
from netlang.backends.cuda.lower import LoweringContext
from netlang.backends.cuda.prepared import Prepared, planned
from netlang.backends.cuda.resident import Resident, residents_of
from netlang.backends.cuda.steps import Launch
from netlang.ir.graph import Graph, Node
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
        self._prepared = Prepared(device, context, self._homes, self._steps)
        self._bindings: dict[tuple[tuple[int, ...], ...], Binding] = {}
        self._lock = threading.Lock()
        self._pool = Pool(device)
        # Kernels of other ways are built when a program is bound to sizes that take them.
        certain = [s for s in (*self.prologue, *self._steps) if isinstance(s, Launch) and s.taken is None]
        device.build([step.kernel for step in certain])

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
                groups = self.groups
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
        plan = planned(self._context, self._homes, sizes)
        return plan.peak + plan.kept

    @property
    def steps(self) -> Sequence[Step]:
        """The steps of one call, in order."""
        return self._steps

    @property
    def groups(self) -> list[tuple[Node, list[Step]]]:
        """The same node by node."""
        return [(node, list(own)) for node, own in groupby(self._steps, lambda step: self._owners[id(step)])]

    @property
    def context(self) -> LoweringContext:
        """What the graph was lowered with."""
        return self._context

    @property
    def device(self) -> Device:
        """Where it runs."""
        return self._device

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
        self._prepared.need(sizes)
        known, residents = self._prepared.places, self._residents
        made = Binding(self._device, self._context, self._homes, self._steps, known, residents, sizes)
        self.prepare()
        return made

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
        self._prepared.forget()

    def prepare(self) -> None:
        """Carry out the steps that follow from parameters alone, if any may have changed."""
        self._prepared.carry_out(self._residents)
