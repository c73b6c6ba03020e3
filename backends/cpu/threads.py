"""The threads that carry programs out: native workers that never need the interpreter, and the caller's own thread.

One pool serves the process. A call that finds it busy runs alone on the calling thread: the results are the same.
After a fork the child makes a pool of its own when it first needs one.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import platform
import sys
import threading
from collections.abc import Collection
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netlang.backends.cpu import affinity, control, loader
from netlang.backends.cpu.kernel import Kernel, native
from netlang.backends.cpu.target import FUTEX_NUMBER

MOST = 256
"""More threads than this are never started."""

_ALONE, _TOGETHER, _WORKER = "void(int64)", "void(int64, int64, int64)", "int64(int64)"
"""Signatures of the walker's entry points."""


def available() -> int:
    """How many processors this process may use."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(count, MOST)


@cache
def _entry(maker: str, signature: str, *parameters: Any, module: str = "walker") -> Any:
    """A callable for one of the walker's entry points; a call lets go of the interpreter's lock."""
    place = loader.address(native(module, maker, *parameters, signature=signature))
    return ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * signature.count("int64"))(place)


def entry_points(threads: int) -> list[Kernel]:
    """The walker's kernels that programs on up to so many threads are run by."""
    found = [native("walker", "alone", signature=_ALONE)]
    if threads > 1:
        found.append(native("walker", "together", can_sleep(), signature=_TOGETHER))
        found += [native("walker", "worker", True, signature=_WORKER)] if can_sleep() else []
    return found


def can_sleep() -> bool:
    """Whether native threads may sleep in a futex here."""
    return sys.platform == "linux" and platform.machine().lower() in FUTEX_NUMBER


def aligned(bytes: int, alignment: int = 64) -> NDArray[np.uint8]:
    """Zeroed memory that begins at a multiple of `alignment`, with room behind it for reads past the end."""
    raw = np.zeros(bytes + 2 * alignment, np.uint8)
    start = -raw.ctypes.data % alignment
    return raw[start : start + bytes]


class Pool:
    """Worker threads and the control block they meet in. `run` is the only way to use it."""

    def __init__(self) -> None:
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
        _entry("alone", _ALONE)(program)
        return 1

    def run_timed(self, program: int, threads: int, times: int) -> None:
        """As `run`, but waits until the pool is free, and writes times as `native/timed_walker.py` says."""
        with self._busy:
            threads = min(threads, MOST)
            self._call_workers(threads)
            signature = "void(int64, int64, int64, int64)"
            _entry("together", signature, self._native, module="timed_walker")(self._address, program, threads, times)

    def _run_together(self, program: int, threads: int) -> None:
        self._call_workers(threads)
        _entry("together", _TOGETHER, self._native)(self._address, program, threads)

    def _call_workers(self, threads: int) -> None:
        while len(self._workers) < threads - 1:
            block = self._address + control.WORKERS + len(self._workers) * control.WORKER_BYTES
            self._workers.append(_NativeWorker(block) if self._native else _PythonWorker(block))
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

    def close(self) -> None:
        """End the workers. The pool starts new ones if it is used again."""
        with self._busy:
            for worker in self._workers:
                worker.end()
            self._workers.clear()
            self._placed = (0, -1)


class _NativeWorker:
    """A POSIX thread in `walker.worker`."""

    def __init__(self, block: int) -> None:
        self._block = block
        ctypes.memset(block, 0, control.WORKER_BYTES)
        self._libc = ctypes.CDLL(None)
        self._handle = ctypes.c_ulong(0)
        entry = loader.address(native("walker", "worker", True, signature=_WORKER))
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
        _entry("wake_up", "void(int64)")(self._block)
        self._libc.pthread_join(self._handle, None)


class _PythonWorker:
    """A thread of the interpreter, woken by a semaphore: where there is no futex to sleep in."""

    def __init__(self, block: int) -> None:
        self._block = block
        ctypes.memset(block, 0, control.WORKER_BYTES)
        self._told = threading.Semaphore(0)
        self._ended = False
        self._job = _entry("one_job", "void(int64, int64)")
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


_pool = Pool()


def pool() -> Pool:
    """The process's pool."""
    return _pool


def _after_fork() -> None:
    """The child has only the thread that forked: the old pool's workers are not there, its lock may be held."""
    global _pool
    _pool = Pool()


def _at_exit() -> None:
    _pool.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
atexit.register(_at_exit)
