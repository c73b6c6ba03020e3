"""A compiled graph: steps that are bound to sizes when first called with them."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from functools import partial

from netlang.backends.base import Array, StepTime
from netlang.backends.common.context import storage
from netlang.backends.common.homes import External, Homes, buffers, find_homes
from netlang.backends.common.numbers import Sizes
from netlang.backends.common.steps import Step
from netlang.backends.cpu import loader
from netlang.backends.cpu.arena import kept_bytes, plan_arena
from netlang.backends.cpu.binding import Binding
from netlang.backends.cpu.build import build
from netlang.backends.cpu.dump import dump_steps
from netlang.backends.cpu.lower import LoweringContext
from netlang.backends.cpu.prepared import Prepared, Prologue, note_change
from netlang.backends.cpu.profile import StepClock, kernel_text, measured_peak, step_bytes
from netlang.backends.cpu.runner import Runner, Shapes
from netlang.backends.cpu.threads import entry_points
from netlang.backends.cpu.translation import Translation
from netlang.backends.cpu.workers import pool
from netlang.ir.graph import Graph, Node, Value
from netlang.ir.sizes import check_sizes
from netlang.runtime.arrays import bind_sizes


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
        self._steps = called(graph, self._homes, steps)
        translation = Translation(context, self._homes, self._steps)
        self._program = translation.program
        code = partial(loader.address, target=context.target)
        self._runner = Runner(self._program, code, pool(), threads, partial(_sizes, graph))
        self._prologue = Prologue(context, self._homes, translation.room, self._runner)
        self._prepared: Prepared | None = None
        build([step.kernel for step in (*self._homes.prologue, *self._steps)], threads, context.target)
        build(entry_points(threads), threads)
        dump_steps(graph, self._homes.prologue, self._steps)

    def run(self, inputs: Mapping[str, Array], params: Mapping[str, Array]) -> dict[str, Array]:
        """One call, as `netlang.backends.base.Executable.run` describes it."""
        prepare = partial(self._prepare, params=params) if self._homes.hoisted else None
        outputs = self._runner.run(inputs, params, prepare)
        if self.graph.updates:
            note_change()
        return outputs

    def profile(self, inputs: Mapping[str, Array], params: Mapping[str, Array], calls: int) -> list[StepTime]:
        """Time every step in each of so many calls, as `netlang.backends.base.Profiled` describes it."""
        binding = self._runner.bind({name: array.shape for name, array in inputs.items()})
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
        self._runner.bindings.clear()  # they keep the arrays of their last call

    def planned_bytes(self, sizes: Mapping[str, int]) -> int:
        """Bytes of the arena for these sizes, and of what is kept per set of parameters."""
        return plan_arena(self._program, sizes).bytes + kept_bytes(self._program)

    @property
    def steps(self) -> Sequence[Step]:
        """The steps of one call, in order."""
        return self._steps

    @property
    def prologue(self) -> Sequence[Step]:
        """The steps done once per set of parameters."""
        return self._homes.prologue

    def _prepare(self, binding: Binding, params: Mapping[str, Array]) -> None:
        prepared = self._prepared
        if prepared is None or not prepared.fits(params, self._prologue.names):
            prepared = self._prepared = self._prologue.compute(params)
        if binding.prepared is not prepared:
            for room, memory in prepared.memory.items():
                binding.table.place(room, memory.ctypes.data)
            binding.prepared = prepared


def _sizes(graph: Graph, shapes: Shapes) -> Sizes:
    """Of symbolic dims. A method would tie the executable to itself, and its memory would go late."""
    sizes = bind_sizes(graph.inputs, shapes)
    check_sizes(graph, sizes)
    return sizes


def called(graph: Graph, homes: Homes, steps: Mapping[Node, Sequence[Step]]) -> list[Step]:
    """The steps of every call, in order: those that are not done once per set of parameters."""
    hoisted = set(map(id, homes.prologue))
    return [s for n in graph.nodes for s in steps.get(n, ()) if id(s) not in hoisted]


def _values(step: Step) -> list[Value]:
    return [b for b in buffers(step) if isinstance(b, Value)]
