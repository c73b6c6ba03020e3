"""`import netlang`: what it costs, and compiling from Python."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
import threading
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
    assert set(netlang.__all__) == {
        *("Dataset", "Model", "NetError", "Options", "Progress", "Trainer"),
        *("__version__", "compile", "data", "export_onnx", "import_onnx", "load", "train"),
    }
    for name in netlang.__all__:
        assert getattr(netlang, name)
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


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"threads": 0}, "'threads' is a whole number from 1 on, not 0"),
        ({"threads": "4"}, "'threads' is a whole number from 1 on, not '4'"),
        ({"batch": -1}, "'batch' is a whole number from 1 on, not -1"),
        ({"batch": 10**15}, "inputs of 1,000,000,000,000,000 samples do not fit into memory"),
    ],
)
def test_numbers_that_are_none(arguments: dict[str, int], text: str) -> None:
    with pytest.raises(netlang.NetError) as fault:
        netlang.compile(NET, target="reference", **arguments)  # type: ignore[arg-type]
    assert text in str(fault.value)


@pytest.mark.parametrize("seed", [-1, 1.0, "a", True, 2**63, None])
def test_seeds_that_are_none(seed: object) -> None:
    model = netlang.compile(NET, target="reference")
    for use in (model.init, model.trainer):
        with pytest.raises(netlang.NetError, match="a seed is a whole number from 0 to"):
            use(seed=seed)  # type: ignore[arg-type]


def test_copies_and_pickles_are_refused_in_plain_words() -> None:
    model = netlang.compile(NET, target="reference").init()
    for thing in (model, model.trainer()):
        for take in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match="holds machine code and cannot be copied or pickled"):
                take(thing)


def test_paths_that_cannot_be_any() -> None:
    model = netlang.compile(NET, target="reference").init()
    for use in (model.load_weights, model.save_weights):
        with pytest.raises(netlang.NetError, match="null byte"):
            use("a\0b")


def test_two_models_train_in_two_threads_as_they_do_alone() -> None:
    def train(found: list[float]) -> None:
        step = netlang.compile(NET, target="cpu").trainer(seed=0)
        found += [step(image=X, label=np.array([3, 7])) for _ in range(30)]

    results: list[list[float]] = [[], [], []]
    train(results[0])
    threads = [threading.Thread(target=train, args=(found,)) for found in results[1:]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results[0] == results[1] == results[2]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # newer Pythons warn of forks of processes with threads
def test_a_forked_process_computes_the_same() -> None:
    model = netlang.compile(NET, target="cpu").init(0)
    many = np.tile(X, (500, 1))
    before = model(many)
    child = os.fork()
    if not child:
        os._exit(0 if np.array_equal(model(many), before) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
