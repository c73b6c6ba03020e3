"""Surnames by language: both nets beside the guess that is right most often, and which languages are confused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from progress import Lines

import netlang
from netlang.pictures import save, sheet

LENGTH = 20
PICTURE = "surnames.png"
_NETS = {"rnn": "names_rnn.net", "lstm": "names_lstm.net"}


def learn(data: netlang.Dataset, seed: int, epochs: int | None) -> tuple[dict[str, float], Callable[[Path], None]]:
    """Figures, and what draws the picture."""
    counts = np.bincount(data.train["label"], minlength=len(data.classes))
    figures = {"majority accuracy": float((data.test["label"] == counts.argmax()).mean())}
    for name, file in _NETS.items():
        model = netlang.compile(Path(__file__).parent / file, arguments={"classes": len(data.classes)})
        trainer = model.trainer(seed)
        trainer.fit(data, netlang.Options(epochs=epochs), Lines())
        figures[f"{name} accuracy"] = trainer.evaluate(data)["accuracy"]
    guessed = model(data.test["letters"], data.test["length"]).argmax(axis=1)
    confused = np.zeros((len(data.classes), len(data.classes)))
    np.add.at(confused, (data.test["label"], guessed), 1)
    shares = confused / np.maximum(confused.sum(axis=1, keepdims=True), 1)
    return figures, lambda path: draw(shares, data.classes, path)


def draw(shares: np.ndarray[tuple[int, int], np.dtype[np.float64]], classes: tuple[str, ...], path: Path) -> None:
    """A row for each language: the darker a place, the more of its names are taken for those of that column's."""
    rows = [[1 - shares[i : i + 1]] for i in range(len(classes))]
    save(sheet(rows, scale=16, names=[f"{i + 1} {name}" for i, name in enumerate(classes)], gap=1), path)
