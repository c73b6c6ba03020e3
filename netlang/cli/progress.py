"""What training shows: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Column

from netlang.cli.output import count, number
from netlang.runtime import fit
from netlang.runtime.data.dataset import Fitted

SECONDS_BETWEEN_LINES = 10.0
BESIDE = 20
"""Characters that a short bar and the time left take."""
_NOT_RESULTS = ("phase", "epoch", "learning_rate", "seconds", "samples_per_second")


def reporter() -> fit.Progress:
    """A progress report for this standard output."""
    return Bar() if sys.stdout.isatty() else Lines()


def results(record: Mapping[str, Any]) -> str:
    """`loss 0.1234  accuracy 0.98  test_loss ...`: the results in a record."""
    return "  ".join(_listed(record))


def _listed(record: Mapping[str, Any]) -> list[str]:
    return [f"{name} {number(value)}" for name, value in record.items() if not name.endswith(_NOT_RESULTS)]


def fitting(parts: Sequence[str], room: int | None) -> str:
    """The parts in one line, as many from the first on as fit into `room` characters, and the first in any case."""
    shown = list(parts)
    while room is not None and len(shown) > 1 and len("  ".join(shown)) > room:
        shown.pop()
    return "  ".join(shown)


class Lines(fit.Progress):
    """One line for every epoch, and one every ten seconds within."""

    width: int | None = None
    """Characters of a line; None where any number will do."""
    reported = False

    def compiling(self, target: str) -> None:
        self.say(f"compiling for {target}")

    def begin(self, fitted: Fitted, epochs: int, batches: int, resumed: bool, phase: str = "") -> None:
        self.epochs, self.batches = epochs, batches
        self.start = self.last = time.monotonic()
        self.timed, self.before = 0, 0
        self.speed = 0.0
        self.say(_opening(fitted, epochs, resumed, phase))

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

    def state(self, means: Mapping[str, float], room: int | None = None) -> str:
        """Means and speed, as much of it as fits into `room` characters: metrics after the first go first."""
        parts, speed = _listed(means), f"{count(round(self.speed))} samples/s"
        while len(parts) > 2 and fitting([*parts, speed], room) != fitting([*parts, speed], None):
            parts.pop()
        text = fitting([*parts, speed], room)
        return text if room is None or len(text) <= room else ""

    def epoch(self, record: Mapping[str, Any]) -> None:
        self.last, self.reported = time.monotonic(), True
        speed = f"{count(round(record['samples_per_second']))} samples/s"
        parts = [f"epoch {record['epoch']}/{self.epochs}", *_listed(record), f"{record['seconds']:.1f} s", speed]
        self.say(fitting(parts, self.width))

    def end(self, record: Mapping[str, Any]) -> None:
        if record and not self.reported:
            self.say(f"nothing was left to do: epoch {record['epoch']} of {self.epochs} is done")

    def say(self, line: str) -> None:
        print(line, flush=True)


class Bar(Lines):
    """The same with a bar that shows loss, metrics, images per second and the time that is left."""

    def __init__(self) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[state]}"),
            TimeRemainingColumn(table_column=Column(no_wrap=True)),
            TextColumn("left"),
        )
        self.drawn = Progress(*columns, console=Console(), transient=True)
        self.width = self.drawn.console.width

    def begin(self, fitted: Fitted, epochs: int, batches: int, resumed: bool, phase: str = "") -> None:
        super().begin(fitted, epochs, batches, resumed, phase)
        self.task: TaskID = self.drawn.add_task("", total=epochs * batches, state="")
        self.drawn.start()

    def show(self, epoch: int, batch: int, means: Mapping[str, float]) -> None:
        done = (epoch - 1) * self.batches + batch + 1
        text = f"epoch {epoch}/{self.epochs}"
        state = self.state(means, self.drawn.console.width - len(text) - BESIDE)
        self.drawn.update(self.task, completed=done, description=text, state=state)

    def end(self, record: Mapping[str, Any]) -> None:
        self.close()
        super().end(record)

    def close(self) -> None:
        self.drawn.stop()

    def say(self, line: str) -> None:
        self.drawn.console.print(line, highlight=False, markup=False, soft_wrap=True)


class Measuring:
    """What is being measured: a bar on a terminal, a line for each new thing elsewhere."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:.0f} %"))
        self._drawn = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._drawn.add_task("tuning", total=1.0)
        self._what = ""

    def __enter__(self) -> Measuring:
        self._drawn.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._drawn.stop()

    def report(self, what: str, done: float) -> None:
        """`done` of 1 of `what`."""
        if self._drawn.disable and what != self._what:
            print(f"tuning {what}", file=sys.stderr, flush=True)
        self._what = what
        self._drawn.update(self._task, description=f"tuning {what}", completed=done)


def _opening(fitted: Fitted, epochs: int, resumed: bool, phase: str) -> str:
    verb = f"{'resuming' if resumed else 'training'}{f' {phase}' if phase else ''}"
    held = f", {count(len(fitted.test))} held out ({fitted.held_out})" if len(fitted.test) else ""
    samples = f"{count(len(fitted.train))} sample{'s' if len(fitted.train) != 1 else ''}"
    return f"{verb} on {fitted.name}: {samples}{held}, {epochs} epoch{'s' if epochs != 1 else ''}"
