"""Ctrl-C is noted, or waits, and the handler that was there comes back."""

from __future__ import annotations

import signal
import threading

import pytest

from netlang.runtime.interruption import deferred, noted


def test_noted_once_and_raised_twice() -> None:
    before = signal.getsignal(signal.SIGINT)
    with noted() as interrupted:
        assert not interrupted()
        signal.raise_signal(signal.SIGINT)
        assert interrupted()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_deferred_to_the_end_of_the_block() -> None:
    before = signal.getsignal(signal.SIGINT)
    reached = False
    with pytest.raises(KeyboardInterrupt), deferred():
        signal.raise_signal(signal.SIGINT)
        reached = True
    assert reached
    assert signal.getsignal(signal.SIGINT) is before


def test_an_exception_of_the_block_comes_first() -> None:
    with pytest.raises(ValueError, match="mine"), deferred():
        signal.raise_signal(signal.SIGINT)
        raise ValueError("mine")


def test_other_threads_are_left_alone() -> None:
    found: list[bool] = []

    def elsewhere() -> None:
        with noted() as interrupted, deferred():
            found.append(interrupted())

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert found == [False]
