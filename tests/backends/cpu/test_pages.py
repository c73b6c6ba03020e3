"""Memory from the system: aligned, zeroed, writable to its end, given back."""

from __future__ import annotations

import gc
import mmap
from pathlib import Path

import numpy as np
import pytest

from netlang.backends.cpu import pages
from netlang.memory import machine_memory

SIZES = [1, 64, 4097, pages.HUGE - 1, pages.HUGE, 3 * pages.HUGE + 5]


@pytest.mark.parametrize("size", SIZES)
def test_memory_is_aligned_zeroed_and_there(size: int) -> None:
    found = pages.reserve(size)
    assert found.shape == (size,) and found.ctypes.data % 64 == 0 and not found.any()
    assert size < pages.HUGE or found.ctypes.data % pages.HUGE == 0
    found[:] = 255
    assert int(found[-1]) == 255


def test_without_huge_pages_it_is_as_good(monkeypatch: pytest.MonkeyPatch) -> None:
    for advice in (None, 12345):  # a system without the call, and a kernel that refuses it
        monkeypatch.setattr(pages, "_ADVICE", advice)
        found = pages.reserve(2 * pages.HUGE)
        found[:] = 1
        assert int(found.sum(dtype=np.int64)) == 2 * pages.HUGE


def test_more_than_there_is() -> None:
    with pytest.raises(MemoryError):
        pages.reserve(machine_memory() + 1)


def test_what_the_system_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **named: object) -> None:
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(mmap, "mmap", refuse)
    with pytest.raises(MemoryError):
        pages.reserve(pages.HUGE)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's account of memory")
def test_it_goes_back_to_the_system() -> None:
    def resident() -> int:
        text = Path("/proc/self/status").read_text()
        return int(text.partition("VmRSS:")[2].split()[0]) * 1024

    size = 64 << 20
    found = pages.reserve(size)
    found[:] = 1
    full = resident()
    del found
    gc.collect()
    assert full - resident() > size // 2
