"""`names:generated` and `sentences:generated`: invented languages and reviews, for where there is no data."""

from __future__ import annotations

import string

import numpy as np

from netlang.runtime.data import names, sentences
from netlang.runtime.data.dataset import Dataset
from netlang.runtime.parameters import generator

LANGUAGES = ("Arvic", "Belnan", "Corish", "Dunean", "Estric", "Fallic")
NAMES, SENTENCES = 1000, 1500
"""How many are drawn of each class."""

_GOOD = ("good", "great", "funny", "moving", "clever", "charming", "fresh", "touching", "superb", "honest")
_BAD = ("bad", "dull", "silly", "boring", "clumsy", "tired", "stale", "tedious", "awful", "fake")
_THINGS = ("film", "movie", "story", "plot", "ending", "dialogue", "cast", "script", "score", "director")
_DEGREES = ("", "", "very", "really", "quite", "always")
_VERDICT = {"neg": False, "pos": True}


def surnames(length: int | None) -> Dataset:
    """Names of six languages, each a Markov chain of its own over letters."""
    return names.by_language("invented surnames", {name: _drawn_names(name) for name in LANGUAGES}, length)


def _drawn_names(language: str) -> list[str]:
    random = generator(0, "surnames", language)
    letters = len(string.ascii_lowercase)
    first = random.dirichlet(np.full(letters, 0.3))
    after = random.dirichlet(np.full(letters, 0.15), letters)
    drawn = []
    for _ in range(NAMES):
        letter = random.choice(letters, p=first)
        name = string.ascii_lowercase[letter]
        for _ in range(random.integers(2, 9)):
            letter = random.choice(letters, p=after[letter])
            name += string.ascii_lowercase[letter]
        drawn.append(name)
    return drawn


def reviews(length: int | None) -> Dataset:
    """Sentences whose verdict takes pairs of words: 'not good' is bad, and what comes after 'but' counts."""
    drawn = {label: [_review(good, label, i) for i in range(SENTENCES)] for label, good in _VERDICT.items()}
    return sentences.by_class("invented reviews", drawn, length)


def _review(good: bool, label: str, number: int) -> str:
    random = generator(0, "reviews", label, number)
    clause = _clause(good, random)
    if random.random() < 0.4:
        return f"{_clause(not good, random)} , but {clause} ."
    return f"{clause} and {_clause(good, random)} ." if random.random() < 0.5 else f"{clause} ."


def _clause(good: bool, random: np.random.Generator) -> str:
    denied = bool(random.random() < 0.4)
    quality = str(random.choice(_GOOD if good != denied else _BAD))
    degree = str(random.choice(_DEGREES))
    return " ".join(w for w in ("the", str(random.choice(_THINGS)), "is", "not" * denied, degree, quality) if w)
