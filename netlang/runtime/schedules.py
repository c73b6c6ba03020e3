"""Learning-rate schedules. Their unit is the epoch; progress within one counts, so a cosine is smooth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import cos, floor, inf, pi

from netlang.ir.call import Call

Rate = Callable[[Call, float, float], float]
"""(schedule, base rate, epochs done so far) -> rate."""


def _constant(call: Call, base: float, done: float) -> float:
    return base


def _step(call: Call, base: float, done: float) -> float:
    return float(base * call["factor"] ** floor(done / call["every"]))


def _cosine(call: Call, base: float, done: float) -> float:
    """Half a cosine from `base` down to `floor` over `epochs` (Loshchilov & Hutter 2017, without restarts)."""
    part = min(done / call["epochs"], 1.0)
    return float(call["floor"] + (base - call["floor"]) * 0.5 * (1 + cos(pi * part)))


def _warmup(call: Call, base: float, done: float) -> float:
    """Linear from a hundredth of `base` up to it over `epochs`, then the schedule `then` from its own start."""
    if done < call["epochs"]:
        return float(base * max(0.01, done / call["epochs"]))
    return rate(call["then"], base, done - call["epochs"])


_RATES: dict[str, Rate] = {
    "constant": _constant,
    "step": _step,
    "cosine": _cosine,
    "warmup": _warmup,
    "plateau": _constant,
}


def rate(schedule: Call, base: float, done: float) -> float:
    """The learning rate after `done` epochs, before what a plateau took off."""
    return _RATES[schedule.name](schedule, base, done)


def check_schedule(schedule: Call) -> None:
    """Raises KeyError, TypeError, ValueError or ArithmeticError for one that is none: it may come from a file."""
    rate(schedule, 1.0, 0.0)
    if schedule.name == "warmup":
        check_schedule(schedule["then"])
    if schedule.name == "plateau":
        float(schedule["factor"]), float(schedule["patience"])


def plateau(schedule: Call) -> Call | None:
    """The plateau schedule in force: the schedule itself or, after a warm-up, what follows it."""
    if schedule.name == "warmup":
        return plateau(schedule["then"])
    return schedule if schedule.name == "plateau" else None


@dataclass
class Watch:
    """The best value so far of something monitored, and for how many epochs it has not been bettered."""

    best: float = inf
    bad: int = 0

    def see(self, value: float) -> bool:
        """Note one epoch's value, lower being better; True if it is the best so far. NaN never is."""
        better = value < self.best
        self.best, self.bad = (value, 0) if better else (self.best, self.bad + 1)
        return better


@dataclass
class Schedule:
    """The learning rate of a run. `scale` and `watch` are its state: what plateaus have done to the rate."""

    call: Call
    base: float
    scale: float = 1.0
    watch: Watch = field(default_factory=Watch)

    def rate(self, done: float) -> float:
        """The rate after `done` epochs (fractions count)."""
        return self.scale * rate(self.call, self.base, done)

    def epoch_ended(self, loss: float) -> None:
        """A plateau multiplies the rate by `factor` whenever the loss has not improved for `patience` epochs."""
        call = plateau(self.call)
        if call is None:
            return
        if not self.watch.see(loss) and self.watch.bad > call["patience"]:
            self.scale *= call["factor"]
            self.watch.bad = 0
