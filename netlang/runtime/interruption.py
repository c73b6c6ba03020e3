"""Ctrl-C at a moment of our choosing: noted while something runs that must not be cut in two."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def noted() -> Iterator[Callable[[], bool]]:
    """Within the block Ctrl-C only sets what the given function tells; a second one interrupts at once.

    Signals reach the main thread alone, so elsewhere this does nothing.
    """
    seen = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield seen.is_set
        return
    before = signal.getsignal(signal.SIGINT)

    def note(number: int, frame: object) -> None:
        if seen.is_set():
            raise KeyboardInterrupt
        seen.set()

    signal.signal(signal.SIGINT, note)
    try:
        yield seen.is_set
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def deferred() -> Iterator[None]:
    """Within the block Ctrl-C waits; KeyboardInterrupt is raised at its end.

    For code that calls back into Python where an exception would be swallowed: compilers do, when they free things.
    """
    with noted() as interrupted:
        yield
    if interrupted():
        raise KeyboardInterrupt
