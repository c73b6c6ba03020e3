"""The native entry points: every thread walks the whole program and meets the others at a barrier.

Waiting is spinning for some 50 microseconds, then sleeping in a futex, or where there is none giving way to others.
Whoever comes last wakes sleepers only if there are any, so nobody pays for a system call in the fast case. A sleeper
counts itself before it looks at the counter again, a waker advances the counter before it looks for sleepers: with
sequentially consistent atomics at least one of the two sees the other.

A loop repeats the entries between its begin and its end. Every thread has a copy of its steps' tables, in which it
moves addresses on after each round: nobody waits for anybody because of that.
"""

from __future__ import annotations

from typing import Any

from netlang.backends.cpu.control import (
    ARRIVALS,
    BARRIER,
    BEGIN,
    END,
    EPOCH,
    JOB,
    PARALLEL,
    SLEEPERS,
    SLEEPING,
    STEP_BYTES,
    TARGET,
    WORKER_BYTES,
    WORKERS,
)
from netlang.backends.cpu.intrinsics import (
    atomic_add,
    atomic_load,
    atomic_store,
    call_kernel,
    futex,
    give_way,
    number,
    pause,
)
from netlang.backends.cpu.native.geometry import inlined
from netlang.backends.cpu.native.rounds import begin_rounds, next_round

_SPIN = 2000
_FUTEX_WAIT, _FUTEX_WAKE = 128, 129  # with the flag "private to the process"
_EVERYBODY = 1 << 30
_LOW_HALF = 0xFFFFFFFF


@inlined
def _nap(address: int, target: int, sleepers: int) -> None:
    """Sleep unless the counter has reached its target; it may also end early for no reason."""
    atomic_add(sleepers, 1)
    seen = atomic_load(address)
    if seen < target:
        futex(address, _FUTEX_WAIT, seen & _LOW_HALF)
    atomic_add(sleepers, -1)


@inlined
def _doze(address: int, target: int, sleepers: int) -> None:
    give_way()


@inlined
def _wake(address: int, sleepers: int) -> None:
    if atomic_load(sleepers) > 0:
        futex(address, _FUTEX_WAKE, _EVERYBODY)


@inlined
def _nobody(address: int, sleepers: int) -> None:
    pass


def walk_function(sleeps: bool) -> tuple[Any, Any, Any]:
    """wait(address, target, sleepers), wake(address, sleepers), walk(control, program, tid, threads, target)."""
    rest = _nap if sleeps else _doze
    wake = _wake if sleeps else _nobody

    @inlined
    def wait(address: int, target: int, sleepers: int) -> None:
        tries = 0
        while atomic_load(address) < target:
            if tries < _SPIN:
                pause()
                tries += 1
            else:
                rest(address, target, sleepers)

    @inlined
    def walk(control: int, program: int, tid: int, threads: int, target: int) -> int:
        place = program + 8
        end = place + number(program, 0) * STEP_BYTES
        while place < end:
            flags, table = number(place, 2), number(place, 1) + tid * number(place, 3)
            if flags & BEGIN:
                place += begin_rounds(table, tid, number(place, 0))
            elif flags & END:
                back = next_round(table, tid, number(place, 0))
                place -= back
                if back > 0:
                    flags = 0
            elif flags & PARALLEL:
                call_kernel(number(place, 0), table, tid, threads)
            elif tid == 0:
                call_kernel(number(place, 0), table, 0, 1)
            if flags & BARRIER:
                target += threads
                if atomic_add(control + ARRIVALS, 1) < target:
                    wait(control + ARRIVALS, target, control + SLEEPERS)
                else:
                    wake(control + ARRIVALS, control + SLEEPERS)
            place += STEP_BYTES
        return target

    return wait, wake, walk


def post_function(sleeps: bool) -> Any:
    """post(control, program, threads, target): give workers 1 .. threads-1 the job."""
    wake = _wake if sleeps else _nobody

    @inlined
    def post(control: int, program: int, threads: int, target: int) -> None:
        for tid in range(1, threads):
            worker = control + WORKERS + (tid - 1) * WORKER_BYTES
            atomic_store(worker + JOB, control)
            atomic_store(worker + JOB + 8, program)
            atomic_store(worker + JOB + 16, tid)
            atomic_store(worker + JOB + 24, threads)
            atomic_store(worker + JOB + 32, target)
            atomic_add(worker + EPOCH, 1)
            wake(worker + EPOCH, worker + SLEEPING)

    return post


def alone() -> Any:
    """run(program): the calling thread does everything, without any synchronisation."""

    def run_alone(program: int) -> None:
        place = program + 8
        end = place + number(program, 0) * STEP_BYTES
        while place < end:
            flags, table = number(place, 2), number(place, 1)
            if flags & BEGIN:
                place += begin_rounds(table, 0, number(place, 0))
            elif flags & END:
                place -= next_round(table, 0, number(place, 0))
            else:
                call_kernel(number(place, 0), table, 0, 1)
            place += STEP_BYTES

    return run_alone


def together(sleeps: bool) -> Any:
    """run(control, program, threads): give workers 1 .. threads-1 the job, do the first share, return when all have."""
    post, (_, _, walk) = post_function(sleeps), walk_function(sleeps)

    def run_together(control: int, program: int, threads: int) -> None:
        target = number(control + TARGET, 0)
        post(control, program, threads, target)
        atomic_store(control + TARGET, walk(control, program, 0, threads, target))

    return run_together


def worker(sleeps: bool) -> Any:
    """A worker's life, for `pthread_create`: wait for a job, do it, until a job without a program comes."""
    wait, _, walk = walk_function(sleeps)

    def run_worker(block: int) -> int:
        epoch = 1
        while True:
            wait(block + EPOCH, epoch, block + SLEEPING)
            job = block + JOB
            if number(job, 1) == 0:
                return 0
            walk(number(job, 0), number(job, 1), number(job, 2), number(job, 3), number(job, 4))
            epoch += 1

    return run_worker


def one_job() -> Any:
    """As a worker, but for the next job only: where Python's own threads do the work."""
    wait, _, walk = walk_function(False)

    def run_job(block: int, epoch: int) -> None:
        wait(block + EPOCH, epoch, block + SLEEPING)
        job = block + JOB
        walk(number(job, 0), number(job, 1), number(job, 2), number(job, 3), number(job, 4))

    return run_job


def wake_up() -> Any:
    """Post the job that is in a worker's block."""

    def run_wake_up(block: int) -> None:
        atomic_add(block + EPOCH, 1)
        _wake(block + EPOCH, block + SLEEPING)

    return run_wake_up
