"""The recurrent nets: padding does not count, what writes is what was trained, and it draws as it believes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import netlang

FOLDER = Path(__file__).parents[2] / "examples" / "recurrent"
SMALL = {"vocabulary": 5, "units": 8}


@pytest.mark.parametrize("file", ["names_rnn.net", "names_lstm.net"])
def test_what_follows_the_end_of_a_name_does_not_count(file: str) -> None:
    model = netlang.compile(FOLDER / file).init(1)
    letters = np.random.default_rng(0).integers(4, 30, (2, 20))
    letters[1, :6] = letters[0, :6]
    length = np.array([6, 6])
    first, second = model(letters, length)
    np.testing.assert_allclose(first, second, rtol=1e-5)
    assert not np.allclose(*model(letters, length + 1), rtol=1e-3)


@pytest.mark.parametrize(("file", "reached"), [("names_rnn.net", 0.45), ("names_lstm.net", 0.65)])
def test_surnames_of_invented_languages_are_learned(file: str, reached: float) -> None:
    data = netlang.data("names:generated", length=20)
    trainer = netlang.compile(FOLDER / file, arguments={"classes": 6, "units": 64}).trainer(1)
    assert trainer.evaluate(data)["accuracy"] < 0.3
    trainer.fit(data, netlang.Options(epochs=3))
    assert trainer.evaluate(data)["accuracy"] > reached


def trained_and_writer(steps: int, write: int) -> tuple[netlang.Model, netlang.Model]:
    model = netlang.compile(FOLDER / "shakespeare.net", arguments={**SMALL, "steps": steps, "length": write}).init(3)
    return model, model.nets["write"]


def test_a_low_temperature_writes_what_is_likeliest() -> None:
    model, write = trained_and_writer(12, 8)
    text = np.random.default_rng(0).integers(0, 5, (4, 4))
    cold = np.full((4, 1), 1e-6, np.float32)
    written = write(text=text, temperature=cold)
    for place in range(8):
        so_far = np.concatenate([text, written[:, :place]], axis=1)
        padded = np.pad(so_far, ((0, 0), (0, 12 - so_far.shape[1])))
        assert np.array_equal(model(padded)[:, 3 + place].argmax(axis=1), written[:, place])


def test_it_draws_as_it_believes_and_by_the_seed() -> None:
    model, write = trained_and_writer(4, 1)
    text = np.tile(np.array([[1, 4, 2, 0]]), (20_000, 1))
    warm = np.ones((len(text), 1), np.float32)
    drawn = write(text=text, temperature=warm, seed=5)[:, 0]
    shares = np.bincount(drawn, minlength=5) / len(drawn)
    np.testing.assert_allclose(shares, model(text[:1])[0, -1], atol=0.02)
    assert np.array_equal(drawn, write(text=text, temperature=warm, seed=5)[:, 0])
    assert not np.array_equal(drawn, write(text=text, temperature=warm, seed=6)[:, 0])
