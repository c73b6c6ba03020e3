"""Where workers may run: never on the caller's processor while there is another."""

from __future__ import annotations

import ctypes
import os
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlang.backends.cpu import affinity


@given(st.sets(st.integers(0, 64), min_size=1, max_size=12), st.data())
def test_workers_stay_off_the_callers_processor(processors: set[int], data: st.DataObject) -> None:
    listed = sorted(processors)
    caller = data.draw(st.sampled_from(listed))
    workers = data.draw(st.integers(0, 14))
    found = affinity.places(caller, listed, workers)
    assert len(found) == workers
    assert all(place and place <= processors for place in found)
    if workers < len(listed):
        assert all(caller not in place for place in found)
    if workers == len(listed) - 1:
        assert frozenset().union(*found) == processors - {caller}


@pytest.mark.skipif(not affinity.can_pin(), reason="this system does not pin threads")
def test_a_pinned_thread_runs_where_it_may() -> None:
    seen: list[set[int]] = []
    ready, pinned = threading.Event(), threading.Event()

    def work() -> None:
        ready.set()
        pinned.wait(10)
        seen.append(os.sched_getaffinity(0))

    thread = threading.Thread(target=work)
    thread.start()
    ready.wait(10)
    last = affinity.allowed()[-1]
    assert thread.ident is not None
    affinity.pin(ctypes.c_ulong(thread.ident), [last])
    pinned.set()
    thread.join()
    assert seen == [{last}]
    assert affinity.here() in affinity.allowed()


@pytest.mark.skipif(not affinity.can_pin(), reason="this system does not pin threads")
def test_a_processor_that_does_not_exist_changes_nothing() -> None:
    before = affinity.allowed()
    affinity.pin(ctypes.c_ulong(threading.get_ident()), [affinity.MOST_PROCESSORS])
    affinity.pin(ctypes.c_ulong(threading.get_ident()), [])
    assert affinity.allowed() == before
