"""Adversarial pictures: what the three methods promise, on a classifier with random weights."""

from __future__ import annotations

import numpy as np
import pytest

import netlang
from benchmarks.family.records import EXAMPLES
from tests.examples.scripts import beside

attacks = beside("adversarial", "attacks")
RNG = np.random.default_rng(0)
IMAGE = RNG.random((6, 1, 28, 28), np.float32)


@pytest.fixture(scope="module")
def attack() -> netlang.Model:
    return netlang.compile(EXAMPLES / "adversarial" / "attack.net", arguments={"width": 4}, threads=1).init(seed=2)


def test_the_attacked_net_is_the_classifier(attack: netlang.Model) -> None:
    logits = attack.nets["digit"](IMAGE)
    probs = attack(IMAGE, np.zeros(6, np.int64))["probs"]
    np.testing.assert_allclose(probs, np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), rtol=1e-4)


def test_steps_by_signs_raise_the_loss_and_stay_near(attack: netlang.Model) -> None:
    label = attack(IMAGE, np.zeros(6, np.int64))["probs"].argmax(axis=1)
    before = attack(IMAGE, label)["losses"]
    one, many = (method(attack, IMAGE, label, 0.05) for method in (attacks.one_step, attacks.iterative))
    losses = [attack(changed, label)["losses"] for changed in (one, many)]
    for changed, loss in zip((one, many), losses, strict=True):
        assert np.abs(changed - IMAGE).max() <= 0.05 + 1e-6 and changed.min() >= 0 and changed.max() <= 1
        assert (loss > before).all()
    assert losses[1].mean() > losses[0].mean()


def test_the_search_finds_less_of_a_change_than_signs_need(attack: netlang.Model) -> None:
    image = IMAGE[:1]
    probs = attack(image, np.zeros(1, np.int64))["probs"][0]
    label, wanted = np.argsort(probs)[::-1][:2]
    found = attacks.searched(attack, image[0], int(wanted))
    assert found is not None and found.min() >= 0 and found.max() <= 1
    assert attack(found[None], np.array([wanted]))["probs"].argmax() == wanted
    size = attacks.change(image, found[None])[0]
    # Signs of the same root mean square do not do it.
    signs = attacks.one_step(attack, image, np.array([label]), float(size))
    assert attack(signs, np.array([label]))["probs"].argmax() == label or size < 0.05
    assert 0 < size < 0.2
