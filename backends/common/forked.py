"""Work that forked processes share with this one, where threads would wait for each other.

Results go where all can find them, such as a cache on disk: whatever a child does not deliver, for whatever reason, is
for the caller to do when he misses it. Nothing depends on a child but the time it takes.
"""

from __future__ import annotations

import gc
import mmap
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Sequence

PATIENCE = 60.0
"""Seconds after which a child that is still busy with its last piece of work is given up."""

Work = Callable[[int], None]


def can_fork() -> bool:
    """Whether a child can be trusted to work: no other thread of Python holds a lock that nobody would release."""
    return sys.platform == "linux" and threading.active_count() == 1


def share(work: Work, mine: Sequence[int], theirs: Sequence[int], processes: int) -> None:
    """Call `work(i)` for every i from 0 to the number of pieces: in this process in the order `mine`, in the others in
    the order `theirs`. Each takes the next piece that nobody has taken; two may take the same one, which does no harm.

    A fault in this process is raised when the children have been ended; one in a child ends that child.
    """
    with mmap.mmap(-1, len(mine)) as taken:
        children: list[int] = []
        try:
            # Each child has a first one of its own, so that it does not meet the others there.
            for first in [i for i in theirs if i != mine[0]][: processes - 1]:
                taken[first] = 1
                children.append(_fork(work, taken, [first, *theirs]))
            _go_through(work, taken, mine)
        except BaseException:
            for child in children:
                os.kill(child, signal.SIGKILL)
            raise
        finally:
            for child in children:
                _join(child)


def _go_through(work: Work, taken: mmap.mmap, order: Sequence[int]) -> None:
    for place, i in enumerate(order):
        if place == 0 or not taken[i]:
            taken[i] = 1
            work(i)


def _fork(work: Work, taken: mmap.mmap, order: Sequence[int]) -> int:
    """Start a child that goes through pieces in this order, and return its number."""
    with warnings.catch_warnings():
        # Later Pythons warn of threads that NumPy's libraries and the backends have: they know what a fork is.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        status = 1
        try:
            # An interrupt is the parent's to handle.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            # Nor is what he has left to be collected: it may free memory of a GPU, which a child cannot speak to.
            gc.freeze()
            _go_through(work, taken, order)
            status = 0
        finally:
            # Nothing of the parent's may be closed, flushed or printed twice; the parent meets a fault again itself.
            os._exit(status)
    return child


def _join(child: int) -> None:
    """Wait until a child has ended."""
    end = time.monotonic() + PATIENCE
    try:
        while os.waitpid(child, os.WNOHANG)[0] == 0:
            if time.monotonic() > end:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                return
            time.sleep(0.002)
    except ChildProcessError:  # somebody else in this process waits for all children
        return
