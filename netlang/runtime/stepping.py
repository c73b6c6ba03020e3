"""Where a training stands between two steps, whoever carries them out. Needs NumPy alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from netlang.diagnostics import NetError
from netlang.ir.reserved import LEARNING_RATE, RNG
from netlang.runtime.ports import Array, checked_seed
from netlang.runtime.schedules import Schedule, Watch


class Stepping:
    """The state of a training besides its arrays.

    Attributes: `steps` taken so far; `epoch`, which schedules go by (a loop of one's own calls `next_epoch`);
    `values`, the loss and metrics of the last step.
    """

    def __init__(self, seed: int, schedule: Schedule, draws: bool) -> None:
        """`draws`: whether steps draw random numbers."""
        self.seed = checked_seed(seed)
        self.schedule = schedule
        self.steps = 0
        self.epoch = 0.0
        self.values: dict[str, float] = {}
        self._draws = draws

    @property
    def learning_rate(self) -> float:
        """The rate of the next step, as the schedule has it."""
        return self.schedule.rate(self.epoch)

    def fed(self, arrays: Mapping[str, Array]) -> dict[str, Array]:
        """All inputs of the compiled step: these arrays, the learning rate and the key of its random numbers."""
        found = {**arrays, LEARNING_RATE: np.array(self.learning_rate, np.float32)}
        if self._draws:
            found[RNG] = np.array((self.seed, self.steps), np.int64)
        return found

    def next_epoch(self, loss: float | None = None) -> None:
        """Tell the schedule that an epoch is over; `loss` is what a plateau schedule watches."""
        self.epoch = float(int(self.epoch) + 1)
        if loss is not None:
            self.schedule.epoch_ended(loss)

    def progress(self) -> dict[str, Any]:
        """All of the state but the epoch, for a checkpoint."""
        watch = self.schedule.watch
        return {"steps": self.steps, "scale": self.schedule.scale, "plateau": {"best": watch.best, "bad": watch.bad}}

    def go_on(self, progress: Mapping[str, Any], epoch: float) -> None:
        """Put back what `progress` gave, after so many epochs. Raises KeyError, TypeError or ValueError for anything
        else."""
        steps, scale, watch = counted(progress["steps"]), float(progress["scale"]), watched(progress["plateau"])
        self.steps, self.epoch = steps, float(epoch)
        self.schedule.scale, self.schedule.watch = scale, watch


def check_samples(sizes: Mapping[str, int]) -> None:
    """Raises NetError where there are none to learn from."""
    for symbol, size in sizes.items():
        if not size:
            raise NetError(f"there is nothing to train on: {symbol} is 0")


def watched(found: Mapping[str, Any]) -> Watch:
    """The watch that `asdict` gave. Raises KeyError, TypeError or ValueError for anything else."""
    return Watch(float(found["best"]), counted(found["bad"]))


def counted(value: Any) -> int:
    """A whole number from 0 on, as a checkpoint holds it. Raises ValueError for anything else."""
    if type(value) is not int or not 0 <= value < 2**63:
        raise ValueError(f"{value!r} is no count")
    return value
