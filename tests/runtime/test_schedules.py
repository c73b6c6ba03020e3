"""Learning rates by epoch, what is watched, and means."""

from __future__ import annotations

from math import inf, nan

import pytest

from netlang.ir.module import Call
from netlang.runtime.metrics import Means, as_cost
from netlang.runtime.schedules import Schedule, Watch, rate

COSINE = Call("cosine", {"epochs": 10, "floor": 0.01})
STEP = Call("step", {"every": 3, "factor": 0.1})
PLATEAU = Call("plateau", {"patience": 1, "factor": 0.5})


@pytest.mark.parametrize(
    ("call", "done", "expected"),
    [
        (Call("constant"), 7.5, 1.0),
        (STEP, 2.99, 1.0),
        (STEP, 3.0, 0.1),
        (STEP, 6.5, 0.01),
        (COSINE, 0.0, 1.0),
        (COSINE, 5.0, 0.505),
        (COSINE, 10.0, 0.01),
        (COSINE, 99.0, 0.01),
        (Call("warmup", {"epochs": 2, "then": STEP}), 0.0, 0.01),
        (Call("warmup", {"epochs": 2, "then": STEP}), 1.0, 0.5),
        (Call("warmup", {"epochs": 2, "then": STEP}), 2.0, 1.0),
        (Call("warmup", {"epochs": 2, "then": STEP}), 5.0, 0.1),
        (PLATEAU, 5.0, 1.0),
    ],
)
def test_rates(call: Call, done: float, expected: float) -> None:
    assert rate(call, 1.0, done) == pytest.approx(expected)


@pytest.mark.parametrize("call", [PLATEAU, Call("warmup", {"epochs": 2, "then": PLATEAU})])
def test_a_plateau_lowers_the_rate_once_it_has_lasted(call: Call) -> None:
    schedule = Schedule(call, 1.0)
    rates = []
    for loss in (3.0, 2.0, 2.0, 2.1, 1.0, nan, nan, nan):
        schedule.epoch_ended(loss)
        rates.append(schedule.rate(9.0))
    assert rates == [1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25]


def test_other_schedules_do_not_watch() -> None:
    schedule = Schedule(COSINE, 1.0)
    schedule.epoch_ended(5.0)
    assert schedule.scale == 1 and schedule.watch == Watch(inf, 0)


def test_means_are_weighted_by_samples() -> None:
    means = Means()
    assert means.values() == {}
    means.add({"loss": 1.0}, 30)
    means.add({"loss": 4.0}, 10)
    assert means.values() == {"loss": 1.75}


def test_what_is_better() -> None:
    assert as_cost("accuracy", 0.9) < as_cost("accuracy", 0.8)
    assert as_cost("loss", 0.1) < as_cost("loss", 0.2)
