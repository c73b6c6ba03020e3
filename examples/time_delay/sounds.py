"""Invented recordings: consonants as moving formants in a mel spectrogram, and pairs of pulses."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import netlang

Array = NDArray[Any]

PHONEMES = ("b", "d", "g")
BANDS, FRAMES = 16, 15

_VOWELS = {
    "a": (730, 1090, 2440),
    "i": (270, 2290, 3010),
    "u": (300, 870, 2240),
    "e": (530, 1840, 2480),
    "o": (570, 840, 2410),
}
"""Formants in Hz (Peterson & Barney 1952)."""

_MEL = np.linspace(2595 * np.log10(1 + 150 / 700), 2595 * np.log10(1 + 5000 / 700), BANDS)


def consonants(count: int, seed: int, early: int = 5, late: int = 5) -> dict[str, Array]:
    """`sound` f32[count, 16, 15] and `label` i64[count]; the consonant is released at a frame early ... late.

    Where the lips or the tongue close decides from where the formants come: the locus of the second one is low for
    /b/, near 1.8 kHz for /d/, just above the vowel's, and near the third, for /g/ (Delattre, Liberman & Cooper 1955).
    """
    random = np.random.default_rng(seed)
    labels = random.integers(0, len(PHONEMES), count)
    releases = random.integers(early, late + 1, count)
    sounds = [_spoken(PHONEMES[p], release, random) for p, release in zip(labels, releases, strict=True)]
    return {"sound": np.stack(sounds).astype(np.float32), "label": labels.astype(np.int64)}


def _spoken(phoneme: str, release: int, random: np.random.Generator) -> Array:
    vowel = np.array(_VOWELS[str(random.choice(list(_VOWELS)))]) * random.uniform(0.85, 1.2) * random.normal(1, 0.04, 3)
    middle = (vowel[1] + vowel[2]) / 2
    locus = {"b": (250, 800, 2100), "d": (250, 1800, 2750), "g": (250, middle, middle * 1.1)}[phoneme]
    burst = {"b": 500, "d": 3800, "g": middle}[phoneme]
    since = np.arange(FRAMES) - release
    nearness = np.exp(-np.maximum(since, 0) / random.uniform(1.2, 2.5))[:, None]
    tracks = vowel + (np.array(locus) * random.normal(1, 0.06, 3) - vowel) * nearness
    loudness = np.where(since >= 0, random.uniform(0.7, 1.3), 0.05)[:, None] * np.array([1.0, 0.8, 0.6])
    power = sum(loudness[:, i, None] * _bump(tracks[:, i, None], 110) for i in range(3))
    power = power + 0.9 * (since == 0)[:, None] * _bump(np.full((FRAMES, 1), burst * random.normal(1, 0.1)), 250)
    spectrum: Array = np.log(power + 0.15) + random.normal(0, 0.45, (FRAMES, BANDS))
    return (spectrum.T - spectrum.mean()) / spectrum.std()


def _bump(hertz: Array, width: float) -> Array:
    """Power in every band from a resonance at some frequencies: a bell over the mel scale."""
    mel = 2595 * np.log10(1 + hertz / 700)
    return np.exp(-0.5 * ((_MEL - mel) / width) ** 2)


def pulses(count: int, seed: int, steps: int = 64) -> dict[str, Array]:
    """`signal` f32[count, 1, steps]: silence but for two pulses, each up or down; `label`: whether they differ."""
    random = np.random.default_rng(seed)
    heights = random.choice((-1.0, 1.0), (count, 2))
    places = np.stack([random.choice(steps, 2, replace=False) for _ in range(count)])
    signal = np.zeros((count, 1, steps), np.float32)
    np.put_along_axis(signal[:, 0], places, heights, axis=1)
    return {"signal": signal, "label": (heights[:, 0] != heights[:, 1]).astype(np.int64)}


def made(name: str, train: dict[str, Array], test: dict[str, Array], *classes: str) -> netlang.Dataset:
    """A data set of signals that were made for training and others for judging."""
    return netlang.Dataset(name, train, test, classes, "others, made in the same way")
