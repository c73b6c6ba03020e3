"""A graph in the simulator node by node, every kernel once: where it has least to do.

A node reads what the reference has computed, and what it makes is compared at once; so errors do not add up, and one
is found where it is made. Nodes whose kernels are all tried in other nodes get the reference's results.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from netlang.backends.common.steps import Step, evaluated
from netlang.backends.cuda import Cuda
from netlang.backends.cuda.addresses import Addresses
from netlang.backends.cuda.device import Launched
from netlang.backends.cuda.executable import Executable
from netlang.backends.cuda.simulator.device import Simulator
from netlang.backends.reference import evaluate
from netlang.ir.graph import Graph, Node, Value
from netlang.passes import inference_pipeline
from netlang.passes.manager import PassManager
from netlang.runtime.arrays import bind_sizes
from tests.backends.compared import Array

WATCHED = 2
"""Blocks of a launch in which races are looked for: the tests of single kernels do so in all."""


def assert_near(got: Array, wanted: Array, tolerance: float, what: str) -> None:
    """Within `tolerance` of the largest number of what is wanted."""
    largest = float(np.abs(wanted.astype(np.float64)).max(initial=0)) or 1.0
    np.testing.assert_allclose(
        got.astype(np.float64) / largest, wanted.astype(np.float64) / largest, rtol=0, atol=tolerance, err_msg=what
    )


@dataclass
class _Part:
    """A node with what it is launched as."""

    node: Node
    steps: Sequence[Step]
    launches: Sequence[Launched]
    work: float

    @property
    def kernels(self) -> set[str]:
        return {launched.kernel.key for launched in self.launches}


def compare(
    graph: Graph, inputs: Mapping[str, Array], params: Mapping[str, Array], what: str, tolerance: float = 1e-4
) -> int:
    """How many nodes were carried out. Raises AssertionError where one is not near what the reference makes."""
    backend = Cuda(device=Simulator(watched=WATCHED))
    prepared = PassManager().run(graph, [*inference_pipeline(), *backend.passes])
    values: dict[Value, Array] = {}

    def note(node: Node, made: Sequence[Array]) -> None:
        values.update(zip(node.results, made, strict=True))

    found = evaluate(prepared, inputs, params, observe=note)[0]
    for name, wanted in evaluate(graph, inputs, params)[0].items():
        assert_near(found[name], wanted, tolerance, f"{what} {name}, before it was lowered")
    return _Walk(backend.compile(prepared), inputs, params, values, what, tolerance).carry_out()


class _Walk:
    def __init__(
        self,
        executable: Executable,
        inputs: Mapping[str, Array],
        params: Mapping[str, Array],
        values: Mapping[Value, Array],
        what: str,
        tolerance: float,
    ) -> None:
        self.executable, self.values, self.what, self.tolerance = executable, values, what, tolerance
        self.context, self.device = executable.context, executable.device
        self.sizes = bind_sizes(executable.graph.inputs, {name: array.shape for name, array in inputs.items()})
        executable.bring(params)
        binding = executable.bound(self.sizes)
        binding.bring(inputs)
        self.addresses: Addresses = binding.addresses()

    def carry_out(self) -> int:
        parts = [self._part(node, steps) for node, steps in self.executable.groups]
        chosen, tried = _chosen(parts), set[str]()
        for part in parts:
            if id(part) not in chosen:
                self._give(part)
                continue
            self.device.record(part.launches).replay()
            tried |= part.kernels
            self._check(part)
        assert tried == {kernel for part in parts for kernel in part.kernels}
        return len(chosen)

    def _part(self, node: Node, steps: Sequence[Step]) -> _Part:
        work = sum(evaluated(step.work, self.sizes) for step in steps)
        return _Part(node, steps, self.addresses.launches(steps), work)

    def _results(self, part: _Part) -> list[Value]:
        """The results of a node that its steps write."""
        written = {self.context.storage(b) for step in part.steps for b in step.writes if isinstance(b, Value)}
        return [value for value in part.node.results if self.context.storage(value) in written]

    def _images(self, value: Value) -> list[Array]:
        """A result where it lies on the device, by the first axis: it may be a slice."""
        shape, dtype = value.type.concrete(self.sizes), value.dtype.numpy
        start = self.addresses.of(value)
        if not shape:
            return [self.device.memory.view(start, dtype, ())]
        pitch = evaluated(self.context.image_bytes(value, value.type), self.sizes)
        return [self.device.memory.view(start + i * pitch, dtype, shape[1:]) for i in range(shape[0])]

    def _give(self, part: _Part) -> None:
        for value in self._results(part):
            array = self.values[value]
            for place, image in zip(self._images(value), array if array.ndim else [array], strict=True):
                place[...] = image

    def _check(self, part: _Part) -> None:
        for value in self._results(part):
            wanted, got = self.values[value], np.stack(self._images(value)).reshape(self.values[value].shape)
            assert_near(got, wanted, self.tolerance, f"{self.what}: {part.node.name or part.node.op} {value.type}")
        self._give(part)


def _chosen(parts: Sequence[_Part]) -> set[int]:
    """As little work as has every kernel among it, the least first."""
    chosen, seen = set[int](), set[str]()
    for part in sorted(parts, key=lambda part: part.work):
        if not part.kernels <= seen:
            chosen.add(id(part))
            seen |= part.kernels
    return chosen
