"""The cpu backend: graphs to machine code for this machine, through Numba and LLVM."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import netlang.backends.cpu.kernels
import netlang.ops  # noqa: F401  (fills the registry)
from netlang import config
from netlang.backends.base import Array, Deployed, Library, Options, Package, Report, Request, Said, Style, Tuning
from netlang.backends.common import cells
from netlang.backends.common.choices import Choices, Remembered, Trial
from netlang.backends.common.homes import find_homes
from netlang.backends.common.planning import plan_memory
from netlang.backends.common.slices import with_slices
from netlang.backends.common.steps import Step
from netlang.backends.common.tune import Timed, Tuner, deterministic
from netlang.backends.common.whole import lower_graph
from netlang.backends.cpu import layout, prologue, remembered
from netlang.backends.cpu.executable import Executable, called
from netlang.backends.cpu.lower import LoweringContext
from netlang.backends.cpu.processors import available
from netlang.backends.cpu.program import Program
from netlang.backends.cpu.target import Target, host
from netlang.backends.cpu.translation import Translation
from netlang.backends.cpu.tune import METHOD, node_seconds
from netlang.ir.graph import Graph, Node
from netlang.passes.manager import Pass, PassManager
from netlang.passes.memory import MemoryPlan


class Cpu:
    """Implements `netlang.backends.base.Backend`."""

    name = "cpu"

    def __init__(self, options: Options | None = None, target: Target | None = None) -> None:
        """`target`: this machine if none is given. Raises NetError for options that it cannot follow."""
        self.options = (options or Options()).in_float32(self.name)
        self.target = target or host()
        blocks = layout.layout_pass(self.options, self.target)
        joined = prologue.prologue_pass(self.options, self.target)
        self.passes: Sequence[Pass] = (cells.PASS, blocks, joined)

    def prepare(self, graph: Graph) -> Graph:
        """The graph as this backend carries it out."""
        return PassManager().run(graph, self.passes)

    def compile(self, graph: Graph, *, threads: int | None = None) -> Executable:
        """Machine code for a prepared graph. Raises NetError, with the node's place, where an op is not supported."""
        count = _count(threads)
        context, steps = lowered(graph, self.target, self.options, self._choices(count))
        return Executable(graph, context, steps, count)

    def program(self, graph: Graph) -> Program:
        """What a prepared graph comes to, by the model of costs alone; no code is generated."""
        context, steps = lowered(graph, self.target, self.options)
        homes = find_homes(context, steps)
        return Translation(context, homes, called(graph, homes, steps)).program

    def package(self, graphs: Sequence[Deployed], request: Request) -> Package:
        """Programs and machine code for several kinds of processors, as `netlang.backends.base.Packaging` says."""
        # Imported here: it makes backends like this one.
        from netlang.backends.cpu.artifact.writing import package

        return package(graphs, request, self.options)

    def library(self, graphs: Sequence[Deployed], said: Said, request: Request, style: Style) -> Library:
        """Programs and machine code as a shared library, as `netlang.backends.base.Linking` says."""
        from netlang.backends.cpu.library.writing import library

        return library(graphs, said, request, style, self.options)

    def plan(self, graph: Graph, sizes: Mapping[str, int]) -> MemoryPlan:
        """The memory of one call of a prepared graph; no code is generated."""
        context, steps = lowered(graph, self.target, self.options, self._choices(_count(None)))
        return plan_memory(context, find_homes(context, steps), sizes)

    def tune(
        self,
        graph: Graph,
        inputs: Mapping[str, Array],
        params: Mapping[str, Array],
        *,
        threads: int | None = None,
        seconds: float,
        report: Report,
    ) -> Tuning:
        """Choose by measurement, as `netlang.backends.base.Tunable` describes it."""
        if self.options.deterministic:
            raise deterministic()
        count = _count(threads)

        def make(trial: Trial) -> Timed:
            context, steps = lowered(graph, self.target, self.options, trial)
            return partial(node_seconds, Executable(graph, context, steps, count), inputs, params)

        return Tuner(METHOD, make, remembered.choices(count), report).tune(seconds)

    def remembered(self, threads: int | None = None) -> tuple[int, Path]:
        """How many choices compilations go by, and the file where choices are kept."""
        count = _count(threads)
        return len(self._choices(count).table), remembered.choices(count).place

    def _choices(self, threads: int) -> Remembered:
        ignored = self.options.deterministic or not config.get("NETLANG_TUNED")
        return Remembered({} if ignored else remembered.choices(threads).table())


def _count(threads: int | None) -> int:
    return int(threads or config.get("NETLANG_THREADS") or available())


def lowered(
    graph: Graph, target: Target, options: Options | None = None, choices: Choices | None = None
) -> tuple[LoweringContext, dict[Node, list[Step]]]:
    """The steps of every node of a prepared graph."""
    context = with_slices(
        LoweringContext(graph, target=target, options=options or Options(), choices=choices or Choices())
    )
    return context, lower_graph(context)
