"""The sentence CNN: phrases count wherever they are, and the order of words does."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import netlang

FILE = Path(__file__).parents[2] / "examples" / "sentence_cnn" / "sentence_cnn.net"


def test_a_phrase_counts_wherever_it_is() -> None:
    model = netlang.compile(FILE, arguments={"vocabulary": 20, "size": 8}).init(2)
    words = np.zeros((2, 56), np.int64)
    words[0, 10:13] = words[1, 30:33] = (4, 7, 5)
    probs = model(words)
    np.testing.assert_allclose(probs[0], probs[1], rtol=1e-5)
    words[1, 30:33] = (5, 7, 4)
    assert not np.allclose(*model(words), rtol=1e-3)


def test_it_learns_that_not_and_but_turn_a_verdict() -> None:
    data = netlang.data("sentences:generated", length=56)
    arguments = {"vocabulary": len(data.vocabulary), "size": 32, "filters": 24}
    trainer = netlang.compile(FILE, arguments=arguments).trainer(1)
    assert trainer.evaluate(data)["accuracy"] < 0.65
    trainer.fit(data, netlang.Options(epochs=10))
    assert trainer.evaluate(data)["accuracy"] > 0.7
