"""The threads that carry programs out: native workers that never need the interpreter, and the caller's own thread.

A call that finds its pool busy runs alone on the calling thread: the results are the same. After a fork the child's
pools are empty, and start workers when they first need some. Nothing here needs a compiler: a pool is given the machine
code of the walker.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import platform
import sys
import threading
from collections.abc import Callable, Collection
from typing import Any

import numpy as np

from netlang.backends.cpu import affinity, control
from netlang.backends.cpu.kernel import Kernel, native
from netlang.backends.cpu.processors import MOST

Code = Callable[[Any], int]
"""From a kernel to the address of its machine code, which stays where it is."""

_ALONE, _TOGETHER, _WORKER = "void(int64)", "void(int64, int64, int64)", "int64(int64)"
"""Signatures of the walker's entry points."""


ALONE = native("walker", "alone", signature="void(int64)")
WORKER = native("walker", "worker", True, signature="int64(int64)")
WAKE_UP = native("walker", "wake_up", signature="void(int64)")
ONE_JOB = native("walker", "one_job", signature="void(int64, int64)")


def together(sleeps: bool) -> Kernel:
    """The walker's entry point for several threads."""
    return native("walker", "together", sleeps, signature="void(int64, int64, int64)")


def entry_points(threads: int) -> list[Kernel]:
    """The walker's kernels that programs on up to so many threads are run by."""
    several = [together(can_sleep()), *([WORKER] if can_sleep() else [])]
    return [ALONE, *(several if threads > 1 else [])]


def can_sleep() -> bool:
    """Whether native threads may sleep in a futex here."""
    return sys.platform == "linux" and platform.machine().lower() in control.FUTEX_NUMBER


def aligned(bytes: int, alignment: int = 64) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Zeroed memory that begins at a multiple of `alignment`, with room behind it for reads past the end."""
    raw = np.zeros(bytes + 2 * alignment, np.uint8)
    start = -raw.ctypes.data % alignment
    return raw[start : start + bytes]


class Pool:
    """Worker threads and the control block they meet in. `run` is the only way to use it."""

    def __init__(self, code: Code) -> None:
        self._code = code
        self._entries: dict[Kernel, Any] = {}
        self._begin()
        _pools.append(self)

    def _begin(self) -> None:
        """As a pool that has no workers."""
        self._busy = threading.Lock()
        self._block = aligned(control.WORKERS + MOST * control.WORKER_BYTES)
        self._words = self._block.view(np.int64)
        self._address = self._block.ctypes.data
        self._native = can_sleep()
        self._workers: list[_NativeWorker | _PythonWorker] = []
        self._pinned = self._native and affinity.can_pin()
        self._placed: tuple[int, int] = (0, -1)
        """How many workers have been placed, and away from which processor."""

    def run(self, program: int, threads: int) -> int:
        """Carry out the program at this address on up to `threads` threads, on one where the pool is in use.

        Returns how many they were.
        """
        if threads > 1 and self._busy.acquire(blocking=False):
            try:
                self._run_together(program, min(threads, MOST))
            finally:
                self._busy.release()
            return threads
        self._entry(ALONE)(program)
        return 1

    def _entry(self, kernel: Kernel) -> Any:
        """A callable for one of the walker's entry points; a call lets go of the interpreter's lock."""
        if kernel not in self._entries:
            kind = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * kernel.signature.partition("(")[2].count("int64"))
            self._entries[kernel] = kind(self._code(kernel))
        return self._entries[kernel]

    def run_timed(self, program: int, threads: int, times: int) -> None:
        """As `run`, but waits until the pool is free, and writes times as `native/timed_walker.py` says."""
        with self._busy:
            threads = min(threads, MOST)
            self._call_workers(threads)
            timed = native("timed_walker", "together", self._native, signature="void(int64, int64, int64, int64)")
            self._entry(timed)(self._address, program, threads, times)

    def _run_together(self, program: int, threads: int) -> None:
        self._call_workers(threads)
        self._entry(together(self._native))(self._address, program, threads)

    def _call_workers(self, threads: int) -> None:
        while len(self._workers) < threads - 1:
            block = self._address + control.WORKERS + len(self._workers) * control.WORKER_BYTES
            if self._native:
                self._workers.append(_NativeWorker(block, self._code(WORKER), self._wake_up))
            else:
                self._workers.append(_PythonWorker(block, self._entry(ONE_JOB)))
        if self._pinned:
            self._place(threads - 1)
        # The job is posted by native code; Python's own workers look for it once they are told to.
        for worker in self._workers[: threads - 1]:
            worker.tell()

    def _place(self, workers: int) -> None:
        """Keep the workers off the processor that the calling thread is on now."""
        caller = affinity.here()
        if self._placed == (workers, caller):
            return
        self._placed = (workers, caller)
        for worker, processors in zip(
            self._workers, affinity.places(caller, affinity.allowed(), workers), strict=False
        ):
            worker.pin(processors)

    def _wake_up(self, block: int) -> None:
        self._entry(WAKE_UP)(block)

    def close(self) -> None:
        """End the workers. The pool starts new ones if it is used again."""
        with self._busy:
            for worker in self._workers:
                worker.end()
            self._workers.clear()
            self._placed = (0, -1)


class _NativeWorker:
    """A POSIX thread in `walker.worker`, whose code is at `entry`."""

    def __init__(self, block: int, entry: int, wake_up: Callable[[int], None]) -> None:
        self._block, self._wake_up = block, wake_up
        ctypes.memset(block, 0, control.WORKER_BYTES)
        self._libc = ctypes.CDLL(None)
        self._handle = ctypes.c_ulong(0)
        failed = self._libc.pthread_create(
            ctypes.byref(self._handle), None, ctypes.c_void_p(entry), ctypes.c_void_p(block)
        )
        if failed:
            raise OSError(failed, f"cannot start a thread: {os.strerror(failed)}")

    def tell(self) -> None:
        """Nothing to do: posting the job wakes it."""

    def pin(self, processors: Collection[int]) -> None:
        affinity.pin(self._handle, processors)

    def end(self) -> None:
        ctypes.c_int64.from_address(self._block + control.JOB + 8).value = 0
        self._wake_up(self._block)
        self._libc.pthread_join(self._handle, None)


class _PythonWorker:
    """A thread of the interpreter, woken by a semaphore: where there is no futex to sleep in."""

    def __init__(self, block: int, job: Any) -> None:
        self._block, self._job = block, job
        ctypes.memset(block, 0, control.WORKER_BYTES)
        self._told = threading.Semaphore(0)
        self._ended = False
        self._thread = threading.Thread(target=self._live, daemon=True)
        self._thread.start()

    def _live(self) -> None:
        epoch = 0
        while True:
            self._told.acquire()
            if self._ended:
                return
            epoch += 1
            self._job(self._block, epoch)

    def tell(self) -> None:
        self._told.release()

    def pin(self, processors: Collection[int]) -> None:
        """Left where it is: it is a thread of the interpreter."""

    def end(self) -> None:
        self._ended = True
        self._told.release()
        self._thread.join()


_pools: list[Pool] = []
"""All of them: a pool lives as long as the process, as its code does, in which threads may be until the very end."""


def _after_fork() -> None:
    """The child has only the thread that forked: the pools' workers are not there, their locks may be held."""
    for pool in _pools:
        pool._begin()


def _at_exit() -> None:
    for pool in _pools:
        pool.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
atexit.register(_at_exit)
