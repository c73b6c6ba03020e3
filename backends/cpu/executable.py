"""A compiled graph: steps that are bound to sizes when first called with them."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any

import numpy as np

from netlang.backends.base import Array, StepTime
from netlang.backends.common.context import storage
from netlang.backends.common.homes import External, buffers, find_homes
from netlang.backends.common.planning import plan_memory
from netlang.backends.common.steps import Step
from netlang.backends.cpu.binding import Binding
from netlang.backends.cpu.build import build
from netlang.backends.cpu.dump import dump_steps
from netlang.backends.cpu.lower import LoweringContext
from netlang.backends.cpu.prepared import Prepared, Prologue, note_change
from netlang.backends.cpu.profile import StepClock, kernel_text, measured_peak, step_bytes
from netlang.backends.cpu.threads import aligned, entry_points
from netlang.ir.dims import names
from netlang.ir.graph import Graph, Node, Value
from netlang.ir.sizes import check_sizes
from netlang.runtime.arrays import bind_sizes

MOST_SIZES = 16
"""For this many different sizes programs and their memory are kept."""


class Executable:
    """A graph with its machine code. Calls may come from several threads at a time: each gets memory of its own.

    Results that follow from parameters alone (packed weights) are kept between calls. They are computed again when a
    call brings other arrays, when any compiled graph has updated parameters, when `params` has an attribute `version`
    that differs, or after `invalidate()`, which must be called when parameters were changed in place otherwise.
    """

    def __init__(self, graph: Graph, context: LoweringContext, steps: Mapping[Node, Sequence[Step]], threads: int):
        self.graph = graph
        self.threads = threads
        self._context = context
        self._homes = find_homes(context, steps)
        self._owners = {id(step): node for node, own in steps.items() for step in own}
        hoisted = set(map(id, self._homes.prologue))
        self._steps = [s for n in graph.nodes for s in steps.get(n, ()) if id(s) not in hoisted]
        self._constants, self._kept = _constants([*self._homes.prologue, *self._steps])
        self._symbolic = [v.node.name for v in graph.inputs if any(map(names, v.shape))]
        self._bindings: dict[tuple[tuple[int, ...], ...], deque[Binding]] = {}
        self._prologue = Prologue(context, self._homes, self._constants, threads)
        self._prepared: Prepared | None = None
        build([step.kernel for step in (*self._homes.prologue, *self._steps)], threads, context.target)
        build(entry_points(threads), threads)
        dump_steps(graph, self._homes.prologue, self._steps)

    def run(self, inputs: Mapping[str, Array], params: Mapping[str, Array]) -> dict[str, Array]:
        """One call, as `netlang.backends.base.Executable.run` describes it."""
        key = tuple([inputs[name].shape for name in self._symbolic])
        free = self._bindings.get(key)
        if free is None:
            free = self._room_for(key)
        try:
            binding = free.pop()
        except IndexError:
            binding = self._bind({name: array.shape for name, array in inputs.items()})
        if self._homes.hoisted:
            self._prepare(binding, params)
        outputs = binding.run(inputs, params, self.threads)
        free.append(binding)
        if self.graph.updates:
            note_change()
        return outputs

    def profile(self, inputs: Mapping[str, Array], params: Mapping[str, Array], calls: int) -> list[StepTime]:
        """Time every step in each of so many calls, as `netlang.backends.base.Profiled` describes it."""
        binding = self._bind({name: array.shape for name, array in inputs.items()})
        clock = StepClock()
        for _ in range(calls):
            if self._homes.hoisted:
                self._prepare(binding, params)
            binding.run(inputs, params, self.threads, clock.carry_out)
            if self.graph.updates:
                note_change()
        sizes = bind_sizes(self.graph.inputs, {name: array.shape for name, array in inputs.items()})
        moved = [step_bytes(self._context, self._homes, step, sizes) for step in self._steps]
        return [
            StepTime(self._owners[id(step)], kernel_text(step.kernel.key), seconds, count * size, count)
            for step, seconds, size, count in zip(self._steps, clock.seconds(), moved, clock.counts, strict=True)
        ]

    def peak(self) -> float:
        """Most floating-point operations a second of all threads together, in float32, measured now."""
        return measured_peak(self.threads)

    def invalidate(self) -> None:
        """Say that parameters have been changed in place: what was computed from them is out of date everywhere."""
        note_change()

    def freeze(self, params: MutableMapping[str, Array]) -> None:
        """Compute what follows from these parameters for good, as `netlang.backends.base.Executable` describes it."""
        self._prepared = None
        homes = [self._homes.of(v) for step in self._steps for v in _values(step)]
        homes += [self._homes.of(storage(copy.source)) for copy in self._homes.copies]
        needed = {home.name for home in homes if isinstance(home, External) and home.kind == "param"}
        for name in set(params) - needed - set(self._prologue.names):
            del params[name]
        self._prepared = self._prologue.freeze(params, needed)
        self._bindings.clear()  # they keep the arrays of their last call

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

    def _room_for(self, key: tuple[tuple[int, ...], ...]) -> deque[Binding]:
        while len(self._bindings) >= MOST_SIZES:
            # Another thread may be quicker; its call keeps the binding alive that it is using.
            self._bindings.pop(next(iter(self._bindings), key), None)
        return self._bindings.setdefault(key, deque())

    def _bind(self, shapes: Mapping[str, tuple[int, ...]]) -> Binding:
        sizes = bind_sizes(self.graph.inputs, shapes)
        check_sizes(self.graph, sizes)
        return Binding(self._context, self._homes, self._steps, self._constants, sizes, self.threads)

    def _prepare(self, binding: Binding, params: Mapping[str, Array]) -> None:
        prepared = self._prepared
        if prepared is None or not prepared.fits(params, self._prologue.names):
            prepared = self._prepared = self._prologue.compute(params)
        if binding.prepared is not prepared:
            for buffer, memory in prepared.memory.items():
                binding.table.place(buffer, memory.ctypes.data)
            binding.prepared = prepared


def _values(step: Step) -> list[Value]:
    return [b for b in buffers(step) if isinstance(b, Value)]


def _constants(steps: Sequence[Step]) -> tuple[dict[Value, int], list[np.ndarray[Any, Any]]]:
    """Addresses of the constants that steps read, and the aligned copies that they are addresses of."""
    found: dict[Value, int] = {}
    kept: list[np.ndarray[Any, Any]] = []
    for value in dict.fromkeys(v for step in steps for v in _values(step)):
        if value.node.op == "const":
            array = np.ascontiguousarray(value.node.attrs["value"])
            memory = aligned(max(1, array.nbytes))
            memory[: array.nbytes] = array.reshape(-1).view(np.uint8)
            kept.append(memory)
            found[value] = memory.ctypes.data
    return found, kept
