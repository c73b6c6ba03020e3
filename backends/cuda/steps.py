"""What a step is on a GPU: one launch of a kernel over a grid of blocks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import chain
from typing import Self

from netlang.backends.common.steps import Arg, Number, Sizes, Step

Grid = tuple[Number, Number, Number]


@dataclass(frozen=True)
class Launch(Step):
    """`kernel` is a `netlang.backends.cuda.kernel.Kernel`, `args` are its arguments in order; a grid with a number that
    is zero is not launched.

    taken   whether it is carried out for given sizes, where that is a choice: see `ways`
    rows    a table in the memory of the device, int64 row by row, of which the kernel gets the address as its last
            argument: for a launch that does more than its arguments could say. All rows have one length.
    """

    grid: Grid = (1, 1, 1)
    rows: tuple[tuple[Arg, ...], ...] = ()
    taken: Callable[[Sizes], bool] | None = None

    def is_taken(self, sizes: Sizes) -> bool:
        """Whether it is carried out for these sizes."""
        return self.taken is None or self.taken(sizes)

    @property
    def arguments(self) -> tuple[Arg, ...]:
        return (*self.args, *chain.from_iterable(self.rows))

    def mapped(self, change: Callable[[Arg], Arg]) -> Self:
        rows = tuple(tuple(map(change, row)) for row in self.rows)
        return replace(super().mapped(change), rows=rows)
