"""Which processor each worker may run on: never the caller's, so that the two never wait for each other's turn.

A thread that is woken may be put on the processor of the one that wakes it, where it does not run before the other's
turn ends: milliseconds for a net that takes microseconds. The calling thread belongs to the user and is left alone.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Collection, Sequence
from functools import cache
from typing import Any

MOST_PROCESSORS = 1024
"""Bits of the system's set of processors, `cpu_set_t`."""


def can_pin() -> bool:
    """Whether the system has the calls for it."""
    return sys.platform == "linux" and hasattr(_libc(), "pthread_setaffinity_np") and hasattr(_libc(), "sched_getcpu")


@cache
def _libc() -> Any:
    return ctypes.CDLL(None)


def here() -> int:
    """The processor the calling thread runs on at this moment."""
    return int(_libc().sched_getcpu())


def allowed() -> list[int]:
    """The processors the calling thread may run on, ascending."""
    return sorted(os.sched_getaffinity(0))


def places(caller: int, processors: Sequence[int], workers: int) -> list[frozenset[int]]:
    """Processors for each worker, given the caller's.

    One each where together they need all there are; where there are more, any but the caller's, so that several
    processes do not crowd onto the same ones; where there are too few, any.
    """
    others = [p for p in processors if p > caller] + [p for p in processors if p < caller]
    if workers > len(others):
        return [frozenset(processors)] * workers
    if workers == len(others):
        return [frozenset([p]) for p in others]
    return [frozenset(others)] * workers


def pin(thread: ctypes.c_ulong, processors: Collection[int]) -> None:
    """Let a POSIX thread run on these processors only. Where the system refuses, it runs where it did."""
    if not processors or max(processors) >= MOST_PROCESSORS:
        return
    mask = (ctypes.c_uint8 * (MOST_PROCESSORS // 8))()
    for processor in processors:
        mask[processor // 8] |= 1 << processor % 8
    _libc().pthread_setaffinity_np(thread, ctypes.c_size_t(len(mask)), mask)
