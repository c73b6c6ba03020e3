"""In what two files of weights differ."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from netlang.runtime.mapping.guessing import natural
from netlang.runtime.mapping.stored import Entry, Stored
from netlang.runtime.ports import Array


@dataclass(frozen=True)
class Tolerance:
    """Two numbers are the same where they differ by at most `absolute + relative * |the first|`."""

    absolute: float = 0.0
    relative: float = 0.0


@dataclass(frozen=True)
class Difference:
    """A tensor of two files: what it is in each, None where it is not.

    absolute, relative   the largest differences of two elements, the relative one in parts of the larger of the two
    unequal              how many elements differ by more than is tolerated
    """

    name: str
    first: Entry | None
    second: Entry | None
    absolute: float = 0.0
    relative: float = 0.0
    unequal: int = 0

    @property
    def same(self) -> bool:
        comparable = self.first is not None and self.second is not None and self.first.type == self.second.type
        return comparable and not self.unequal


def compare(first: Stored, second: Stored, tolerance: Tolerance) -> Iterator[Difference]:
    """Every tensor of either, one at a time in memory. Raises NetError where a file cannot be read."""
    for name in sorted({*first.entries, *second.entries}, key=natural):
        ours, theirs = first.entries.get(name), second.entries.get(name)
        if ours is None or theirs is None or ours.shape != theirs.shape:
            yield Difference(name, ours, theirs)
        else:
            yield Difference(name, ours, theirs, *differences(first.read(name), second.read(name), tolerance))


def differences(first: Array, second: Array, tolerance: Tolerance) -> tuple[float, float, int]:
    """(largest absolute, largest relative, how many are not the same) of arrays of one shape.

    What is no number in both is the same; infinite where it is so in one alone.
    """
    if first.dtype == second.dtype and first.dtype.kind in "iub":
        return _of_whole_numbers(first, second, tolerance)
    a, b = (array.astype(np.float64).reshape(-1) for array in (first, second))
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    a, b = a[~same], b[~same]
    if not a.size:
        return 0.0, 0.0, 0
    with np.errstate(invalid="ignore", over="ignore"):
        gaps = np.abs(a - b)
        gaps[~(np.isfinite(a) & np.isfinite(b))] = np.inf
        larger = np.maximum(np.abs(a), np.abs(b))
        ratios = np.where(np.isfinite(gaps), gaps / np.where(np.isfinite(larger), larger, 1), np.inf)
        allowed = tolerance.absolute + tolerance.relative * np.where(np.isfinite(a), np.abs(a), 0)
    return float(gaps.max()), float(ratios.max()), int(np.sum(gaps > allowed))


def _of_whole_numbers(first: Array, second: Array, tolerance: Tolerance) -> tuple[float, float, int]:
    """Exactly: float64 does not have every i64."""
    unequal = first.reshape(-1) != second.reshape(-1)
    pairs = zip(first.reshape(-1)[unequal].tolist(), second.reshape(-1)[unequal].tolist(), strict=True)
    largest, ratio, count = 0.0, 0.0, 0
    for a, b in pairs:
        gap = abs(int(a) - int(b))
        largest, ratio = max(largest, float(gap)), max(ratio, gap / max(abs(int(a)), abs(int(b))))
        count += gap > tolerance.absolute + tolerance.relative * abs(int(a))
    return largest, ratio, count
