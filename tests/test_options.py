"""What may be asked of generated code: exactness, the same bits for any number of threads, how weights are kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netlang
from netlang import driver
from netlang.backends.base import Array, Options
from netlang.cli import main
from netlang.diagnostics import NetError
from netlang.frontend import load
from netlang.ir.types import DType
from netlang.runtime.model import Model
from tests.nets import same_bits

EXAMPLES = Path(__file__).parent.parent / "examples"
NET = """
net digits {
  input image: f32[N, 3, 30, 28]
  first = image -> conv(64, 3, pad = 1) -> batchnorm -> relu
  deep = first -> conv(64, 3, pad = 1) -> relu -> maxpool(2) -> conv(48, 3, stride = 2) -> relu
  features = deep -> flatten -> dropout(0.3)
  logits = features -> dense(40) -> relu -> dense(10)
  output probs = softmax(logits)
}

train {
  target label: i64[N]
  loss       cross_entropy(logits, label)
  optimizer  adam(lr = 0.01)
  clip       norm(1.0)
}
"""


def images(count: int, *shape: int) -> Array:
    return np.random.default_rng(count).standard_normal((count, *shape)).astype(np.float32)


def outcome(model: Model, shape: tuple[int, ...]) -> Mapping[str, Array]:
    """Probabilities, and everything that three training steps leave behind."""
    found: dict[str, Any] = {"probs": np.array(model(images(5, *shape)))}
    if model.module.train is not None:
        trainer = model.trainer(seed=3)
        label = np.arange(5) % 10
        found["losses"] = np.array([trainer(images(5, *shape), label) for _ in range(3)])
        found |= {name: array.copy() for name, array in trainer.store.items()}
    return found


@pytest.mark.parametrize(("net", "shape"), [(NET, (3, 30, 28)), ((EXAMPLES / "lenet5.net"), (1, 28, 28))])
def test_deterministic_means_the_same_bits_for_any_number_of_threads(net: Any, shape: tuple[int, ...]) -> None:
    one, *others = (
        outcome(netlang.compile(net, threads=threads, deterministic=True).init(0), shape) for threads in (1, 2, 3, 4)
    )
    assert all(same_bits(one, other) for other in others)


def test_every_call_gives_the_same_bits_for_the_same_number_of_threads() -> None:
    first, second = (outcome(netlang.compile(NET, threads=2).init(0), (3, 30, 28)) for _ in range(2))
    assert same_bits(first, second)
    model = netlang.compile(NET, threads=2).init(0)
    x = images(5, 3, 30, 28)
    wanted = model(x)
    assert all(np.array_equal(model(x), wanted) for _ in range(5))


def kernels(model: Model) -> str:
    executable: Any = model.compiled.executable  # type: ignore[attr-defined]
    return " ".join(step.kernel.key for step in executable.steps)


def test_exact_code_has_no_winograd() -> None:
    exact, usual = (netlang.compile(NET, exact=exact).init(0) for exact in (True, False))
    assert "winograd" in kernels(usual) and "winograd" not in kernels(exact)
    x = images(2, 3, 30, 28)
    np.testing.assert_allclose(exact(x), usual(x), rtol=1e-4, atol=1e-6)


def test_options_reach_the_backend() -> None:
    given = driver.options(exact=True, deterministic=True, weights_as="bfloat16")
    assert given == Options(True, True, DType.BF16)
    assert driver.backend_for("cpu", given).options == given  # type: ignore[attr-defined]


@pytest.mark.parametrize(("name", "hint"), [("bfloat", "bfloat16"), ("int8", "bfloat16"), ("", "bfloat16")])
def test_weights_as_nonsense(name: str, hint: str) -> None:
    with pytest.raises(NetError, match="weights cannot be kept as") as caught:
        netlang.compile(NET, weights_as=name)
    assert hint in str(caught.value)


def test_bfloat16_weights_change_results_a_little() -> None:
    full, half = (netlang.compile(NET, weights_as=kind).init(0) for kind in (None, "bfloat16"))
    x = images(4, 3, 30, 28)
    difference = np.abs(half(x) - full(x)).max() / np.abs(full(x)).max()
    assert 0 < difference < 2**-7
    sizes = {"N": 1}
    assert half.compiled.planned_bytes(sizes) < full.compiled.planned_bytes(sizes)


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "digits.net"
    path.write_text(NET)
    return str(path)


def test_on_the_command_line(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", file, "--json", "--calls", "1", "--exact", "--deterministic"]) == 0
    layers = json.loads(capsys.readouterr().out)["layers"]
    assert layers and not any("winograd" in name for layer in layers for name in layer["kernels"])
    assert main(["compile", file, "--weights-as", "bfloat16"]) == 0
    assert main(["compile", file, "--weights-as", "float99"]) == 2
    assert "weights cannot be kept as 'float99'" in capsys.readouterr().err
    assert main(["compile", file, "--weights-as", "bfloat16", "--target", "reference"]) == 2
    assert "'reference' keeps weights as they are" in capsys.readouterr().err


def test_reference_takes_the_options_that_it_fulfils_anyway() -> None:
    module = load(NET)
    backend = driver.backend_for("reference", driver.options(exact=True, deterministic=True))
    assert driver.assemble(module, backend).init(0)(images(1, 3, 30, 28)).shape == (1, 10)
