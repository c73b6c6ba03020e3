"""The gate between those that read parameters and those that change them."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

import pytest

from netlang.backends.common.gate import Gate

SOON = 0.05
"""Seconds in which nothing is to happen."""
LONG = 30.0


def begun(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def passing(gate: Gate, changing: bool, order: list[str], name: str) -> Callable[[], None]:
    def work() -> None:
        with gate.changing() if changing else gate.reading():
            order.append(name)

    return work


def test_readers_do_not_wait_for_each_other() -> None:
    gate, inside = Gate(), threading.Barrier(2)

    def read() -> None:
        with gate.reading():
            inside.wait(LONG)

    other = begun(read)
    read()
    other.join(LONG)
    assert not inside.broken


def test_who_changes_is_alone_and_its_turn_comes_before_later_readers() -> None:
    gate, order = Gate(), list[str]()
    with gate.reading():
        changer = begun(passing(gate, True, order, "change"))
        while not gate._changers:
            changer.join(0.001)
        reader = begun(passing(gate, False, order, "read"))
        reader.join(SOON)
        assert order == []
    changer.join(LONG)
    reader.join(LONG)
    assert order == ["change", "read"]


def test_changers_take_turns_and_a_fault_leaves_the_gate_open() -> None:
    gate, order = Gate(), list[str]()
    with pytest.raises(KeyError), gate.changing():
        other = begun(passing(gate, True, order, "change"))
        other.join(SOON)
        assert order == []
        raise KeyError
    other.join(LONG)
    with gate.reading():
        assert order == ["change"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_child_does_not_wait_for_threads_that_it_has_not() -> None:
    gate, inside, done = Gate(), threading.Event(), threading.Event()

    def change() -> None:
        with gate.changing():
            inside.set()
            done.wait(LONG)

    other = begun(change)
    inside.wait(LONG)
    child = os.fork()
    if child == 0:
        with gate.changing():
            os._exit(7)
    _, status = os.waitpid(child, 0)
    done.set()
    other.join(LONG)
    assert os.waitstatus_to_exitcode(status) == 7
