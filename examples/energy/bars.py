"""Bars and stripes, and how far a small Boltzmann machine is from them: exactly, by counting all of its states."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def patterns(side: int) -> Array:
    """All images [n, side * side] of 0 and 1 that consist of whole rows, or of whole columns."""
    lines = np.array([*product((0, 1), repeat=side)], np.float32)
    rows = np.repeat(lines, side, axis=1)
    columns = np.tile(lines, (1, side))
    return np.unique(np.concatenate([rows, columns]), axis=0)


def log_probabilities(weight: Array, bias: Array, seen: int) -> Array:
    """log P of every visible state, [2^seen], in the order of `product((0, 1), repeat=seen)`.

    The coupling is the symmetric part of `weight` without its diagonal, as in boltzmann.net.
    """
    coupling = (weight + weight.T).astype(np.float64) / 2
    np.fill_diagonal(coupling, 0)
    hidden = len(bias) - seen
    visible, rest = (np.array([*product((0, 1), repeat=n)], np.float64) for n in (seen, hidden))
    inside = 0.5 * np.einsum("ni,ij,nj->n", rest, coupling[seen:, seen:], rest) + rest @ bias[seen:]
    own = 0.5 * np.einsum("ni,ij,nj->n", visible, coupling[:seen, :seen], visible) + visible @ bias[:seen]
    between = visible @ coupling[:seen, seen:] @ rest.T
    scores = own + np.logaddexp.reduce(between + inside, axis=1)
    return scores - np.logaddexp.reduce(scores)


def divergence(weight: Array, bias: Array, data: Array) -> float:
    """KL(data | machine) in nats, the images in `data` being equally likely: 0 for a machine that is perfect."""
    scores = log_probabilities(weight, bias, data.shape[1])
    places = data @ 2 ** np.arange(data.shape[1] - 1, -1, -1)
    return float(-np.log(len(data)) - scores[places.astype(np.int64)].mean())
