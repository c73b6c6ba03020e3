"""Recurrent layers of the standard library on the cpu backend, with gradients, against the reference in float64."""

from __future__ import annotations

import numpy as np
import pytest

from netlang.backends.cpu import Cpu
from netlang.backends.cpu.executable import Executable
from netlang.backends.reference import evaluate
from netlang.ir.graph import Graph
from netlang.ir.types import DType
from netlang.passes import inference_pipeline, training_pipeline
from netlang.passes.autodiff import differentiate
from netlang.passes.manager import PassManager
from tests.backends.cpu.checked_steps import run_checked
from tests.backends.recurrent import LAYERS, net, numbers


def programs(graph: Graph, gradient: bool) -> tuple[Graph, Executable, Executable]:
    """The graph, with gradients of all weights if asked for, and its programs for one thread and for two."""
    plain = differentiate(graph) if gradient else graph
    cpu = Cpu()
    passes = training_pipeline() if gradient else inference_pipeline()
    prepared = cpu.prepare(PassManager().run(plain, passes))
    one, two = (cpu.compile(prepared, threads=n) for n in (1, 2))
    return plain, one, two


def compare(graph: Graph, gradient: bool, sizes: list[dict[str, int]], tolerance: float = 2e-5) -> Executable:
    plain, one, two = programs(graph, gradient)
    for given in sizes:
        inputs, params = numbers(graph, given)
        wanted, _ = evaluate(plain, inputs, params, dtype=DType.F64)
        found, other, checked = one.run(inputs, params), two.run(inputs, params), run_checked(one, inputs, params)
        for name, array in wanted.items():
            scale = max(1.0, float(np.abs(array).max(initial=0)))
            np.testing.assert_allclose(found[name], array, rtol=0, atol=tolerance * scale, err_msg=f"{name} {given}")
            assert found[name].tobytes() == other[name].tobytes() == checked[name].tobytes(), f"{name} {given}"
    return one


SIZES = [{"N": 1, "T": 2}, {"N": 2, "T": 0}, {"N": 3, "T": 13}, {"N": 5, "T": 1}, {"N": 16, "T": 3}]


@pytest.mark.parametrize("gradient", [False, True])
@pytest.mark.parametrize("units", [1, 7, 17, 64])
@pytest.mark.parametrize("layer", ["rnn", "gru", "lstm"])
def test_layers(layer: str, units: int, gradient: bool) -> None:
    """Batches and lengths of all sizes by one program; each step is one kernel or few."""
    program = compare(net(LAYERS[layer], units), gradient, SIZES)
    inside = [s.kernel.key for s in program.steps if s.loops]
    assert any(key.startswith("cell:") and "'sum'" in key for key in inside)
    assert all(key.startswith(("cell:", "copy_bytes", "nest")) for key in inside), inside


@pytest.mark.parametrize("gradient", [False, True])
@pytest.mark.parametrize("layer", ["relu", "backwards", "both", "stacked", "again"])
def test_layers_of_other_kinds(layer: str, gradient: bool) -> None:
    compare(net(LAYERS[layer], 9), gradient, SIZES)


@pytest.mark.parametrize("gradient", [False, True])
@pytest.mark.parametrize("layer", ["lstm(9, lengths = lengths)", "bidirectional(gru, 9, lengths = lengths)"])
def test_batches_of_sequences_that_end_early(layer: str, gradient: bool) -> None:
    compare(net(layer, 9), gradient, SIZES)


def test_gates_never_go_to_memory() -> None:
    """The kernel that ends a step of an LSTM stores h and c, and nothing else."""
    _, program, _ = programs(net("lstm({units})", 64), False)
    last = [s for s in program.steps if s.loops][-1]
    assert last.kernel.key.startswith("cell:") and len(last.writes) == 3  # the stack of all h, two places for c
