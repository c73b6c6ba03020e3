"""How rows become blocks, and what a kernel can count."""

from __future__ import annotations

import pytest

from netlang import NetError
from netlang.backends.common.steps import evaluated
from netlang.backends.cuda.kernel import Kernel
from netlang.backends.cuda.tiles import rows
from netlang.ir.dims import sym


@pytest.mark.parametrize("threads", [32, 256])
@pytest.mark.parametrize(
    "count, width", [(1, 1), (7, 1), (300, 1), (5, 30), (3, 33), (2, 256), (4, 1000), (0, 3), (3, 0)]
)
def test_every_element_has_one_thread(count: int, width: int, threads: int) -> None:
    kernel = Kernel("k", lambda: "", rows.ARGUMENTS, threads)
    launch = rows.launch(kernel, (), count, width, (), 0)
    _, _, together, chunks = (evaluated(n, {}) for n in launch.args)  # type: ignore[arg-type]
    blocks = evaluated(launch.grid[0], {})
    found = []
    for block in range(blocks):
        for thread in range(threads):
            local = block % chunks * threads + thread
            row = block // chunks * together + local // width
            if local // width < together and row < count:
                found.append((row, local % width))
    assert sorted(found) == [(row, place) for row in range(count) for place in range(width)]
    assert blocks * threads < 2 * count * width + 2 * threads


def test_lines_that_32_bits_cannot_count_are_refused_when_sizes_are_known() -> None:
    number = rows.countable(7, [sym("H") * 1024])
    assert evaluated(number, {"H": 1 << 20}) == 7
    with pytest.raises(NetError, match="2,147,483,648 elements in one line or plane"):
        evaluated(number, {"H": 1 << 21})
