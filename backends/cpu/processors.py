"""How many processors there are: on its own, because what kernels are cut for depends on it, and on no thread."""

from __future__ import annotations

import os

MOST = 256
"""More threads than this are never started."""


def available() -> int:
    """How many processors this process may use."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(count, MOST)
