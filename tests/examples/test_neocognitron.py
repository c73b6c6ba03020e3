"""The neocognitron: its cells learn what they see, and recognise it where they did not see it."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

import netlang
from benchmarks.family.records import EXAMPLES

FOLDER = EXAMPLES / "neocognitron"


@pytest.fixture(scope="module")
def patterns() -> Any:
    sys.path.insert(0, str(FOLDER))
    try:
        import patterns
    finally:
        sys.path.remove(str(FOLDER))
    return patterns


@pytest.fixture(scope="module")
def model(patterns: Any) -> netlang.Model:
    """Shown the digits five times, layer by layer."""
    made = netlang.compile(FOLDER / "neocognitron.net")
    for phase in ("first", "second", "third"):
        step = made.trainer(2, phase=phase)
        for _ in range(5):
            for image in patterns.digits():
                step(image=image[None])
    return made


def test_a_digit_is_moved_and_nothing_comes_in(patterns: Any) -> None:
    image = np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4)
    assert patterns.shifted(image, 1, -2)[0, 0].tolist() == [[0] * 4, [2, 3, 0, 0], [6, 7, 0, 0], [10, 11, 0, 0]]


def test_features_are_pieces_of_strokes(model: netlang.Model, patterns: Any) -> None:
    """What a plane of the first layer has learned is a sum of 5 x 5 patches of the digits, weighted by a window."""
    weights, inhibition = model.parameters["s1.weight"], model.parameters["s1.inhibition"]
    assert np.array_equal(np.asarray(weights).max(axis=(1, 2, 3)) > 0.1, np.asarray(inhibition) > 0)
    assert 3 <= int((np.asarray(inhibition) > 0).sum()) <= 12


def test_untrained_cells_respond_to_next_to_nothing(patterns: Any) -> None:
    fresh = netlang.compile(FOLDER / "neocognitron.net").init(2)
    assert fresh(patterns.digits())["patterns"].max() < 0.02


def test_moved_digits_are_recognised_and_templates_fail(model: netlang.Model, patterns: Any) -> None:
    digits = patterns.digits()
    own = model(digits)["patterns"].argmax(axis=1)
    assert len(set(own.tolist())) == 5
    flat = digits.reshape(5, -1) / np.linalg.norm(digits.reshape(5, -1), axis=1, keepdims=True)
    right, matched = [], []
    for move in ((1, 1), (-2, 0), (0, 2), (2, -1)):
        moved = patterns.shifted(digits, *move)
        right += list(model(moved)["patterns"].argmax(axis=1) == own)
        matched += list((moved.reshape(5, -1) @ flat.T).argmax(axis=1) == np.arange(5))
    assert np.mean(right) >= 0.9
    assert np.mean(matched) <= 0.5
