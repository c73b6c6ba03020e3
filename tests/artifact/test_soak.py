"""Many threads on one net from a file: the benchmark that is run for long, for a moment."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import netlang
from benchmarks.soak import inputs_for, resident, soak
from netlang.backends.cpu.binding import INTERFACE_KEYS
from tests.artifact.conftest import model_of, write

CALLS = 50
LARGE = "net n {\n  input x: f32[N, 99999]\n  output y = relu(x)\n}"


def test_eight_threads_and_no_growth(tmp_path: Path) -> None:
    """Each answer has 400 kB, so that one kept of every ten calls would show."""
    net = netlang.load(write(tmp_path / "n.netc", model_of(LARGE)))
    found = soak(net, [inputs_for(net, 1, i) for i in range(8)], CALLS)
    assert found.wrong == 0
    assert found.grown < 8 * CALLS * 400_000 / 10


def test_wrong_answers_are_counted() -> None:
    class Drifting:
        def __init__(self) -> None:
            self.inputs, self.calls = {"x": "f32[N, 3]"}, 0

        def __call__(self, x: np.ndarray) -> np.ndarray:
            self.calls += 1
            return x + (self.calls > 5)

    net = Drifting()
    assert soak(net, [inputs_for(net, 2, 0)], 20).wrong == 18
    assert resident() > 1 << 20


def test_all_that_numpy_tells_of_an_array_is_kept() -> None:
    assert set(np.zeros((2, 2)).__array_interface__) <= set(INTERFACE_KEYS)
