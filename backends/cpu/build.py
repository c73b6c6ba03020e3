"""Compiling many kernels at once: forked processes share the work and leave objects in the cache on disk.

LLVM is used under a lock, so threads of one process would wait for each other. The cache is where results go anyway:
whatever a child does not deliver, for whatever reason, is compiled by the parent when it links. Numba takes longest to
import, so the parent alone begins with the kernels that need it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from netlang.backends.common.forked import can_fork, share
from netlang.backends.cpu import cache as objects
from netlang.backends.cpu import loader
from netlang.backends.cpu.kernel import Emitted, Kernel
from netlang.backends.cpu.target import Target, host

FEWEST = 4
"""Fewer missing kernels than this are not worth a process."""
_SLOW = ("winograd", "conv", "depthwise", "weight_gradient", "gemm")
"""How the keys of kernels begin that take long; they are begun first."""


def build(kernels: Iterable[Kernel], processes: int, target: Target | None = None) -> None:
    """Have the machine code of all kernels for `target` (this machine if none is given) in memory, compiled by up to so
    many processes where it is missing."""
    target = target or host()
    wanted = list(dict.fromkeys(kernels))
    compile_missing(wanted, processes, target)
    for kernel in wanted:
        loader.address(kernel, target)


def compile_missing(wanted: Sequence[Kernel], processes: int, target: Target) -> None:
    """Leave object code in the cache for those kernels that it has none of, as far as several processes are of use."""
    missing = [k for k in wanted if not loader.is_there(k, target)]
    count = min(processes, len(missing) // 2)
    if len(missing) >= FEWEST and count > 1 and can_fork() and objects.is_writable():
        _together(sorted(missing, key=_cost, reverse=True), count, target)


def _cost(kernel: Kernel) -> int:
    place = [i for i, name in enumerate(_SLOW) if kernel.key.startswith(name)]
    return len(_SLOW) - place[0] if place else 0


def _together(kernels: Sequence[Kernel], processes: int, target: Target) -> None:
    plain = [i for i, k in enumerate(kernels) if isinstance(k.source, Emitted)]
    others = [i for i, k in enumerate(kernels) if not isinstance(k.source, Emitted)]

    def compile(i: int) -> None:
        loader.compile_now(kernels[i], target)

    share(compile, [*others, *plain], [*plain, *others], processes)
