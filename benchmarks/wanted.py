"""The ratios that are aimed at, and the text about those that are missed.

A ratio is the best peer's median divided by ours, on two threads. The text is in `missed.md`: after a heading such as
`## resnet50 inference 1` (or `## resnet50 training`) comes what the page says there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.networks import ROWS, TRAINING_BATCH

TEXT = Path(__file__).parent / "missed.md"
THREADS = 2
OWN = "netlang"

WANTED: Mapping[str, tuple[float | None, float | None, float | None]] = {
    "lenet5": (4, 4, 4),
    "alexnet": (1.15, 1.3, 1.5),
    "alexnet+bfloat16": (1.8, None, None),
    "vgg16": (1.7, 2.5, 2.5),
    "googlenet": (1.5, 1.6, 2),
    "resnet50": (1.3, 1.5, 2),
    "densenet121": (1.5, 1.6, 2),
    "lstm": (1.4, 1.2, 1.4),
}
"""For inference of one image, of sixteen, and a training step."""


def wanted(row: str, mode: str, batch: int) -> float | None:
    """The ratio aimed at, if there is one."""
    one, many, training = WANTED[row]
    return training if mode == "training" else {1: one, 16: many}.get(batch)


def ratio(times: Mapping[str, float]) -> float | None:
    """The best peer's time divided by ours; None without peers."""
    peers = [seconds for name, seconds in times.items() if name != OWN]
    return min(peers) / times[OWN] if peers else None


def missed(cells: Mapping[str, Any]) -> Iterator[tuple[str, float, float]]:
    """(heading of the text, ratio shown, ratio aimed at) of every measured cell that falls short."""
    for row in ROWS:
        for mode, batch in (("inference", 1), ("inference", 16), ("training", TRAINING_BATCH.get(row, 16))):
            aim, cell = wanted(row, mode, batch), cells.get(f"{row} {mode} {batch} {THREADS}", {})
            shown = ratio(cell["medians"]) if "medians" in cell else None
            if aim is not None and shown is not None and shown < aim:
                yield (f"{row} training" if mode == "training" else f"{row} inference {batch}"), shown, aim


def texts() -> dict[str, str]:
    """What is written about misses, by heading."""
    found: dict[str, str] = {}
    content = TEXT.read_text(encoding="utf-8") if TEXT.exists() else ""
    for part in ("\n" + content).split("\n## ")[1:]:
        heading, _, text = part.partition("\n")
        found[heading.strip()] = text.strip()
    return found
