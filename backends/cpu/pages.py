"""Memory for arenas and packed weights: large pieces from the system, in huge pages where it has them.

A page of 2 MB needs one entry of the translation buffer where 512 pages of 4 kB need as many. Linux gives them to
private anonymous memory that asks for them; elsewhere, and where they are turned off, the pages are ordinary ones.
"""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np

from netlang.backends.cpu.threads import aligned
from netlang.memory import machine_memory

HUGE = 2 << 20
"""Bytes of a huge page, and the alignment of what may lie in some."""
_ADVICE: int | None = getattr(mmap, "MADV_HUGEPAGE", None)


def reserve(bytes: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Zeroed memory, aligned to 64 bytes at least, that goes back to the system with the array.

    Raises MemoryError where there is not enough.
    """
    # Linux promises more than there is, and ends the process when it is used.
    if bytes > machine_memory():
        raise MemoryError(bytes)
    return _mapped(bytes) if bytes >= HUGE and hasattr(mmap, "MAP_ANONYMOUS") else aligned(bytes)


def _mapped(bytes: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    try:
        memory = mmap.mmap(-1, bytes + HUGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except OSError as fault:
        raise MemoryError(bytes) from fault
    whole: np.ndarray[Any, np.dtype[Any]] = np.frombuffer(memory, np.uint8)
    start = -whole.ctypes.data % HUGE
    if _ADVICE is not None:
        _advise(memory, start, bytes // HUGE * HUGE)
    return whole[start : start + bytes]


def _advise(memory: mmap.mmap, start: int, length: int) -> None:
    """Ask for huge pages. Only whole ones: the rest would take up to 2 MB more than was asked for."""
    assert _ADVICE is not None
    try:
        memory.madvise(_ADVICE, start, length)
    except OSError:
        return  # a kernel without them: the memory is as good, only slower
