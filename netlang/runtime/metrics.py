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
    samples: int = 0

    def add(self, values: Mapping[str, float], samples: int) -> None:
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0.0) + float(value) * samples
        self.samples += samples

    def values(self) -> dict[str, float]:
        return {name: total / self.samples for name, total in self.sums.items()} if self.samples else {}


def as_cost(name: str, value: float) -> float:
    """`value` so that smaller is better."""
    return -value if name.startswith(_LARGER_IS_BETTER) else value
