"""What only a GPU can show: nets at their real sizes in every precision, a training to its accuracy, and that no kernel
races or reaches outside of its memory, as NVIDIA's compute-sanitizer sees it.

Each test is a function of a device, so that the simulator can carry it out too, for smaller nets.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netlang import NetError
from netlang.backends.base import Options
from netlang.backends.cuda import Cuda, driver
from netlang.driver import assemble, backend_for
from netlang.frontend import load
from netlang.runtime import fit
from netlang.runtime.data import digits
from netlang.runtime.model import Model
from netlang.runtime.samples import random_inputs

EXAMPLES = Path(__file__).parents[3] / "examples"
NETS = {
    "lenet5.net": {"N": 64},
    "googlenet/googlenet.net": {"N": 4},
    "resnet/resnet.net": {"N": 4},
    "densenet/densenet.net": {"N": 2},
    "recurrent/names_lstm.net": {"N": 8, "T": 12},
}
ERRORS = {"float32": 1e-4, "tf32": 1e-2, "f16": 1e-2, "bf16": 6e-2}
"""Of the largest result: factors have 24, 11, 11 and 8 bits, and a net multiplies dozens of times one after another."""
SANITIZERS = ("memcheck", "racecheck", "synccheck")
_CHILD = """
import numpy as np
from netlang.backends.cuda import Cuda, driver
from netlang.driver import assemble
from netlang.frontend import load
model = assemble(load({path!r}), Cuda(device=driver.device(0))).init(seed=1)
image = np.random.default_rng(0).random((3, 1, 28, 28), np.float32)
model(image)
step = model.trainer(1)
for _ in range(2):
    step(image=image, label=np.array([1, 2, 3]))
"""


@pytest.fixture
def gpu() -> Any:
    try:
        return driver.device(0)
    except NetError as fault:
        return pytest.skip(fault.diagnostics[0].message)


def compared(device: Any, net: str, sizes: dict[str, int], precision: str) -> None:
    """The outputs of a net, beside those of the cpu backend."""
    module = load(EXAMPLES / net)
    usual = assemble(module, backend_for("cpu")).init(seed=1)
    model = assemble(load(EXAMPLES / net), Cuda(Options(precision=precision), device)).init(seed=1)
    inputs = random_inputs(usual.net, sizes)
    wanted, got = outputs(usual, inputs), outputs(model, inputs)
    for name, value in wanted.items():
        largest = float(np.abs(value).max()) or 1.0
        np.testing.assert_allclose(got[name] / largest, value / largest, rtol=0, atol=ERRORS[precision], err_msg=name)


def outputs(model: Model, inputs: dict[str, Any]) -> dict[str, Any]:
    found = model(**inputs)
    return found if isinstance(found, dict) else {"": found}


def trained(device: Any, net: str, epochs: int) -> tuple[float, float]:
    """Accuracies on the held-out ones of scikit-learn's digits, trained on the device and on the cpu backend."""
    data = digits.load()
    found = []
    for backend in (Cuda(device=device), backend_for("cpu")):
        trainer = assemble(load(EXAMPLES / net), backend).trainer(1)
        trainer.fit(data, fit.Options(epochs=epochs))
        found.append(trainer.evaluate(data)["accuracy"])
    return found[0], found[1]


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ERRORS)
@pytest.mark.parametrize("net", NETS)
def test_nets_at_their_real_sizes(gpu: Any, net: str, precision: str) -> None:
    compared(gpu, net, NETS[net], precision)


@pytest.mark.gpu
def test_lenet_learns_as_on_cpu(gpu: Any) -> None:
    own, usual = trained(gpu, "lenet5.net", epochs=10)
    assert own > 0.98 and abs(own - usual) < 0.01


@pytest.mark.gpu
@pytest.mark.parametrize("tool", SANITIZERS)
def test_nothing_races_or_reaches_outside(gpu: Any, tool: str) -> None:
    home = os.environ.get("CUDA_HOME", "/usr/local/cuda")
    sanitizer = shutil.which("compute-sanitizer", path=os.pathsep.join([os.environ.get("PATH", ""), f"{home}/bin"]))
    if sanitizer is None:
        pytest.skip("there is no compute-sanitizer; it comes with the CUDA toolkit")
    child = _CHILD.format(path=str(EXAMPLES / "lenet5.net"))
    command = [sanitizer, "--tool", tool, "--error-exitcode", "9", sys.executable, "-c", child]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
