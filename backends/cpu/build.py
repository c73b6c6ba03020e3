"""Compiling many kernels at once: forked processes share the work and leave objects in the cache on disk.

LLVM is used under a lock, so threads of one process would wait for each other. The cache is where results go anyway:
whatever a child does not deliver, for whatever reason, is compiled by the parent when it links. Nothing depends on a
child but the time it takes. Numba takes longest to import, so the parent alone begins with the kernels that need it.
"""

from __future__ import annotations

import mmap
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Iterable, Sequence

from netlang.backends.cpu import cache as objects
from netlang.backends.cpu import loader
from netlang.backends.cpu.kernel import Emitted, Kernel
from netlang.backends.cpu.target import Target, host

FEWEST = 4
"""Fewer missing kernels than this are not worth a process."""
PATIENCE = 60.0
"""Seconds after which a child that is still busy with its last kernel is given up."""
_SLOW = ("winograd", "conv", "depthwise", "weight_gradient", "gemm")
"""How the keys of kernels begin that take long; they are begun first."""


def build(kernels: Iterable[Kernel], processes: int, target: Target | None = None) -> None:
    """Have the machine code of all kernels for `target` (this machine if none is given) in memory, compiled by up to so
    many processes where it is missing."""
    target = target or host()
    wanted = list(dict.fromkeys(kernels))
    missing = [k for k in wanted if not loader.is_there(k, target)]
    count = min(processes, len(missing) // 2)
    if len(missing) >= FEWEST and count > 1 and can_fork() and objects.is_writable():
        _together(sorted(missing, key=_cost, reverse=True), count, target)
    for kernel in wanted:
        loader.address(kernel, target)


def can_fork() -> bool:
    """Whether a child can be trusted to work: no other thread of Python holds a lock that nobody would release."""
    return sys.platform == "linux" and threading.active_count() == 1


def _cost(kernel: Kernel) -> int:
    place = [i for i, name in enumerate(_SLOW) if kernel.key.startswith(name)]
    return len(_SLOW) - place[0] if place else 0


def _together(kernels: Sequence[Kernel], processes: int, target: Target) -> None:
    """Every process takes the first kernel that nobody has taken. Two may take the same one, which does no harm."""
    plain = [i for i, k in enumerate(kernels) if isinstance(k.source, Emitted)]
    others = [i for i, k in enumerate(kernels) if not isinstance(k.source, Emitted)]
    mine = [*others, *plain]
    with mmap.mmap(-1, len(kernels)) as taken:
        children: list[int] = []
        try:
            # Each child has a first one of its own, so that it does not meet the others there.
            for first in [i for i in (*plain, *others) if i != mine[0]][: processes - 1]:
                taken[first] = 1
                children.append(_fork(kernels, taken, [first, *plain, *others], target))
            _work(kernels, taken, mine, target)
        except BaseException:
            for child in children:
                os.kill(child, signal.SIGKILL)
            raise
        finally:
            for child in children:
                _join(child)


def _work(kernels: Sequence[Kernel], taken: mmap.mmap, order: Sequence[int], target: Target) -> None:
    for place, i in enumerate(order):
        if place == 0 or not taken[i]:
            taken[i] = 1
            loader.compile_now(kernels[i], target)


def _fork(kernels: Sequence[Kernel], taken: mmap.mmap, order: Sequence[int], target: Target) -> int:
    """Start a child that takes kernels in this order, and return its number."""
    with warnings.catch_warnings():
        # Later Pythons warn of threads that NumPy's libraries and this backend have: they know what a fork is.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        status = 1
        try:
            # An interrupt is the parent's to handle.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            _work(kernels, taken, order, target)
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
