"""Recurrent layers of the standard library in the simulator, with gradients, against the reference in float64."""

from __future__ import annotations

import numpy as np
import pytest

from netlang.backends.cuda import Cuda
from netlang.backends.cuda.backend import lowered
from netlang.backends.cuda.simulator.device import Simulator
from netlang.backends.reference import evaluate
from netlang.ir.graph import Graph
from netlang.ir.types import DType
from netlang.passes import inference_pipeline, training_pipeline
from netlang.passes.autodiff import differentiate
from netlang.passes.manager import PassManager
from tests.backends.recurrent import LAYERS, net, numbers


def compare(graph: Graph, gradient: bool, sizes: list[dict[str, int]], tolerance: float = 2e-5) -> list[str]:
    """Runs a graph, with gradients of all weights if asked for; the keys of the kernels inside of loops."""
    plain = differentiate(graph) if gradient else graph
    backend = Cuda(device=Simulator())
    passes = training_pipeline() if gradient else inference_pipeline()
    prepared = backend.prepare(PassManager().run(plain, passes))
    program = backend.compile(prepared)
    for given in sizes:
        inputs, params = numbers(graph, given)
        wanted, _ = evaluate(plain, inputs, params, dtype=DType.F64)
        found = program.run(inputs, params)
        for name, array in wanted.items():
            scale = max(1.0, float(np.abs(array).max(initial=0)))
            np.testing.assert_allclose(found[name], array, rtol=0, atol=tolerance * scale, err_msg=f"{name} {given}")
    _, steps = lowered(prepared, backend.device.target)
    return [step.kernel.key for made in steps.values() for step in made if step.loops]


@pytest.mark.parametrize("gradient", [False, True])
@pytest.mark.parametrize("layer", ["rnn", "gru", "lstm"])
def test_layers(layer: str, gradient: bool) -> None:
    """Batches and lengths of all sizes by one program; every product in a step is one with what follows it."""
    inside = compare(net(LAYERS[layer], 5), gradient, [{"N": 1, "T": 2}, {"N": 2, "T": 0}, {"N": 3, "T": 3}])
    assert any(key.startswith("cell:") and "'sum'" in key for key in inside)
    assert not any(key.startswith(("gemm:", "thin:", "plain_product:")) for key in inside), inside


@pytest.mark.parametrize("gradient", [False, True])
@pytest.mark.parametrize("layer", ["lstm", "gru"])
def test_many_rows_are_tiles(layer: str, gradient: bool) -> None:
    """As many rows as a tile has, and one more; units in fours."""
    compare(net(LAYERS[layer], 8, features=4), gradient, [{"N": 33, "T": 2}])


@pytest.mark.parametrize("layer", ["relu", "backwards", "both", "stacked", "again"])
def test_layers_of_other_kinds(layer: str) -> None:
    compare(net(LAYERS[layer], 4), True, [{"N": 2, "T": 3}])


def test_batches_of_sequences_that_end_early() -> None:
    compare(net("lstm(5, lengths = lengths)", 5), True, [{"N": 3, "T": 3}])
