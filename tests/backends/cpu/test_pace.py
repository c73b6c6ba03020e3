"""The choice between one thread and several, on machines that are made up."""

from __future__ import annotations

from netlang.backends.cpu.pace import FIRST_PAUSE, LONGEST_PAUSE, TRIALS, Pace

MICROSECOND = 1_000


def calls(pace: Pace, count: int, alone: int, together: int) -> list[bool]:
    """Carry out calls that take so many microseconds; which of them were together."""
    ways = []
    for _ in range(count):
        way = pace.next_together()
        pace.note(way, (together if way else alone) * MICROSECOND)
        ways.append(way)
    return ways


def test_a_small_program_tries_both_ways_and_keeps_the_faster() -> None:
    assert calls(Pace(large=False), 200, alone=150, together=90).count(False) == TRIALS
    ways = calls(Pace(large=False), TRIALS + FIRST_PAUSE, alone=90, together=150)
    assert ways == [True] * TRIALS + [False] * FIRST_PAUSE


def test_an_undisturbed_large_program_is_never_tried_alone() -> None:
    assert all(calls(Pace(large=True), 2 * LONGEST_PAUSE, alone=100_000, together=60_000))


def test_a_disturbed_program_goes_on_alone_and_comes_back() -> None:
    pace = Pace(large=True)
    calls(pace, 50, alone=100, together=60)
    assert not all(calls(pace, 4 * FIRST_PAUSE, alone=100, together=400))
    assert calls(pace, 1000, alone=100, together=400).count(True) < 50
    calls(pace, 2 * LONGEST_PAUSE, alone=100, together=60)
    assert all(calls(pace, 100, alone=100, together=60))


def test_a_way_that_keeps_losing_is_tried_less_and_less() -> None:
    pace = Pace(large=False)
    calls(pace, 2 * TRIALS, alone=100, together=500)
    wasted = calls(pace, 20 * LONGEST_PAUSE, alone=100, together=500).count(True)
    assert 0 < wasted < TRIALS * 30


def test_a_slow_first_call_says_nothing() -> None:
    pace = Pace(large=False)
    pace.note(True, 50_000 * MICROSECOND)
    assert calls(pace, 100, alone=150, together=90).count(False) == TRIALS


def test_one_slow_call_does_not_change_the_way() -> None:
    pace = Pace(large=True)
    calls(pace, 100, alone=100, together=60)
    pace.note(True, 5_000 * MICROSECOND)
    assert all(calls(pace, 100, alone=100, together=60))


def test_calls_that_found_the_pool_busy_count_as_alone() -> None:
    pace = Pace(large=False)
    for _ in range(50):
        pace.note(False, 100 * MICROSECOND)
    assert pace.ways[False].calls >= 40
    assert pace.next_together() in (True, False)
