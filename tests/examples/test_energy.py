"""The energy models: contrastive divergence is what the book says it is, and small machines are counted exactly."""

from __future__ import annotations

import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest

import netlang
from netlang.backends.reference import evaluate
from netlang.frontend import load
from netlang.ir.gradient import adjoints
from netlang.ir.types import DType

ENERGY = Path(__file__).parents[2] / "examples" / "energy"
sys.path.insert(0, str(ENERGY))

from bars import divergence, log_probabilities, patterns  # noqa: E402

RNG = np.random.default_rng(0)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def test_the_gradient_is_what_units_do_together_on_data_less_in_dreams() -> None:
    graph = load(ENERGY / "rbm.net", arguments={"hidden": 4, "pixels": 6, "steps": 1}).phases[""].graph
    params = {n: RNG.normal(0, 1, s) for n, s in (("up.weight", (4, 6)), ("up.bias", 4), ("visible", 6))}
    image = RNG.integers(0, 2, (7, 6)).astype(float)
    given = {"image": image, "$rng": np.array([3, 1])}
    (held,) = {n.inputs[0] for n in graph.nodes if n.op == "stop_gradient"}
    wrt = [p for p in graph.params if p.node.attrs["role"] == "weight"]
    slopes = dict(zip([p.node.name for p in wrt], adjoints(graph.output("loss"), wrt), strict=True))
    outputs = (("dreamt", held), *((n, g) for n, g in slopes.items() if g is not None))
    found = evaluate(graph.replace(outputs=outputs, updates=()), given, params, dtype=DType.F64)[0]
    dreamt = found["dreamt"]
    assert set(np.unique(dreamt)) == {0, 1}
    together = [sigmoid(v @ params["up.weight"].T + params["up.bias"]).T @ v / len(v) for v in (image, dreamt)]
    np.testing.assert_allclose(found["up.weight"], together[1] - together[0], rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(found["visible"], dreamt.mean(0) - image.mean(0), rtol=1e-6, atol=1e-9)


def test_patterns_are_whole_rows_or_columns() -> None:
    found = patterns(3)
    assert found.shape == (14, 9) and len({row.tobytes() for row in found}) == 14
    for row in found.reshape(-1, 3, 3):
        assert (row == row[:1]).all() or (row == row[:, :1]).all()


def test_probabilities_are_those_of_all_states() -> None:
    weight, bias = RNG.normal(0, 1, (5, 5)), RNG.normal(0, 1, 5)
    coupling = (weight + weight.T) / 2 * (1 - np.eye(5))
    states = np.array([*product((0, 1), repeat=5)], float)
    scores = np.exp(0.5 * np.einsum("ni,ij,nj->n", states, coupling, states) + states @ bias)
    seen = scores.reshape(8, 4).sum(1) / scores.sum()
    np.testing.assert_allclose(np.exp(log_probabilities(weight, bias, 3)), seen, rtol=1e-9)
    assert divergence(np.zeros((11, 11)), np.zeros(11), patterns(3)) == pytest.approx(np.log(512 / 14))


@pytest.mark.parametrize("target", ["cpu", "reference"])
def test_sampling_follows_the_energy(target: str) -> None:
    """Many chains of a small machine come to the probabilities that its energy says."""
    sizes = {"seen": 2, "hidden": 1, "chains": 20_000, "free": 6, "clamped": 1}
    model = netlang.compile(ENERGY / "boltzmann.net", target=target, arguments=sizes).init(1)
    weight, bias = RNG.normal(0, 2, (3, 3)).astype(np.float32), RNG.normal(0, 1, 3).astype(np.float32)
    model.parameters["weight"], model.parameters["bias"] = weight, bias
    dreams = model(image=np.zeros((1, 2), np.float32))["dreams"]
    counts = np.bincount((dreams @ [2, 1]).astype(int), minlength=4) / len(dreams)
    np.testing.assert_allclose(counts, np.exp(log_probabilities(weight, bias, 2)), atol=0.015)


def test_a_machine_learns_bars_and_stripes() -> None:
    model = netlang.compile(ENERGY / "boltzmann.net")
    shapes = patterns(3)
    before = divergence(np.zeros((17, 17)), np.zeros(17), shapes)
    netlang.train(model, {"image": np.tile(shapes, (100, 1))}, netlang.Options(epochs=20), seed=1)
    assert divergence(model.parameters["weight"], model.parameters["bias"], shapes) < before / 2
