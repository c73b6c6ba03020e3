"""Compiling many kernels at once.

Python and NVVM work under locks, so forked processes share what they do and leave PTX in the cache on disk. ptxas works
without, so threads of this process make machine code of it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module

from netlang.backends.common.forked import can_fork, share
from netlang.backends.cuda import toolchain, versions
from netlang.backends.cuda.kernel import Kernel

FEWEST = 4
"""Fewer missing kernels than this are not worth a process."""


def build(kernels: Iterable[Kernel], arch: str) -> dict[Kernel, toolchain.Cubin]:
    """The machine code of all kernels for an architecture, made by as many processes as there are processors.

    Raises NetError where something is missing that compiling needs.
    """
    wanted = list(dict.fromkeys(kernels))
    prepare(wanted, arch)
    with ThreadPoolExecutor(_processors()) as pool:
        return dict(zip(wanted, pool.map(lambda kernel: toolchain.cubin(kernel, arch), wanted), strict=True))


def prepare(kernels: Iterable[Kernel], arch: str) -> None:
    """Have the PTX that machine code for an architecture is made from in the cache, for all kernels, where it can be
    written and several processes can work."""
    missing = [kernel for kernel in dict.fromkeys(kernels) if not toolchain.is_kept(kernel, arch)]
    count = min(_processors(), len(missing) // 2)
    if len(missing) < FEWEST or count < 2 or not can_fork() or not toolchain.is_writable():
        return
    versions.require()
    # Imported before the fork, so that only one process spends time on it.
    import_module("netlang.backends.cuda.compile")
    import_module("numba.cuda.cudadrv.nvvm")
    # Long texts take long; they are begun first.
    missing.sort(key=lambda kernel: len(kernel.source()), reverse=True)
    order = range(len(missing))
    share(lambda i: _leave(missing[i], arch), order, order, count)


def _leave(kernel: Kernel, arch: str) -> None:
    toolchain.ptx(kernel, toolchain.written_for(kernel, arch))


def _processors() -> int:
    return len(os.sched_getaffinity(0))
