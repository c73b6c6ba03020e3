"""The memory benchmark: every figure is there, and freezing takes no more than not freezing by its own plan."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import memory

pytestmark = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's account of memory")


def test_a_small_net() -> None:
    rows = {row[1]: row[2:] for row in memory.measure("lenet5", 1, 1)}
    assert {memory.OWN, memory.FROZEN, memory.HALF} <= set(rows)
    assert all(row[0].endswith("MB") and row[2].endswith("kB") for who, row in rows.items() if who != memory.PEER)
    planned = {who: float(row[2].split()[0]) for who, row in rows.items() if who != memory.PEER}
    assert planned[memory.FROZEN] < planned[memory.HALF] < planned[memory.OWN]
