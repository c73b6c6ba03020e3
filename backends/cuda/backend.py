"""The cuda backend: graphs to kernels for NVIDIA GPUs, through numba-cuda."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import netlang.backends.cuda.kernels
import netlang.ops  # noqa: F401  (fills the registry)
from netlang import config
from netlang.backends.base import AheadOfTime, Array, Deployed, Options, Package, Report, Request, Tuning
from netlang.backends.common import cells
from netlang.backends.common.choices import Choices, Remembered, Trial
from netlang.backends.common.homes import find_homes
from netlang.backends.common.remembered import any_kept
from netlang.backends.common.slices import with_slices
from netlang.backends.common.steps import Step
from netlang.backends.common.tune import Timed, Tuner, deterministic
from netlang.backends.common.whole import lower_graph
from netlang.backends.cuda import remembered, updates
from netlang.backends.cuda.device import Device
from netlang.backends.cuda.devices import default_device, further_devices
from netlang.backends.cuda.executable import Executable
from netlang.backends.cuda.lower import LoweringContext
from netlang.backends.cuda.parts import split
from netlang.backends.cuda.placed import Placed
from netlang.backends.cuda.prepared import planned
from netlang.backends.cuda.target import CudaTarget
from netlang.backends.cuda.tune import METHOD, strays
from netlang.diagnostics import NetError
from netlang.ir.graph import Graph, Node
from netlang.passes.manager import Pass, PassManager
from netlang.passes.memory import MemoryPlan
from netlang.passes.tower_nodes import is_on_several
from netlang.runtime.parameters import Store, settle


class Cuda:
    """Implements `netlang.backends.base.Backend`. Without a `device` the first GPU is taken when code is to run.

    Layers that the source puts on devices run there, on `device` and the `further` ones or on all GPUs of the machine,
    where there are several.
    """

    name = "cuda"

    def __init__(
        self, options: Options | None = None, device: Device | None = None, further: Sequence[Device] = ()
    ) -> None:
        self.options = options or Options()
        self.passes: Sequence[Pass] = (cells.PASS, Pass("updates", self._joined_updates))
        self._device = device
        self._further = further if device is not None else None

    @property
    def device(self) -> Device:
        """Where code runs whose source does not say it. Raises NetError where there is no GPU that can."""
        if self._device is None:
            self._device = default_device()
        return self._device

    @property
    def devices(self) -> Sequence[Device]:
        """All that code may run on. Raises NetError where there is no GPU, or one that cannot."""
        first = self.device
        if self._further is None:
            self._further = further_devices()
        return (first, *self._further)

    def places(self) -> int:
        """How many devices there are, as `netlang.backends.base.Placing` describes it."""
        try:
            return len(self.devices)
        except NetError:
            return 1

    def prepare(self, graph: Graph) -> Graph:
        """The graph as this backend carries it out."""
        return PassManager().run(graph, self.passes)

    def compile(self, graph: Graph, *, threads: int | None = None) -> Executable | Placed:
        """Code for a prepared graph, on the device, or on several. Raises NetError, with the node's place, where an op
        is not supported."""
        if self._is_placed(graph):
            return Placed(graph, split(graph, len(self.devices)), self.devices, self._compiled)
        return self._compiled(graph, self.device)

    def _is_placed(self, graph: Graph) -> bool:
        return is_on_several(graph) and self.places() > 1

    def _joined_updates(self, graph: Graph) -> Graph:
        """On several devices each part has updates of its own."""
        return graph if self._is_placed(graph) else updates.run(graph)

    def _compiled(self, graph: Graph, device: Device, choices: Choices | None = None) -> Executable:
        context, steps = lowered(graph, device.target, self.options, choices or self._choices(device))
        return Executable(graph, context, steps, device)

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
        """Choose by measurement on the device, as `netlang.backends.base.Tunable` describes it. Where layers are on
        several devices, the first one is measured. Raises NetError where there is no GPU, or none that runs code."""
        if self.options.deterministic:
            raise deterministic()
        try:
            device, store = self.device, Store(params)
        except NetError as fault:
            why = fault.diagnostics[0].message
            hint = "without --tune, netc compile --target cuda needs no GPU"
            raise NetError(f"tuning measures on a GPU: {why}", hint=hint) from fault

        def compiled(variant: Graph, choices: Choices) -> Executable:
            return self._compiled(variant, device, choices)

        def make(trial: Trial) -> Timed:
            executable = compiled(graph, trial)
            # What is chosen for sizes is so by then, and known to run; no memory is kept, as `run` would.
            executable.node_seconds(inputs, store, 1)
            return partial(executable.node_seconds, inputs, store)

        check = partial(strays, compiled, graph, inputs, store, precision=self.options.precision)
        try:
            return Tuner(METHOD, make, remembered.choices(device, self.options), report, check).tune(seconds)
        finally:
            settle()

    def remembered(self, threads: int | None = None) -> tuple[int, Path]:
        """How many choices compilations for this GPU go by, and the file where choices are kept. Raises NetError where
        there is no GPU."""
        return len(self._choices(self.device).table), remembered.choices(self.device, self.options).place

    def _choices(self, device: Device) -> Remembered:
        ignored = self.options.deterministic or not config.get("NETLANG_TUNED") or not any_kept()
        return Remembered({} if ignored else remembered.choices(device, self.options).table())

    def here(self) -> Sequence[str]:
        """The architecture of the GPU; none where there is none that can run code."""
        try:
            return (self.device.target.arch,)
        except NetError:
            return ()

    def ahead(self, graph: Graph, architectures: Sequence[str] = ()) -> AheadOfTime:
        """Code for GPUs that need not be here, as `netlang.backends.base.Portable` describes it."""
        # It lowers as this module does.
        from netlang.backends.cuda.ahead import ahead

        return ahead(graph, self.options, architectures)

    def package(self, graphs: Sequence[Deployed], request: Request) -> Package:
        """Graphs as members of a file, as `netlang.backends.base.Packaging` describes it."""
        from netlang.backends.cuda.packaging import package

        return package(graphs, request, self.options, self.passes)

    def plan(self, graph: Graph, sizes: Mapping[str, int]) -> MemoryPlan:
        """The memory of one call of a prepared graph; no code is generated."""
        context, steps = lowered(graph, CudaTarget("80"), self.options)
        return planned(context, find_homes(context, steps), sizes)


def lowered(
    graph: Graph, target: CudaTarget, options: Options | None = None, choices: Choices | None = None
) -> tuple[LoweringContext, dict[Node, list[Step]]]:
    """The steps of every node of a prepared graph."""
    made = LoweringContext(graph, target=target, options=options or Options(), choices=choices or Choices())
    context = with_slices(made)
    return context, lower_graph(context)
