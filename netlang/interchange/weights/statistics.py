"""A few numbers about a tensor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netlang.runtime.ports import Array


@dataclass(frozen=True)
class Statistics:
    """Of the finite elements, in float64; `norm` is the square root of the sum of squares, `odd` how many elements are
    infinite or no numbers."""

    least: float
    mean: float
    most: float
    norm: float
    odd: int


def statistics(array: Array) -> Statistics | None:
    """None where there are no finite elements."""
    numbers = array.astype(np.float64).reshape(-1)
    finite = numbers[np.isfinite(numbers)]
    if not finite.size:
        return None
    largest = float(np.abs(finite).max())
    # Scaled, because squares of large numbers have no place in float64.
    norm = largest * float(np.sqrt(np.sum((finite / largest) ** 2))) if largest else 0.0
    mean = float(np.mean(finite / largest)) * largest if largest else 0.0
    return Statistics(float(finite.min()), mean, float(finite.max()), norm, numbers.size - finite.size)
