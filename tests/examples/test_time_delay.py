"""The time-delay nets: a later sound fires later and no less; how far back dilated layers see."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import netlang

FOLDER = Path(__file__).parents[2] / "examples" / "time_delay"


def test_a_later_sound_fires_later() -> None:
    model = netlang.compile(FOLDER / "time_delay.net").init(1)
    sound = np.zeros((1, 16, 15), np.float32)
    sound[:, :, 6:8] = np.random.default_rng(0).normal(size=(1, 16, 2))
    early, late = model(sound), model(np.roll(sound, 1, axis=2))
    np.testing.assert_allclose(late["firing"][:, :, 1:], early["firing"][:, :, :-1], rtol=1e-5)
    np.testing.assert_allclose(late["probs"], early["probs"], rtol=1e-5)


@pytest.mark.parametrize(("spacing", "seen"), [(2, 64), (1, 7)])
def test_how_far_back_is_seen(spacing: int, seen: int) -> None:
    model = netlang.compile(FOLDER / "dilated.net", arguments={"spacing": spacing}).init(1)
    signals = np.random.default_rng(0).normal(size=(1, 1, 64)).astype(np.float32).repeat(65, axis=0)
    for moment in range(64):
        signals[moment, 0, moment] += 1
    changed = np.abs(model(signals) - model(signals[64:])).max(axis=1)[:64] > 0
    assert np.flatnonzero(changed).tolist() == list(range(64 - seen, 64))
