"""Carrying out one training of a family."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import netlang
from benchmarks.family.figures import Shown
from benchmarks.family.records import ROOT, Family, RecordError, Training
from netlang.runtime import course
from netlang.runtime.fit import Options, Progress

PICTURES = ROOT / "docs" / "gallery"


class Lines(Progress):
    """One line an epoch, so that a long run is seen to move; `speeds` are the samples a second of each."""

    def __init__(self) -> None:
        self.speeds: list[float] = []

    def epoch(self, record: Mapping[str, Any]) -> None:
        self.speeds.append(record["samples_per_second"])
        print(json.dumps(record), flush=True)


def carry_out(family: Family, training: Training) -> Shown:
    """Train, and say what it showed. Raises NetError where data is missing, RecordError where a script fails."""
    return _script(family, training) if training.script else _net(family, training)


def _net(family: Family, training: Training) -> Shown:
    start = time.perf_counter()
    model = netlang.compile(family.path(training.net), arguments=training.arguments_of_net)
    lines = Lines()
    record = course.train(
        model,
        training.data,
        Options(epochs=training.epochs),
        lines,
        seed=training.seed,
        phases=[training.phase] if training.phase else None,
    )
    return Shown(
        family=family.name,
        training=training.name,
        figures={n.removeprefix("test_"): float(v) for n, v in record.items() if n.startswith("test_")},
        seconds=time.perf_counter() - start,
        seed=training.seed,
        day=date.today().isoformat(),
        epochs=record["epoch"],
        samples_per_second=statistics.median(lines.speeds),
    )


def _script(family: Family, training: Training) -> Shown:
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as place:
        out = Path(place) / "figures.json"
        pictures = PICTURES / family.name if training.shown else Path(place)
        pictures.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, str(family.path(training.script)), *training.arguments]
        command += ["--seed", str(training.seed), "--figures", str(out), "--pictures", str(pictures)]
        done = subprocess.run(command, cwd=ROOT, check=False)
        if done.returncode or not out.exists():
            raise RecordError(f"{training.script} of {family.name} ended with status {done.returncode}")
        shown = json.loads(out.read_text(encoding="utf-8"))
    return Shown(
        family=family.name,
        training=training.name,
        figures=shown["figures"],
        seconds=time.perf_counter() - start,
        seed=training.seed,
        day=date.today().isoformat(),
        pictures=shown.get("pictures", []) if training.shown else [],
    )
