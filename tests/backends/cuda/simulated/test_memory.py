"""The simulator finds out what a kernel must not do with memory."""

from __future__ import annotations

import numpy as np
import pytest

from netlang.backends.cuda.simulator import Memory, SimulationError, run

ONE = (1, 1, 1)


def test_every_thread_of_every_block_reads_and_writes_its_own_element() -> None:
    text = """
def kernel(x, y, n):
    i = i32(i32(block_x() * 32) + thread())
    if i < n:
        store_f32(y, 4 * i, f32(load_f32(x, 4 * i) + f32(1)))
"""
    memory = Memory()
    x, y = memory.allocate(4 * 70), memory.allocate(4 * 70)
    memory.view(x, np.float32, (70,))[:] = np.arange(70)
    run(text, (x, y, 70), (3, 1, 1), 32, memory)
    assert np.array_equal(memory.view(y, np.float32, (70,)), np.arange(70) + 1)


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("load_f32(x, 64)", r"4 bytes at 0x7f00000040 are 0 bytes behind the end of the nearest allocation, 64 bytes"),
        ("load_f32(x, -4)", r"4 bytes before the nearest allocation"),
        ("load4_f32(x, 56)", r"partly behind the end, at byte 56"),
        ("store_f64(x, 60, 0.0)", r"partly behind the end"),
        ("load_f32(x, 2)", r"not aligned to 4"),
        ("load4_f32(x, 8)", r"not aligned to 16"),
        ("load_f32(u32(x), 0)", r"before the nearest allocation"),
        ("cp_async16(s, x + 8, 16)", r"from 0x7f00000008, which is not aligned"),
        ("cp_async16(s + 4, x, 16)", r"to 0x404, which is not aligned"),
        ("cp_async16(s, x + 64, 16)", r"0 bytes behind the end"),
        ("cp_async16(s + 32, x, 16)", r"0 bytes behind the end of the nearest allocation, 32 bytes at 0x400"),
        ("cp_async8(s, x, 12)", r"12 of 8 bytes"),
        ("load_shared_f32(0, 0)", r"1024 bytes before the nearest allocation"),
        ("load_shared_f32(s, 32)", r"0 bytes behind the end"),
        ("load4_shared_f32(s, 4)", r"not aligned to 16"),
    ],
)
def test_a_wrong_access_ends_the_launch_and_says_where(statement: str, message: str) -> None:
    text = f"""
def kernel(x):
    s = shared_base()
    if block_y() == 1 and thread() == 2:
        {statement}
    sync()
"""
    memory = Memory()
    x = memory.allocate(64)
    with pytest.raises(SimulationError, match=message) as caught:
        run(text, (x,), (1, 2, 1), 4, memory, shared=32, name="wrong")
    assert f"kernel wrong, block (0, 1, 0), thread 2, line 5: {statement}" in str(caught.value)


def test_what_was_given_back_is_gone() -> None:
    memory = Memory()
    x, y = memory.allocate(16), memory.allocate(16)
    memory.free(x)
    with pytest.raises(KeyError):
        memory.free(x)
    with pytest.raises(SimulationError, match="before the nearest allocation"):
        run("def kernel(x): load_f32(x, 0)", (x,), ONE, 1, memory)
    run("def kernel(x): load_f32(x, 0)", (y,), ONE, 1, memory)


def test_fresh_memory_is_poison_and_shared_memory_is_in_every_block() -> None:
    text = """
def kernel(y):
    s = shared_base()
    store_f32(y, 8 * block_x(), load_shared_f32(s, 0))
    store_shared_f32(s, 0, f32(1))
    store_f32(y, i32(8 * block_x() + 4), load_shared_f32(s, 0))
"""
    memory = Memory()
    y, fresh = memory.allocate(16), memory.allocate(4)
    run(text, (y,), (2, 1, 1), 1, memory, shared=4)
    np.testing.assert_array_equal(memory.view(y, np.float32, (4,)), [np.nan, 1, np.nan, 1])
    assert np.isnan(memory.view(fresh, np.float32, (1,))).all()


def test_copies_are_done_when_a_wait_says_so_and_no_earlier() -> None:
    text = """
def kernel(x, y):
    s = shared_base()
    for stage in range(3):
        cp_async16(u32(s + 16 * stage), x + u64(16 * stage), 16 if stage < 2 else 4)
        cp_commit()
    store_f32(y, 0, load_shared_f32(s, 0))
    cp_wait2()
    store_f32(y, 4, load_shared_f32(s, 0))
    store_f32(y, 8, load_shared_f32(s, 16))
    cp_wait0()
    store_f32(y, 12, load_shared_f32(s, 16))
    store4_f32(y, 16, load4_shared_f32(s, 32))
"""
    memory = Memory()
    x, y = memory.allocate(36), memory.allocate(32)
    memory.view(x, np.float32, (9,))[:] = np.arange(9)
    run(text, (x, y), ONE, 1, memory, shared=48)
    np.testing.assert_array_equal(memory.view(y, np.float32, (8,)), [np.nan, 0, np.nan, 4, 8, 0, 0, 0])


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("if thread() < 3: return\n    ballot(True)", r"29 at ballot \(line 3\), 3 have returned"),
        ("if thread() < 3: sync()\n    else: sync_warp()", r"3 at sync \(line 2\), 29 at sync_warp \(line 3\)"),
        ("while True: pass", "a loop that does not end"),
        ("x.nothing", "AttributeError"),
        ("f32(x) * 0.5", r"line 2: 0\.5 is a float64; write f32\(0\.5\)"),
        ("f(1)", "NameError: name 'f'"),
        ("a = [sync() for i in range(3)]", "inside of an inner function"),
    ],
)
def test_a_kernel_that_goes_astray_is_found_out(body: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netlang.backends.cuda.simulator.launch.MOST_TURNS", 1000)
    with pytest.raises(SimulationError, match=message):
        run(f"def kernel(x):\n    {body}", (0,), ONE, 32, Memory())


def test_a_barrier_is_for_those_that_have_not_returned() -> None:
    text = """
def kernel(y):
    if thread() < 3:
        return
    sync()
    store_i32(y, 4 * thread(), thread())
"""
    memory = Memory()
    y = memory.allocate(4 * 40)
    run(text, (y,), ONE, 40, memory)
    assert memory.view(y, np.int32, (40,)).tolist() == [-1, -1, -1, *range(3, 40)]
