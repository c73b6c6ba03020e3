"""What a step is on a GPU: one launch of a kernel over a grid of blocks."""

from __future__ import annotations

from dataclasses import dataclass

from netlang.backends.common.steps import Number, Step

Grid = tuple[Number, Number, Number]


@dataclass(frozen=True)
class Launch(Step):
    """`kernel` is a `netlang.backends.cuda.kernel.Kernel`, `args` are its arguments in order; a grid with a number that
    is zero is not launched."""

    grid: Grid = (1, 1, 1)
