"""Parameters on the device: what a training changes stays there until somebody asks for it."""

from __future__ import annotations

import gc
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netlang.backends.cuda import Cuda
from netlang.backends.cuda.resident import residents_of
from netlang.backends.cuda.simulator.device import Simulator
from netlang.backends.reference import Reference
from netlang.driver import assemble
from netlang.frontend import load
from netlang.runtime import parameters
from netlang.runtime.model import Model
from netlang.runtime.parameters import Store, settle, touch

NET = """
net scale {
  input x: f32[N, 3]
  param w: f32[3] = normal(0.5)
  output y = x * w
}

train {
  target t: f32[N, 3]
  loss mean((y - t) * (y - t))
  optimizer sgd(lr = 0.1, momentum = 0.9)
  batch 4
  epochs 1
}
"""
X = np.linspace(-1, 2, 12, dtype=np.float32).reshape(4, 3)
T = X * np.array([3, -2, 0.5], np.float32)


class Counting(Simulator):
    """Counts copies from and to the host by their bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.up: Counter[int] = Counter()
        self.down: Counter[int] = Counter()

    def upload(self, address: int, array: Any) -> None:
        self.up[array.nbytes] += 1
        super().upload(address, array)

    def download(self, address: int, array: Any) -> None:
        self.down[array.nbytes] += 1
        super().download(address, array)


WEIGHTS = 12
"""Bytes of a parameter, which nothing else here has."""


@pytest.fixture
def device() -> Counting:
    return Counting()


def made(backend: Any) -> Model:
    return assemble(load(NET), backend).init(seed=1)


def test_steps_leave_the_weights_on_the_device(device: Counting) -> None:
    model, wanted = made(Cuda(device=device)), made(Reference())
    trainer, teacher = model.trainer(), wanted.trainer()
    for _ in range(3):
        assert trainer.step({"x": X, "t": T}) == pytest.approx(teacher.step({"x": X, "t": T}), rel=1e-5)
    assert device.up[WEIGHTS] == 2 and device.down[WEIGHTS] == 0
    assert np.allclose(model(X), wanted(X), rtol=1e-5), "another program reads what the steps have made of them"
    assert device.up[WEIGHTS] == 2 and device.down[WEIGHTS] == 0
    assert np.allclose(model.parameters["w"], wanted.parameters["w"], rtol=1e-5)
    assert device.down[WEIGHTS] == 2, "the weights and the optimiser's momentum"
    assert np.array_equal(model.parameters["w"], model.parameters["w"]) and device.down[WEIGHTS] == 2


def test_what_is_assigned_is_what_goes_on(device: Counting) -> None:
    model, wanted = made(Cuda(device=device)), made(Reference())
    trainer, teacher = model.trainer(), wanted.trainer()
    for one, learner in ((model, trainer), (wanted, teacher)):
        learner.step({"x": X, "t": T})
        one.parameters["w"] = np.ones(3, np.float32)
        learner.step({"x": X, "t": T})
    assert np.allclose(model.parameters["w"], wanted.parameters["w"], rtol=1e-5)
    assert np.allclose(model(X), wanted(X), rtol=1e-5)


def test_files_and_copies_have_what_the_steps_have_made(device: Counting, tmp_path: Path) -> None:
    model = made(Cuda(device=device))
    model.trainer().step({"x": X, "t": T})
    copied = model.copy()
    model.save_weights(tmp_path / "w.safetensors")
    read = made(Cuda(device=device)).load_weights(tmp_path / "w.safetensors")
    now = model(X)
    assert np.array_equal(copied(X), now) and np.array_equal(read(X), now)


def test_a_frozen_model_stays_as_it_was(device: Counting) -> None:
    model = made(Cuda(device=device))
    trainer = model.trainer()
    trainer.step({"x": X, "t": T})
    before = model(X)
    model.freeze()
    trainer.step({"x": X, "t": T})
    assert np.array_equal(model(X), before)


def test_memory_goes_with_the_arrays(device: Counting) -> None:
    model = made(Cuda(device=device))
    model(X)
    table = residents_of(device)
    assert len(table._found) == 1
    del model
    gc.collect()
    assert not table._found


def test_arrays_of_a_plain_mapping_are_written_at_once(device: Counting) -> None:
    wanted, model = made(Reference()), made(Cuda(device=device))
    step = model.trainer().programs.step
    fed = model.trainer().fed({"x": X, "t": T})
    plain = {name: array.copy() for name, array in model.trainer().store.items()}
    teacher = wanted.trainer()
    for _ in range(2):
        step.run(fed, plain)
        teacher.step({"x": X, "t": T})
    assert any(np.allclose(array, wanted.parameters["w"], rtol=1e-5) for array in plain.values())


def test_writing_to_what_is_behind_is_a_fault_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parameters, "_behind", [])
    fetched: list[int] = []
    parameters.defer(lambda: fetched.append(1))
    with pytest.raises(RuntimeError, match=r"settle\(\) comes first"):
        touch()
    settle()
    settle()
    assert fetched == [1]
    before = Store().version
    touch()
    assert Store().version != before
