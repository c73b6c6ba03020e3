"""The simulator finds accesses that nothing orders, whatever order it carries them out in itself."""

from __future__ import annotations

import pytest

from netlang.backends.cuda.simulator import Memory, SimulationError, run

HEAD = """
def kernel(x):
    s = shared_base()
    t = thread()
"""


def carry_out(body: str, blocks: int = 1) -> None:
    memory = Memory()
    lines = "\n".join(f"    {line}" for line in body.strip().splitlines())
    run(HEAD + lines, (memory.allocate(4096),), (blocks, 1, 1), 64, memory, shared=4096)


RACES = {
    "a broadcast without a barrier": """
if t == 0:
    store_shared_f32(s, 0, f32(1))
load_shared_f32(s, 0)""",
    "a neighbour's element": """
store_shared_f32(s, 4 * t, f32(1))
load_shared_f32(s, 4 * (t ^ 1))""",
    "the next round of a loop overwrites what others still read": """
for i in range(2):
    store_shared_f32(s, 4 * t, f32(i))
    sync()
    load_shared_f32(s, 4 * (63 - t))""",
    "several readers, then a write": """
load_shared_f32(s, 0)
if t == 63:
    store_shared_f32(s, 0, f32(1))""",
    "a barrier of warps does not order two of them": """
store_shared_f32(s, 4 * t, f32(1))
sync_warp()
load_shared_f32(s, 4 * (t ^ 32))""",
    "a shuffle is no barrier": """
store_shared_f32(s, 4 * t, f32(1))
shuffle_xor_f32(f32(0), 1)
load_shared_f32(s, 4 * (t ^ 1))""",
    "a wait is for the own copies": """
cp_async4(u32(s + 4 * t), x + u64(4 * t), 4)
cp_commit()
cp_wait0()
load_shared_f32(s, 4 * (t ^ 1))""",
    "a copy into what others still read": """
load_shared_f32(s, 4 * (t ^ 1))
cp_async4(u32(s + 4 * t), x + u64(4 * t), 4)""",
    "ldmatrix of what others have just written": """
store_shared_raw16(s, 16 * t, (0, 0, 0, 0))
ldmatrix_x4(u32(s + 16 * (t ^ 1)))""",
    "halves of a word": """
store_shared_f16(s, 2 * t, f32(1))
load_shared_f32(s, 4 * (t & 31))""",
    "a word and its halves": """
if t < 32:
    store_shared_f32(s, 4 * t, f32(1))
load_shared_f16(s, 2 * t)""",
    "device memory": """
store_f32(x, 4 * t, f32(1))
load_f32(x, 4 * (t ^ 1))""",
}


@pytest.mark.parametrize("body", RACES.values(), ids=RACES)
def test_a_race_is_found(body: str) -> None:
    with pytest.raises(SimulationError, match=r"a race: it (reads|writes) \d+ bytes at"):
        carry_out(body)


ORDERED = {
    "barriers on both sides": """
for i in range(3):
    store_shared_f32(s, 4 * t, f32(i))
    sync()
    load_shared_f32(s, 4 * (63 - t))
    sync()""",
    "two buffers in turn": """
for i in range(4):
    store_shared_f32(s, 256 * (i & 1) + 4 * t, f32(i))
    sync()
    load_shared_f32(s, 256 * (i & 1) + 4 * (63 - t))""",
    "a barrier of the warp": """
store_shared_f32(s, 4 * t, f32(1))
sync_warp()
load_shared_f32(s, 4 * (t ^ 31))
sync_warp()
store_shared_f32(s, 4 * (t ^ 1), f32(1))""",
    "copies, a wait and a barrier": """
cp_async4(u32(s + 4 * t), x + u64(4 * t), 4)
cp_commit()
cp_wait0()
sync()
load_shared_f32(s, 4 * (t ^ 1))""",
    "halves of a word by two threads": "store_shared_f16(s, 2 * t, f32(1))",
    "one element by one thread": """
store_f32(x, 4 * t, f32(1))
load_f32(x, 4 * t)
store_f32(x, 4 * t, f32(2))""",
    "everybody reads": "load_f32(x, 0)",
}


@pytest.mark.parametrize("body", ORDERED.values(), ids=ORDERED)
def test_what_is_ordered_is_no_race(body: str) -> None:
    carry_out(body)


def test_nothing_orders_blocks() -> None:
    own = "sync()\nstore_f32(x, 4 * i32(64 * block_x() + t), f32(1))\nsync()"
    carry_out(own, blocks=3)
    with pytest.raises(SimulationError, match=r"written by thread 0 of another block .*block \(1, 0, 0\)"):
        carry_out("sync()\nstore_f32(x, 4 * t, f32(1))\nsync()", blocks=2)
    carry_out("sync()\nload_f32(x, 0)\nsync()", blocks=3)
    with pytest.raises(SimulationError, match=r"read by several threads of another block"):
        carry_out("load_f32(x, 0)\nif block_x() == 2: store_f32(x, 0, f32(1))", blocks=3)
