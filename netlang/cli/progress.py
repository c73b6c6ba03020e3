"""What training shows: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from netlang.cli.output import count, number
from netlang.runtime import fit
from netlang.runtime.data.dataset import Fitted

SECONDS_BETWEEN_LINES = 10.0
_NOT_RESULTS = frozenset({"epoch", "learning_rate", "seconds", "samples_per_second"})


def reporter() -> fit.Progress:
    """A progress report for this standard output."""
    return Bar() if sys.stdout.isatty() else Lines()


def results(record: Mapping[str, Any]) -> str:
    """`loss 0.1234  accuracy 0.98  test_loss ...`: the results in a record."""
    return "  ".join(f"{name} {number(value)}" for name, value in record.items() if name not in _NOT_RESULTS)


class Lines(fit.Progress):
    """One line for every epoch, and one every ten seconds within."""

    def compiling(self, target: str) -> None:
        self.say(f"compiling for {target}")

    def begin(self, fitted: Fitted, epochs: int, batches: int, resumed: bool) -> None:
        self.epochs, self.batches = epochs, batches
        self.start = self.last = time.monotonic()
        self.timed, self.before = 0, 0
        self.speed = 0.0
        self.say(_opening(fitted, epochs, resumed))

    def step(self, epoch: int, batch: int, means: Mapping[str, float], samples: int) -> None:
        now = time.monotonic()
        if epoch != self.timed:
            self.timed, self.start, self.before = epoch, now, samples
        if now > self.start:
            self.speed = (samples - self.before) / (now - self.start)
        self.show(epoch, batch, means)

    def show(self, epoch: int, batch: int, means: Mapping[str, float]) -> None:
        """The state after one more batch."""
        if time.monotonic() - self.last >= SECONDS_BETWEEN_LINES:
            self.last = time.monotonic()
            self.say(f"epoch {epoch}/{self.epochs}  batch {batch + 1}/{self.batches}  {self.state(means)}")

    def state(self, means: Mapping[str, float]) -> str:
        return f"{results(means)}  {count(round(self.speed))} images/s"

    def epoch(self, record: Mapping[str, Any]) -> None:
        self.last = time.monotonic()
        took = f"{record['seconds']:.1f} s  {count(round(record['samples_per_second']))} images/s"
        self.say(f"epoch {record['epoch']}/{self.epochs}  {results(record)}  {took}")

    def say(self, line: str) -> None:
        print(line, flush=True)


class Bar(Lines):
    """The same with a bar that shows loss, metrics, images per second and the time that is left."""

    def __init__(self) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[state]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        self.drawn = Progress(*columns, console=Console(), transient=True)

    def begin(self, fitted: Fitted, epochs: int, batches: int, resumed: bool) -> None:
        super().begin(fitted, epochs, batches, resumed)
        self.task: TaskID = self.drawn.add_task("", total=epochs * batches, state="")
        self.drawn.start()

    def show(self, epoch: int, batch: int, means: Mapping[str, float]) -> None:
        done = (epoch - 1) * self.batches + batch + 1
        text = f"epoch {epoch}/{self.epochs}"
        self.drawn.update(self.task, completed=done, description=text, state=self.state(means))

    def end(self, record: Mapping[str, Any]) -> None:
        self.close()

    def close(self) -> None:
        self.drawn.stop()

    def say(self, line: str) -> None:
        self.drawn.console.print(line, highlight=False, markup=False, soft_wrap=True)


def _opening(fitted: Fitted, epochs: int, resumed: bool) -> str:
    verb = "resuming" if resumed else "training"
    held = f", {count(len(fitted.test))} held out ({fitted.held_out})" if len(fitted.test) else ""
    samples = f"{count(len(fitted.train))} sample{'s' if len(fitted.train) != 1 else ''}"
    return f"{verb} on {fitted.name}: {samples}{held}, {epochs} epoch{'s' if epochs != 1 else ''}"
