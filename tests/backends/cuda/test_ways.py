"""Ways to carry a node out whose choice waits until sizes are known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from netlang.backends.base import Options
from netlang.backends.common.choices import NO_SIZES, Candidate, Choices, cheapest
from netlang.backends.common.numbers import Sizes
from netlang.backends.cuda import Cuda
from netlang.backends.cuda.ahead import kernels_of
from netlang.backends.cuda.backend import lowered
from netlang.backends.cuda.executable import Executable
from netlang.backends.cuda.kernel import Kernel
from netlang.backends.cuda.settled import Noted, Settled
from netlang.backends.cuda.simulator.device import Simulator
from netlang.backends.cuda.steps import Launch
from netlang.backends.cuda.target import CudaTarget
from netlang.driver import assemble
from netlang.frontend import load
from netlang.ir.graph import Graph, Node
from netlang.passes import inference_pipeline
from netlang.passes.manager import PassManager

NET = """
net score(inner = 24, outer = 12) {
  input x: f32[N, inner]
  output y = x -> dense(outer)
}
"""
TARGET = CudaTarget("80")


class Built(Simulator):
    """Notes the kernels that it is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.keys: list[str] = []

    def build(self, kernels: Sequence[Kernel]) -> None:
        self.keys += [kernel.key for kernel in kernels]
        super().build(kernels)


class Asked(Choices):
    """Notes what it is asked for."""

    def __init__(self) -> None:
        self.questions: list[tuple[str, dict[str, int]]] = []

    def pick(
        self, graph: Graph, node: Node, kind: str, candidates: Sequence[Candidate], sizes: Sizes = NO_SIZES
    ) -> str:
        self.questions.append((kind, dict(sizes)))
        return cheapest(candidates)


def prepared() -> Graph:
    module = load(NET, arguments={"inner": 512, "outer": 256})
    return PassManager().run(module.net, [*inference_pipeline(), *Cuda().passes])


def keys(choices: Choices, rows: int) -> set[str]:
    _, steps = lowered(prepared(), TARGET, Options(), choices)
    listed = [step for own in steps.values() for step in own if isinstance(step, Launch)]
    return {step.kernel.key for step in listed if step.is_taken({"N": rows})}


def test_only_kernels_of_the_way_that_is_taken_are_built() -> None:
    device = Built()
    model = assemble(load(NET), Cuda(device=device)).init(seed=1)
    assert not device.keys
    model(np.ones((1, 24), np.float32))
    assert len(set(device.keys)) == 1 and device.keys[0].startswith("thin:")
    model(np.ones((40, 24), np.float32))
    assert len(set(device.keys)) == 2 and device.keys[-1].startswith("thin:along/4x")


def test_a_chooser_is_asked_once_for_each_size() -> None:
    asked, device = Asked(), Simulator()
    graph = prepared()
    executable = Executable(graph, *lowered(graph, device.target, Options(), asked), device)
    assert not asked.questions
    for rows in (2, 3, 2):
        executable.planned_bytes({"N": rows})
    assert asked.questions == [("product", {"N": 2}), ("product", {"N": 3})]


def test_what_was_noted_is_kept_to_and_any_size_finds_kernels() -> None:
    noted = Noted(Choices())
    there = {kernel.key for kernel in kernels_of(prepared(), TARGET, Options(), noted)}
    assert len(there) == 3
    for rows in (1, 64):
        assert keys(Settled(noted.table), rows) == keys(Choices(), rows) <= there
    assert not keys(Choices(), 1 << 20) <= there
    for rows in (2, 1 << 20):
        assert keys(Settled(noted.table), rows) <= there


def test_a_batch_that_was_asked_for_is_what_ways_are_chosen_for() -> None:
    assert {kernel.key for kernel in kernels_of(prepared(), TARGET, Options(batch=3000))} == keys(Choices(), 3000)
