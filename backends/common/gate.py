"""Who may use parameters when: many that read them at a time, or one that changes them."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakSet


class Gate:
    """Whoever changes waits for those that read, and keeps later readers waiting, so that its turn comes."""

    def __init__(self) -> None:
        self._begin()
        _gates.add(self)

    def _begin(self) -> None:
        """As a gate that nobody has passed."""
        self._free = threading.Condition(threading.Lock())
        self._readers = 0
        self._changers = 0
        """Those that change, or wait to."""
        self._changing = False

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Parameters stay as they are meanwhile."""
        with self._free:
            self._free.wait_for(lambda: not self._changers)
            self._readers += 1
        try:
            yield
        finally:
            with self._free:
                self._readers -= 1
                self._free.notify_all()

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Nobody else reads or changes parameters meanwhile."""
        with self._free:
            self._changers += 1
            try:
                self._free.wait_for(lambda: not self._readers and not self._changing)
            except BaseException:
                self._changers -= 1
                self._free.notify_all()
                raise
            self._changing = True
        try:
            yield
        finally:
            with self._free:
                self._changing = False
                self._changers -= 1
                self._free.notify_all()


_gates: WeakSet[Gate] = WeakSet()


def _after_fork() -> None:
    """The child has only the thread that forked: whoever was behind a gate will never leave."""
    for gate in list(_gates):
        gate._begin()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
