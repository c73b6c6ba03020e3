"""Are two faces the same person? Measured on all pairs of pictures, by the cosine of their vectors."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def cosines(vectors: Array, centre: Array) -> Array:
    """[n, n]: of the angles between vectors [n, features], seen from the centre."""
    around = vectors - centre
    around = around / np.linalg.norm(around, axis=1, keepdims=True)
    return around @ around.T


def pairs(similarity: Array, person: Array) -> tuple[Array, Array]:
    """(similarity, whether it is the same person) of every pair of different pictures."""
    i, j = np.triu_indices(len(person), 1)
    return similarity[i, j], person[i] == person[j]


def balanced(similarity: Array, same: Array, threshold: float) -> float:
    """The share of right answers, pairs of one person and of two counting half each."""
    return float(((similarity[same] > threshold).mean() + (similarity[~same] <= threshold).mean()) / 2)


def best_threshold(similarity: Array, same: Array) -> float:
    """The middle of the thresholds at which the balanced accuracy is highest."""
    candidates = np.quantile(similarity, np.linspace(0.5, 1, 500))
    found = np.array([balanced(similarity, same, c) for c in candidates])
    best = candidates[found == found.max()]
    return float((best.min() + best.max()) / 2)


def area(similarity: Array, same: Array) -> float:
    """The probability that a pair of one person is more alike than a pair of two (area under the ROC curve)."""
    rank = np.argsort(np.argsort(similarity))
    ones = int(same.sum())
    return float((rank[same].sum() - ones * (ones - 1) / 2) / (ones * (len(same) - ones)))


def verified(vectors: Array, person: Array, known: Array) -> dict[str, float]:
    """Centre and threshold come from the people who are known (a mask of pictures), the figures from all others."""
    similarity = cosines(vectors, vectors[known].mean(axis=0))
    threshold = best_threshold(*pairs(similarity[np.ix_(known, known)], person[known]))
    found = pairs(similarity[np.ix_(~known, ~known)], person[~known])
    return {"accuracy": balanced(*found, threshold), "area": area(*found)}
