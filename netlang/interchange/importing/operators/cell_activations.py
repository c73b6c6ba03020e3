"""The activations that ONNX's recurrent layers name, as layers of the language."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from netlang.interchange.importing import writing as w
from netlang.interchange.importing.sheet import Refused

ACTIVATIONS: dict[str, tuple[str, dict[str, float | None]]] = {
    "relu": ("relu", {}),
    "tanh": ("tanh", {}),
    "sigmoid": ("sigmoid", {}),
    "softsign": ("softsign", {}),
    "softplus": ("softplus", {}),
    "affine": ("affine", {"alpha": None, "beta": None}),
    "leakyrelu": ("leaky_relu", {"alpha": 0.01}),
    "thresholdedrelu": ("thresholded_relu", {"alpha": 1.0}),
    "scaledtanh": ("scaled_tanh", {"alpha": None, "beta": None}),
    "hardsigmoid": ("hard_sigmoid", {"alpha": 0.2, "beta": 0.5}),
    "elu": ("elu", {"alpha": 1.0}),
}
"""By ONNX's names in small letters: the layer, and the numbers that it takes with their defaults (None: tools
differ, so that they must be given)."""


class Activations:
    """Takes numbers for activations from the lists of a node, in the order of the activations that have them."""

    def __init__(self, alphas: Sequence[float], betas: Sequence[float]) -> None:
        self._given: dict[str, Iterator[float]] = {"alpha": iter(alphas), "beta": iter(betas)}

    def layer(self, name: str) -> Any:
        """The next activation: `tanh`, `leaky_relu(0.1)`."""
        word, numbers = ACTIVATIONS[name]
        if not numbers:
            return word
        found = [next(self._given[key], usual) for key, usual in numbers.items()]
        if None in found:
            raise Refused(f"the activation {name} needs numbers: {', '.join(numbers)}")
        return w.call(word, *map(np.float32, found))
