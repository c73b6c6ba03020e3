"""The walker of `walker.py`, with the time after every step: for profiles."""

from __future__ import annotations

from typing import Any

from netlang.backends.cpu.control import ARRIVALS, BARRIER, PARALLEL, SLEEPERS, STEP_BYTES, TARGET
from netlang.backends.cpu.intrinsics import atomic_add, atomic_store, call_kernel, number, read_clock
from netlang.backends.cpu.native.walker import post_function, walk_function

_STAMP_BYTES = 16


def together(sleeps: bool) -> Any:
    """run(control, program, threads, times): as `walker.together`; `times` has room for a `timespec` per step and one
    before the first. A step ends when all threads have met after it, where they do."""
    post, (wait, wake, _) = post_function(sleeps), walk_function(sleeps)

    def run_timed(control: int, program: int, threads: int, times: int) -> None:
        target = number(control + TARGET, 0)
        post(control, program, threads, target)
        place = program + 8
        read_clock(times)
        for _ in range(number(program, 0)):
            flags = number(place, 2)
            if flags & PARALLEL:
                call_kernel(number(place, 0), number(place, 1), 0, threads)
            else:
                call_kernel(number(place, 0), number(place, 1), 0, 1)
            if flags & BARRIER:
                target += threads
                if atomic_add(control + ARRIVALS, 1) < target:
                    wait(control + ARRIVALS, target, control + SLEEPERS)
                else:
                    wake(control + ARRIVALS, control + SLEEPERS)
            place += STEP_BYTES
            times += _STAMP_BYTES
            read_clock(times)
        atomic_store(control + TARGET, target)

    return run_timed
