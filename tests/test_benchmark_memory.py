"""The memory benchmark: every figure is there, and freezing takes less than not freezing by its own plan."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import memory

pytestmark = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's account of memory")


def test_a_small_net() -> None:
    found = memory.figures("lenet5", 1, 1)
    assert {memory.OWN, memory.FROZEN, memory.HALF} <= set(found)
    assert all(figures["at most"] >= figures["grown"] > 0 for figures in found.values())
    planned = {who: figures["planned"] for who, figures in found.items()}
    assert 0 < planned[memory.FROZEN] < planned[memory.HALF] < planned[memory.OWN]
    lines = memory.rows("lenet5", found)
    assert [line[:2] for line in lines] == [("lenet5", who) for who in found]
    assert all(text.endswith("B") or text == "-" for line in lines for text in line[2:])
