"""Train the examples on real data and write what they reach into docs/results.md.

    python -m benchmarks.results                 every row; about ten minutes on two cores
    python -m benchmarks.results mlp twoconv     only these; the other rows stay as they are

Each row is one run from a fixed seed, with the recipe of the `.net` file itself. The accuracy is that of the last epoch
on the held-out images, not of the best one.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import netlang
from netlang.runtime.fit import Options, Progress

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "results.md"
FIGURES = ROOT / "docs" / "results.json"


@dataclass(frozen=True)
class Run:
    """One row to be measured: an example, a data source, a seed, and the accuracy it must show, if one is asked for."""

    example: str
    data: str
    seed: int = 1
    wanted: float | None = None


@dataclass(frozen=True)
class Figure:
    """What a run showed. Accuracy in percent, times in seconds."""

    network: str
    data: str
    seed: int
    epochs: int
    parameters: int
    accuracy: float
    wanted: float | None
    seconds: float
    samples_per_second: float
    day: str


RUNS = (
    Run("mlp", "mnist", wanted=97.5),
    Run("oneconv", "mnist"),
    Run("lenet5", "mnist"),
    Run("twoconv", "mnist", wanted=99.2),
    Run("lenet5", "digits", wanted=97.0),
)


class Lines(Progress):
    """One line an epoch, so that a long run is seen to move; `speeds` are the images a second of each."""

    def __init__(self) -> None:
        self.speeds: list[float] = []

    def epoch(self, record: Mapping[str, Any]) -> None:
        self.speeds.append(record["samples_per_second"])
        print(json.dumps(record), flush=True)


def measure(run: Run) -> Figure:
    """Compile, train and evaluate one example. The time is that of the whole training, compilation included."""
    start = time.perf_counter()
    model = netlang.compile(ROOT / "examples" / f"{run.example}.net", target="cpu")
    lines = Lines()
    record = model.trainer(run.seed).fit(run.data, Options(), lines)
    weights = (p for p in model.net.params if p.node.attrs["role"] == "weight")
    return Figure(
        network=run.example,
        data=run.data,
        seed=run.seed,
        epochs=record["epoch"],
        parameters=sum(int(p.type.size) for p in weights if isinstance(p.type.size, int)),
        accuracy=100 * record["test_accuracy"],
        wanted=run.wanted,
        seconds=time.perf_counter() - start,
        samples_per_second=statistics.median(lines.speeds),
        day=date.today().isoformat(),
    )


def page(figures: list[Figure]) -> str:
    """The table as Markdown."""
    rows = [
        f"| [{f.network}](../examples/{f.network}.net) | {f.data} | {f.parameters:,} | {f.epochs} | {f.seed} "
        f"| {f.accuracy:.2f} % | {'–' if f.wanted is None else f'≥ {f.wanted:g} %'} | {f.seconds:.0f} s "
        f"| {f.samples_per_second:,.0f} | {f.day} |"
        for f in figures
    ]
    head = (
        "# What the examples reach\n\n"
        "Written by `python -m benchmarks.results`. One run each, from the seed given and the recipe in the file; the\n"
        "accuracy is that of the last epoch on held-out images (for MNIST its 10,000 test images). The time is that\n"
        "of the whole command, compilation included; images/s is the median of the epochs. On\n"
        f"{platform.machine()} with two shared cores.\n\n"
        "| network | data | parameters | epochs | seed | accuracy | asked for | time | images/s | measured |\n"
        "|---|---|---|---|---|---|---|---|---|---|\n"
    )
    return head + "\n".join(rows) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the examples and write docs/results.md.")
    parser.add_argument("examples", nargs="*", help="names of examples; all if none is given")
    chosen = parser.parse_args().examples
    known = [Figure(**f) for f in json.loads(FIGURES.read_text())] if FIGURES.exists() else []
    figures = {(f.network, f.data): f for f in known}
    for run in RUNS:
        if not chosen or run.example in chosen:
            print(f"{run.example} on {run.data}", flush=True)
            figures[run.example, run.data] = measure(run)
    ordered = [figures[r.example, r.data] for r in RUNS if (r.example, r.data) in figures]
    FIGURES.write_text(json.dumps([asdict(f) for f in ordered], indent=1) + "\n")
    PAGE.write_text(page(ordered))
    print(page(ordered))


if __name__ == "__main__":
    main()
