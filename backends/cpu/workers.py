"""The pool of threads that carries out what this process has compiled."""

from __future__ import annotations

from netlang.backends.cpu import loader
from netlang.backends.cpu.threads import Pool

_pool = Pool(loader.address)


def pool() -> Pool:
    """The one pool of the process."""
    return _pool
