"""Means over an epoch, each batch weighted by its number of samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

# Metrics that are better when larger; every other one, like the loss, is better when smaller.
_LARGER_IS_BETTER = ("accuracy", "top", "precision", "recall", "f1", "iou", "auc", "dice", "psnr")


@dataclass
class Means:
    """Weighted sums in double precision: exact state, so that a resumed epoch has the same mean."""

    sums: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    samples: int = 0

    def add(self, values: Mapping[str, float], samples: int) -> None:
        """Note the means over some samples. Each mean is of the samples that it was noted for."""
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0.0) + float(value) * samples
            self.counts[name] = self.counts.get(name, 0) + samples
        self.samples += samples

    def values(self) -> dict[str, float]:
        return {name: total / self.counts[name] for name, total in self.sums.items()}


def as_cost(name: str, value: float) -> float:
    """`value` so that smaller is better."""
    return -value if name.startswith(_LARGER_IS_BETTER) else value
