"""Run a graph in the simulator and compare it with the reference."""

from __future__ import annotations

from collections.abc import Mapping

from netlang.backends.base import Options
from netlang.backends.cuda import Cuda
from netlang.backends.cuda.executable import Executable
from netlang.backends.cuda.simulator.device import Simulator
from netlang.backends.reference import Reference
from netlang.ir.graph import Graph
from netlang.passes.manager import PassManager
from tests.backends.compared import Array, assert_same


def compiled(graph: Graph, options: Options | None = None) -> Executable:
    """A graph after the cuda backend's own passes, on a simulated device of its own."""
    backend = Cuda(options, Simulator())
    return backend.compile(PassManager().run(graph, backend.passes))


def check(
    graph: Graph, feed: Mapping[str, Array], tolerance: float = 1e-5, options: Options | None = None
) -> dict[str, Array]:
    """Compare a graph without params; returns what the simulator computed."""
    want = Reference().compile(graph).run(feed, {})
    got = compiled(graph, options).run(feed, {})
    assert_same(got, want, tolerance)
    return got
