"""The GPU's benchmark, as far as it can be looked at without a GPU: its table, its peers, and what it says here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.cuda import table
from benchmarks.gpu.cells import COMPILED, EAGER, OWN, Cell, Measured, cells
from benchmarks.layers import layers
from benchmarks.networks import images, labels, make_model

ROOT = Path(__file__).parent.parent
CELL = Cell("lenet5", "inference", 1, "tf32")


def test_names_of_cells_read_back() -> None:
    assert Cell.named(CELL.name) == CELL
    assert len({c.name for c in cells()}) == len(cells()) == 7 * 2 * 2 * 3


def test_table_has_ratios_and_says_what_is_missing() -> None:
    other = Cell("lenet5", "training", 64, "bf16")
    found = Measured(CELL.name, {OWN: 1e-5, EAGER: 4e-5, COMPILED: 2e-5}, {EAGER: 1e-4}, 1_500_000)
    failed = Measured(other.name, {OWN: 2e-3, EAGER: 1e-3}, missing={COMPILED: "RuntimeError: no"})
    text = table({CELL.name: found.told(), other.name: failed.told()}, [CELL, other])
    assert "| lenet5 | 1 | tf32 | 0.01 | 0.04 | 0.02 | 4.00 | 2.00 | 1.5 MB |" in text
    assert "| lenet5 | 64 | bf16 | 2 | 1 | – | 0.50 | – | – |" in text
    assert "batch 1: at least 2.00 times as fast as torch.compile (lenet5 inference 1 tf32)" in text
    assert "batch 64: 0.50 times as fast as torch" in text
    assert "lenet5 training 64 bf16: torch.compile: RuntimeError: no" in text


@pytest.mark.parametrize("precision", ["float32", "bf16"])
@pytest.mark.parametrize("last", [False, True])
def test_peers_compute_what_we_do(precision: str, last: bool) -> None:
    torch_cuda = pytest.importorskip("benchmarks.gpu.torch_cuda")
    model = make_model("lenet5", 1)
    x, plan = images(model, 3), layers(model.net.outputs[0][1])
    call = torch_cuda.inference(plan, model.parameters, x, precision, last=last, compiled=False, device="cpu")
    tolerance = 1e-5 if precision == "float32" else 3e-2
    np.testing.assert_allclose(torch_cuda.to_numpy(call()), model(x), atol=tolerance)
    spec = model.module.train
    assert spec is not None
    loss = next(n for n in spec.graph.nodes if n.op == "cross_entropy")
    label = labels(model, 3)
    step = torch_cuda.training(
        layers(loss.inputs[0]), model.parameters, x, label, spec.optimizer.args, precision,
        last=last, compiled=False, device="cpu",
    )  # fmt: skip
    theirs = [float(step()) for _ in range(2)]
    trainer = model.trainer(0)
    np.testing.assert_allclose([trainer(x, label) for _ in range(2)], theirs, rtol=tolerance)


def test_without_a_gpu_it_says_so() -> None:
    pytest.importorskip("netlang.backends.cuda.driver")
    code = "import ctypes, sys; sys.exit(0 if ctypes.util.find_library('cuda') else 1)"
    if subprocess.run([sys.executable, "-c", f"import ctypes.util; {code}"]).returncode == 0:
        pytest.skip("this machine has a driver")
    found = subprocess.run([sys.executable, "-m", "benchmarks.cuda"], cwd=ROOT, capture_output=True, text=True)
    assert found.returncode == 2
    assert "Traceback" not in found.stderr and found.stderr.strip()
