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


def test_a_trainer_trains_the_model_it_came_from() -> None:
    model = netlang.compile(NET, target="reference")
    step = model.trainer(seed=0)
    labels = np.array([3, 7])
    losses = [step(image=X, label=labels) for _ in range(40)]
    assert losses[-1] < losses[0] / 4
    assert list(model(X).argmax(axis=1)) == [3, 7]
    assert set(model.parameters) == {p for p in step.store if "momentum" not in p and p != "$step"}


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
