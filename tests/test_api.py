"""`import netlang`: what it costs, and compiling from Python."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import netlang
from tests.test_cli import NET

X = np.linspace(0, 1, 128, dtype=np.float32).reshape(2, 64)


def modules_after(statement: str) -> set[str]:
    """The modules that are loaded once a fresh interpreter has carried out `statement`."""
    program = f"{statement}\nimport sys\nprint('|'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.strip().split("|"))


def test_importing_netlang_imports_nothing_else() -> None:
    loaded = modules_after("import netlang")
    assert not loaded & {"numpy", "numba", "lark", "rich", "netlang.driver"}


def test_numba_waits_for_the_first_kernel() -> None:
    loaded = modules_after("import netlang\nnetlang.compile, netlang.Model, netlang.Trainer, netlang.NetError")
    assert "netlang.driver" in loaded and "numba" not in loaded


def test_the_public_names() -> None:
    assert set(netlang.__all__) == {"Model", "NetError", "Trainer", "__version__", "compile"}
    assert set(netlang.__all__) <= set(dir(netlang))
    with pytest.raises(AttributeError):
        netlang.compyle  # noqa: B018


def test_a_path_or_text(tmp_path: Path) -> None:
    path = tmp_path / "mlp.net"
    path.write_text(NET)
    first = netlang.compile(path, target="reference").init(1)
    second = netlang.compile(NET, target="reference", batch=4).init(1)
    assert np.array_equal(first(X), second(image=X))
    assert isinstance(first, netlang.Model) and isinstance(first.trainer(), netlang.Trainer)


@pytest.mark.parametrize("target", ["reference", "cpu"])
def test_a_trainer_trains_the_model_it_came_from(target: str) -> None:
    model = netlang.compile(NET, target=target)
    step = model.trainer(seed=0)
    labels = np.array([3, 7])
    losses = [step(image=X, label=labels) for _ in range(40)]
    assert losses[-1] < losses[0] / 4
    assert list(model(X).argmax(axis=1)) == [3, 7]
    assert set(model.parameters) == {p for p in step.store if "momentum" not in p and p != "$step"}


def test_what_is_derived_from_weights_follows_them(tmp_path: Path) -> None:
    """The cpu backend keeps packed weights between calls."""
    model = netlang.compile(NET, target="cpu").init(0)
    before = model(X)
    model.save_weights(tmp_path / "w.safetensors")
    assert not np.array_equal(model.init(1)(X), before)
    assert np.array_equal(model.load_weights(tmp_path / "w.safetensors")(X), before)
    model.trainer()(image=X, label=np.array([1, 2]))
    assert not np.array_equal(model(X), before)
    model.load_weights(tmp_path / "w.safetensors")
    model.parameters["dense1.weight"] = np.zeros((12, 64), np.float32)
    assert np.allclose(model(X)[0], model(X)[1])


def test_results_of_a_call_stay_as_they_are() -> None:
    model = netlang.compile(NET, target="cpu").init(0)
    first = model(X)
    kept = first.copy()
    model(-X)
    assert np.array_equal(first, kept)


def test_which_net() -> None:
    two = NET.replace("net mlp", "net first").split("train {")[0] + NET
    assert netlang.compile(two, target="reference").name == "mlp"
    assert netlang.compile(two, target="reference", net="first").name == "first"
    with pytest.raises(netlang.NetError, match="did you mean 'first'"):
        netlang.compile(two, target="reference", net="frist")


def test_a_forced_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETLANG_BACKEND", "reference")
    assert netlang.compile(NET, target="cpu").target == "reference"
    monkeypatch.setenv("NETLANG_BACKEND", "gpu")
    with pytest.raises(netlang.NetError, match="there is no target 'gpu'"):
        netlang.compile(NET)


def test_faults_carry_spans() -> None:
    with pytest.raises(netlang.NetError) as fault:
        netlang.compile(NET.replace("relu", "rellu"))
    assert fault.value.spans[0].line == 4 and "rellu" in str(fault.value)
