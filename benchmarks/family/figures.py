"""What trainings of the examples have shown: kept in docs/results.json, one entry for each training of each family."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from benchmarks.family.records import ROOT, RecordError, Training

FIGURES = ROOT / "docs" / "results.json"

_DEMAND = re.compile(r"(>=|<=)\s*(-?\d+(?:\.\d+)?)\s*(%?)")
_EPSILON = 1e-9
"""What 0.98 read from a text may differ from 9800 / 10000."""


@dataclass(frozen=True)
class Shown:
    """One training that was carried out.

    figures   by name; shares as fractions of 1
    pictures  file names below docs/gallery/<family>/
    seconds   of the whole command, compilation included
    """

    family: str
    training: str
    figures: Mapping[str, float]
    seconds: float
    seed: int
    day: str
    epochs: int | None = None
    samples_per_second: float | None = None
    pictures: Sequence[str] = field(default_factory=list)


@dataclass(frozen=True)
class Demand:
    """What a figure must be: `>= 98.8 %`, `<= 2.3`."""

    text: str
    at_least: bool
    bound: float

    @classmethod
    def of(cls, text: str) -> Demand:
        found = _DEMAND.fullmatch(text.strip())
        if not found:
            raise RecordError(f"'{text}' is not a demand such as '>= 98.8 %'")
        number = float(found[2]) / (100 if found[3] else 1)
        return cls(text, found[1] == ">=", number)

    def met(self, value: float) -> bool:
        return value >= self.bound - _EPSILON if self.at_least else value <= self.bound + _EPSILON

    @property
    def share(self) -> bool:
        """Is the figure a share, to be printed in percent?"""
        return "%" in self.text


def known() -> dict[tuple[str, str], Shown]:
    """All that is kept, by family and training."""
    if not FIGURES.exists():
        return {}
    entries = [Shown(**entry) for entry in json.loads(FIGURES.read_text(encoding="utf-8"))]
    return {(e.family, e.training): e for e in entries}


def keep(entries: Sequence[Shown]) -> None:
    """Write them all."""
    FIGURES.write_text(json.dumps([asdict(e) for e in entries], indent=1) + "\n", encoding="utf-8")


def value_text(name: str, value: float, training: Training) -> str:
    """`98.83 %` for a share, otherwise the number."""
    demand = training.asked.get(name)
    share = Demand.of(demand).share if demand else name.endswith(("accuracy", "share", "rate")) and 0 <= value <= 1
    return f"{100 * value:.2f} %" if share else f"{value:.4g}"
