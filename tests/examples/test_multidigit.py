"""The strips of the reader show what their text says, and its loss counts only the digits that are there."""

from __future__ import annotations

import importlib.util
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import netlang
from benchmarks.family.records import EXAMPLES

FAMILY = EXAMPLES / "multidigit"
Array = NDArray[Any]


@pytest.fixture(scope="module")
def strips() -> ModuleType:
    spec = importlib.util.spec_from_file_location("strips", FAMILY / "strips.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def bars() -> dict[str, Array]:
    """Ten "digits" that can be told again: digit d is a full rectangle, 18 high and d + 2 wide."""
    images = np.zeros((10, 28, 28), np.uint8)
    for digit, image in enumerate(images):
        image[5:23, 4 : 6 + digit] = 255
    return {"image": images, "label": np.arange(10)}


def widths(strip: Array) -> list[int]:
    """How wide the rectangles of a strip are, from the left."""
    inked = np.concatenate([[0], (strip.max(axis=0) > 0).astype(int), [0]])
    edges = np.flatnonzero(np.diff(inked))
    return [int(stop - start) for start, stop in zip(edges[::2], edges[1::2], strict=True)]


def test_a_strip_shows_its_text_from_left_to_right(strips: ModuleType, bars: dict[str, Array]) -> None:
    made = strips.compose(bars, 200, np.random.default_rng(5))
    assert made["strip"].shape == (200, strips.HEIGHT, strips.WIDTH)
    for strip, text in zip(made["strip"], made["text"], strict=True):
        length = int((text >= 0).sum())
        assert 1 <= length <= strips.LONGEST and (text[length:] == -1).all()
        assert widths(strip) == [d + 2 for d in text[:length]]
    assert set((made["text"] >= 0).sum(axis=1)) == set(range(1, strips.LONGEST + 1))


def test_strips_are_drawn_by_the_generator_alone(strips: ModuleType, bars: dict[str, Array]) -> None:
    one, again, other = (strips.compose(bars, 20, np.random.default_rng(s)) for s in (1, 1, 2))
    assert all((one[key] == again[key]).all() for key in one)
    assert (one["strip"] != other["strip"]).any()


def test_the_loss_leaves_out_what_stands_after_the_last_digit(strips: ModuleType, bars: dict[str, Array]) -> None:
    made = strips.compose(bars, 8, np.random.default_rng(3))
    model = netlang.compile(FAMILY / "reader.net", arguments={"maps": [2, 3, 4], "hidden": 8}).init(seed=1)
    strip = (made["strip"][:, None] / np.float32(255)).astype(np.float32)
    out = model(strip)
    lengths = (made["text"] >= 0).sum(axis=1)
    logs = [np.log(out["length"][i, n - 1]) for i, n in enumerate(lengths)]
    logs += [np.log(out["digits"][i, made["text"][i, k], k]) for i, n in enumerate(lengths) for k in range(n)]
    measured = model.trainer(seed=1).evaluate({"strip": strip, "text": made["text"]})
    assert measured["loss"] == pytest.approx(-np.sum(logs) / len(lengths), rel=1e-4)
