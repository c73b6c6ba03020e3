"""The walker of `walker.py`, with the time that every step takes: for profiles."""

from __future__ import annotations

from typing import Any

from netlang.backends.cpu.control import ARRIVALS, BARRIER, BEGIN, END, PARALLEL, SLEEPERS, STEP_BYTES, TARGET
from netlang.backends.cpu.intrinsics import STORE, atomic_add, atomic_store, call_kernel, number, read_clock
from netlang.backends.cpu.native.geometry import inlined
from netlang.backends.cpu.native.rounds import begin_rounds, next_round
from netlang.backends.cpu.native.walker import post_function, walk_function

_STAMP_BYTES = 16
_SECOND = 1_000_000_000
_store = STORE["i64"]


@inlined
def _now(stamp: int) -> int:
    """Nanoseconds; a `timespec` is written to `stamp` on the way."""
    read_clock(stamp)
    nanoseconds: int = number(stamp, 0) * _SECOND + number(stamp, 1)
    return nanoseconds


def together(sleeps: bool) -> Any:
    """run(control, program, threads, times): as `walker.together`. Behind a first pair of words that is its own,
    `times` has one for every entry of the program, to which its nanoseconds and 1 are added each time it is carried
    out. A step ends when all threads have met after it, where they do."""
    post, (wait, wake, _) = post_function(sleeps), walk_function(sleeps)

    def run_timed(control: int, program: int, threads: int, times: int) -> None:
        target = number(control + TARGET, 0)
        post(control, program, threads, target)
        place = program + 8
        end = place + number(program, 0) * STEP_BYTES
        last = _now(times)
        while place < end:
            flags, table = number(place, 2), number(place, 1)
            entry = times + _STAMP_BYTES + (place - program - 8) // STEP_BYTES * _STAMP_BYTES
            if flags & BEGIN:
                place += begin_rounds(table, 0, number(place, 0))
            elif flags & END:
                back = next_round(table, 0, number(place, 0))
                place -= back
                if back > 0:
                    flags = 0
            elif flags & PARALLEL:
                call_kernel(number(place, 0), table, 0, threads)
            else:
                call_kernel(number(place, 0), table, 0, 1)
            if flags & BARRIER:
                target += threads
                if atomic_add(control + ARRIVALS, 1) < target:
                    wait(control + ARRIVALS, target, control + SLEEPERS)
                else:
                    wake(control + ARRIVALS, control + SLEEPERS)
            place += STEP_BYTES
            now = _now(times)
            _store(entry, 0, number(entry, 0) + now - last)
            _store(entry, 1, number(entry, 1) + 1)
            last = now
        atomic_store(control + TARGET, target)

    return run_timed
