"""Steps of optimisers, losses, dropout and random numbers, as ONNX has them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

from netlang.diagnostics import NetError
from tests.interchange.importing.oracle import Array, answers, check, model, one_node

_DOMAIN = "ai.onnx.preview.training"
ALPHA: dict[str, dict[str, float]] = {"Adam": {"alpha": 1.0, "beta": 0.5}, "Adagrad": {}}


def normal(*shape: int) -> Array:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


# ---- optimisers: by the formulas of their specification


@pytest.mark.parametrize("updates", [0, 3])
def test_adam_of_two_tensors(updates: int, tmp_path: Path) -> None:
    given = {"R": np.array(0.1, np.float32), "T": np.array(updates)}
    shapes = {"1": (3,), "2": (2, 4)}
    given |= {kind + i: normal(*shapes[i]) for kind in "XGV" for i in "12"}
    given |= {"H" + i: np.abs(normal(*shapes[i])) for i in "12"}
    names = [kind + i for kind in "XVH" for i in "12"]
    proto = one_node(
        "Adam", given, {}, list(given), [f"{n}_new" for n in names], 1, _DOMAIN,
        alpha=0.8, beta=0.7, epsilon=0.01, norm_coefficient=0.1, norm_coefficient_post=0.2,
    )  # fmt: skip
    found, got = answers(proto, given, tmp_path)
    rate = 0.1 * np.sqrt(1 - 0.7**updates) / (1 - 0.8**updates) if updates else 0.1
    for i in "12":
        x, g, v, h = (given[kind + i] for kind in "XGVH")
        g = 0.1 * x + g
        v, h = 0.8 * v + 0.2 * g, 0.7 * h + 0.3 * g * g
        x = (x - rate * v / (np.sqrt(h) + 0.01)) * 0.8
        for kind, wanted in zip("XVH", (x, v, h), strict=True):
            np.testing.assert_allclose(got[f"{kind}{i}_new"], wanted, rtol=1e-4, atol=1e-6)
    assert set(found.outputs) == set(found.outputs.values())


@pytest.mark.parametrize(("mode", "updates"), [("standard", 0), ("standard", 2), ("nesterov", 0), ("nesterov", 2)])
def test_momentum(mode: str, updates: int, tmp_path: Path) -> None:
    given = {"R": np.array([0.1], np.float32), "T": np.array([updates]), "X": normal(3), "G": normal(3), "V": normal(3)}
    proto = one_node(
        "Momentum", given, {}, list(given), ["X_new", "V_new"], 1, _DOMAIN,
        alpha=0.9, beta=0.5, mode=mode, norm_coefficient=0.1,
    )  # fmt: skip
    _, got = answers(proto, given, tmp_path)
    g = 0.1 * given["X"] + given["G"]
    v = 0.9 * given["V"] + (0.5 if updates else 1) * g
    step = v if mode == "standard" else g + 0.9 * v
    np.testing.assert_allclose(got["V_new"], v, rtol=1e-5)
    np.testing.assert_allclose(got["X_new"], given["X"] - 0.1 * step, rtol=1e-5)


def test_adagrad(tmp_path: Path) -> None:
    given = {"R": np.array(0.1, np.float32), "T": np.array(4), "X": normal(3), "G": normal(3), "H": normal(3) ** 2}
    proto = one_node("Adagrad", given, {}, list(given), ["X_new", "H_new"], 1, _DOMAIN, decay_factor=0.5, epsilon=0.01)
    _, got = answers(proto, given, tmp_path)
    h = given["H"] + given["G"] ** 2
    np.testing.assert_allclose(got["X_new"], given["X"] - 0.1 / 3 * given["G"] / (np.sqrt(h) + 0.01), rtol=1e-5)


@pytest.mark.parametrize(("op", "kinds"), [("Adam", "XGVH"), ("Adagrad", "XGH")])
def test_epsilon_that_is_not_set_keeps_a_step_finite(op: str, kinds: str, tmp_path: Path) -> None:
    """onnx.defs: 1e-6, in both."""
    given = {"R": np.array(0.1, np.float32), "T": np.array(0)} | {k: np.zeros(3, np.float32) for k in kinds}
    if op == "Adam":
        given["V"] += 1e-6
    proto = one_node(op, given, {}, list(given), [f"{k}_new" for k in kinds if k != "G"], 1, _DOMAIN, **ALPHA[op])
    _, got = answers(proto, given, tmp_path)
    np.testing.assert_allclose(got["X_new"], np.full(3, -0.1 if op == "Adam" else 0), rtol=1e-5)


def test_tensors_must_be_of_every_kind(tmp_path: Path) -> None:
    given = {"R": np.array(0.1, np.float32), "T": np.array(4), "X": normal(3), "G": normal(3)}
    proto = one_node("Adagrad", given, {}, list(given), ["X_new", "H_new"], 1, _DOMAIN)
    with pytest.raises(NetError, match="there must be 3 inputs for each tensor"):
        answers(proto, given, tmp_path)


def test_gradients(tmp_path: Path) -> None:
    """The node may stand before what it is the gradient of."""
    given = {"a": normal(2, 3), "b": normal(2, 3)}
    nodes = [
        helper.make_node("Gradient", ["a", "b"], ["da", "db"], domain=_DOMAIN, xs=["a", "b"], y="c"),
        helper.make_node("Mul", ["a", "b"], ["ab"]),
        helper.make_node("Mul", ["ab", "a"], ["c"]),
    ]
    _, got = answers(model(nodes, given, {}, ["c", "da", "db"], {"": 14, _DOMAIN: 1}), given, tmp_path)
    np.testing.assert_allclose(got["da"], 2 * given["a"] * given["b"], rtol=1e-5)
    np.testing.assert_allclose(got["db"], given["a"] ** 2, rtol=1e-5)


# ---- losses, held to onnxruntime

LOSSES: dict[str, tuple[bool, int | None, str, int]] = {
    "mean": (False, None, "mean", 2),
    "weighted_mean_of_images": (True, None, "mean", 4),
    "sum_without_ignored": (False, -1, "sum", 3),
    "weighted_mean_without_ignored": (True, 1, "mean", 3),
    "each": (True, 1, "none", 2),
}


@pytest.mark.parametrize("op", ["NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss"])
@pytest.mark.parametrize("case", LOSSES)
def test_losses(op: str, case: str, tmp_path: Path) -> None:
    weighted, ignored, reduction, rank = LOSSES[case]
    shape = (3, 4, 2, 5)[:rank]
    labels = np.random.default_rng(1).integers(0, 4, (shape[0], *shape[2:]))
    if ignored == -1:
        labels.reshape(-1)[1] = -1
    given = {"x": normal(*shape), "labels": labels, **({"w": np.abs(normal(4))} if weighted else {})}
    more: dict[str, Any] = {} if ignored is None else {"ignore_index": ignored}
    outputs = ["total", "logs"] if op[0] == "S" and rank == 3 else ["total"]
    text = check(one_node(op, given, {}, list(given), outputs, 13, reduction=reduction, **more), given, tmp_path)
    assert ("total = cross_entropy(x, labels)" in text) == (op[0] == "S" and case == "mean")


# ---- what is drawn: other numbers than another tool's, of the same distribution


def test_dropout_of_a_network_that_answers(tmp_path: Path) -> None:
    given = {"x": normal(3, 4)}
    check(one_node("Dropout", given, {}, ["x"], ["y", "mask"], 13), given, tmp_path)
    assert "dropout" not in check(one_node("Dropout", given, {}, ["x"], ["y"], 7, ratio=0.3), given, tmp_path)


def test_dropout_of_a_network_in_training(tmp_path: Path) -> None:
    given, kept = {"x": np.abs(normal(100, 100)) + 1}, {"ratio": np.array(0.25, np.float32), "training": np.array(True)}
    _, got = answers(one_node("Dropout", given, kept, ["x", "ratio", "training"], ["y", "mask"]), given, tmp_path)
    np.testing.assert_allclose(got["y"], np.where(got["mask"], given["x"] / 0.75, 0), rtol=1e-5)
    assert abs(got["mask"].mean() - 0.75) < 0.02


def test_random_numbers(tmp_path: Path) -> None:
    like = {"x": np.full((50, 100), 0.3, np.float32)}
    _, got = answers(one_node("RandomNormalLike", like, {}, ["x"], ["y"], mean=2.0, scale=3.0), like, tmp_path)
    assert abs(got["y"].mean() - 2) < 0.2 and abs(got["y"].std() - 3) < 0.2
    _, got = answers(one_node("RandomUniform", {}, {}, [], ["y"], low=1.0, high=3.0, shape=[2000]), {}, tmp_path)
    assert got["y"].min() >= 1 and got["y"].max() < 3 and abs(got["y"].mean() - 2) < 0.1
    _, got = answers(one_node("Bernoulli", like, {}, ["x"], ["y"], 15, dtype=9), like, tmp_path)
    assert got["y"].dtype == bool and abs(got["y"].mean() - 0.3) < 0.05
    odds = {"x": np.log(np.array([[1, 1, 2], [0.1, 0.8, 0.1]], np.float32))}
    _, got = answers(one_node("Multinomial", odds, {}, ["x"], ["y"], sample_size=2000), odds, tmp_path)
    assert got["y"].shape == (2, 2000) and got["y"].dtype == np.int32
    shares = np.stack([np.bincount(row, minlength=3) / 2000 for row in got["y"]])
    np.testing.assert_allclose(shares, [[0.25, 0.25, 0.5], [0.1, 0.8, 0.1]], atol=0.05)
