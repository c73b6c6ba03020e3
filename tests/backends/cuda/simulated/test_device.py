"""The simulator as a device: launches are held to the buffers of their step."""

from __future__ import annotations

import numpy as np
import pytest

from netlang.backends.cuda.device import Extent, Launched
from netlang.backends.cuda.kernel import Kernel
from netlang.backends.cuda.simulator import SimulationError
from netlang.backends.cuda.simulator.device import Simulator

ADD = """
def kernel(x, y, n):
    i = i32(i32(block_x() * 32) + thread())
    if i < n:
        store_f32(y, 4 * i, f32(load_f32(x, 4 * i) + f32(1)))
"""
KERNEL = Kernel("add", lambda: ADD, "ppi", 32)


def launched(arguments: tuple[int, ...], extents: tuple[Extent, ...] = (), kernel: Kernel = KERNEL) -> Launched:
    return Launched(kernel, arguments, (2, 1, 1), extents)


def test_what_was_uploaded_is_changed_by_every_replay() -> None:
    device = Simulator()
    x = device.allocate(4 * 40)
    device.upload(x, np.arange(40, dtype=np.float32))
    recording = device.record([launched((x, x, 40)), launched((x, x, 20))])
    recording.replay()
    assert device.elapsed(recording.replay) > 0
    got = np.empty(40, np.float32)
    device.download(x, got)
    assert np.array_equal(got, np.arange(40) + np.where(np.arange(40) < 20, 4, 2))


def test_a_launch_reaches_its_buffers_and_no_others() -> None:
    device = Simulator()
    arena = device.allocate(1024)
    device.upload(arena, np.zeros(256, np.float32))
    x, y = arena, arena + 164
    extents = (Extent(x, 160, False), Extent(y, 160, True))
    device.record([launched((x, y, 40), extents)]).replay()
    got = np.empty(256, np.float32)
    device.download(arena, got)
    assert np.array_equal(got, np.where((np.arange(256) >= 41) & (np.arange(256) < 81), 1, 0))
    with pytest.raises(SimulationError, match=r"0 bytes behind the end of the nearest allocation, 160 bytes"):
        device.record([launched((x, y, 41), extents)]).replay()
    with pytest.raises(SimulationError, match=r"add, block \(0, 0, 0\), thread 0, line 5: store_f32"):
        device.record([launched((y, x, 40), extents)]).replay()


def test_buffers_that_overlap_are_one_and_may_be_written_if_one_may() -> None:
    device = Simulator()
    arena = device.allocate(1024)
    device.upload(arena, np.zeros(256, np.float32))
    extents = (Extent(arena, 128, True), Extent(arena + 64, 128, False))
    device.record([launched((arena, arena, 48), extents)]).replay()
    with pytest.raises(SimulationError, match=r"192 bytes at"):
        device.record([launched((arena, arena, 49), extents)]).replay()


@pytest.mark.parametrize("arguments", [(-1, 0, 0), (0, 1 << 64, 0), (0, 0, 1 << 31)])
def test_arguments_are_of_their_kinds(arguments: tuple[int, ...]) -> None:
    with pytest.raises(SimulationError, match="is no argument of kind"):
        Simulator().record([launched(arguments)]).replay()


def test_a_block_has_no_more_shared_memory_than_the_target() -> None:
    with pytest.raises(SimulationError, match="bytes of shared memory"):
        Simulator().build([Kernel("big", lambda: ADD, "ppi", 32, shared=1 << 20)])
