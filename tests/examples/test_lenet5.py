"""LeNet-5 of 1998: its parameters layer by layer, Table I, subsampling, and the loss of equation 9, against NumPy."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import netlang
from benchmarks.family.records import EXAMPLES

LENET = EXAMPLES / "lenet5" / "lenet5_1998.net"
Array = NDArray[Any]

TABLE = [
    (0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5),
    (0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5),
    (0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5),
    (0, 1, 2, 3, 4, 5),
]  # fmt: skip
"""The maps of S2 that each map of C3 sees (Table I)."""


def probe(folder: Path, shape: str, applied: str) -> netlang.Model:
    """A net of one layer of the file."""
    shutil.copy(LENET, folder / LENET.name)
    text = f'import "{LENET.name}"\nnet probe() {{\n  input x: f32[{shape}]\n  output y = {applied}\n}}\n'
    (folder / "probe.net").write_text(text)
    return netlang.compile(folder / "probe.net").init(seed=2)


def test_every_layer_has_the_parameters_of_the_paper() -> None:
    counts: Counter[str] = Counter()
    for p in netlang.compile(LENET).net.params:
        if p.node.attrs["role"] == "weight":
            assert isinstance(p.type.size, int)
            counts[p.node.name.split(".")[0]] += p.type.size
    assert list(counts.values()) == [156, 12, 1516, 32, 48120, 10164]


def test_a_map_of_c3_sees_the_maps_that_table_1_says(tmp_path: Path) -> None:
    model = probe(tmp_path, "N, 6, 14, 14", "x -> partly_connected(links, 5)")
    x = np.random.default_rng(1).normal(size=(1, 6, 14, 14)).astype(np.float32)
    before = model(x)
    seen = []
    for i in range(6):
        changed = x.copy()
        changed[:, i] += 1
        seen.append((model(changed) != before).any(axis=(0, 2, 3)))
    assert [tuple(np.flatnonzero(column)) for column in np.array(seen).T] == TABLE


def test_subsampling_adds_four_neighbours_and_squashes(tmp_path: Path) -> None:
    model = probe(tmp_path, "N, 3, 8, 8", "x -> subsample")
    x = np.random.default_rng(1).normal(size=(2, 3, 8, 8)).astype(np.float32)
    names = {name.rsplit(".", 1)[1]: array for name, array in model.store.items()}
    names["bias"][...] = [[[0.5]], [[-0.5]], [[0.0]]]
    sums = x.reshape(2, 3, 4, 2, 4, 2).sum(axis=(3, 5))
    wanted = 1.7159 * np.tanh(2 / 3 * (sums * names["coefficient"] + names["bias"]))
    np.testing.assert_allclose(model(x), wanted, rtol=0, atol=1e-6)


def test_the_loss_is_equation_9() -> None:
    model = netlang.compile(LENET).init(seed=4)
    rng = np.random.default_rng(2)
    image = rng.random((6, 1, 32, 32)).astype(np.float32)
    label = rng.integers(0, 10, 6)
    distance = model(image).astype(np.float64)
    penalties = distance[np.arange(6), label] + np.log(np.exp(-10.0) + np.exp(-distance).sum(axis=1))
    measured = model.trainer(seed=1).evaluate({"image": image, "label": label})
    assert measured["loss"] == pytest.approx(penalties.mean(), rel=1e-5)
    assert measured["accuracy"] == pytest.approx((distance.argmin(axis=1) == label).mean())


def test_the_drawings_are_of_ten_different_digits_in_black_and_white() -> None:
    model = netlang.compile(LENET).init(seed=0)
    drawings = model.store["pixels"].transpose(0, 2, 1, 3).reshape(10, 84)
    assert set(np.unique(drawings)) == {-1.0, 1.0}
    apart = ((drawings[:, None] - drawings[None]) ** 2).sum(axis=2) + 1000 * np.eye(10)
    assert apart.min() >= 32  # at least eight pixels differ
