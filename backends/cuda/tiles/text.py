"""Writing the source text of a kernel line by line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from math import prod

MOST_UNROLLED = 27
"""Loops with at most so many rounds in all are written out."""

Index = int | str
"""A number that is known when a kernel is made, or the text of one of int32."""


def written(index: Index) -> str:
    """The text of an index."""
    return f"i32({index})" if isinstance(index, int) else index


def times(a: Index, b: Index) -> Index:
    """a * b, of which nothing is written that is known."""
    if isinstance(a, int) and isinstance(b, int):
        return a * b
    if 0 in (a, b):
        return 0
    return b if a == 1 else a if b == 1 else f"i32({written(a)} * {written(b)})"


def plus(a: Index, b: Index) -> Index:
    """a + b, of which nothing is written that is known."""
    if isinstance(a, int) and isinstance(b, int):
        return a + b
    return b if a == 0 else a if b == 0 else f"i32({written(a)} + {written(b)})"


class Text:
    """Lines of Python, each indented as the blocks around it ask for.

    t("x = i32(0)")
    with t.block("while x < n:"):
        t("x = i32(x + 1)")
    """

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._depth = 0

    def __call__(self, *lines: str) -> None:
        self._lines += ["    " * self._depth + line for line in lines]

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """What is written inside belongs to the statement `head`."""
        self(head)
        self._depth += 1
        yield
        self._depth -= 1

    def open(self, head: str) -> None:
        """All that follows belongs to the statement `head`."""
        self(head)
        self._depth += 1

    def each(
        self, names: Sequence[str], counts: Sequence[int], body: Callable[..., None], most: int = MOST_UNROLLED
    ) -> None:
        """Nested loops, the last name running fastest. `body` is called with the indices: numbers where there are at
        most so many rounds in all, which are written out, else the names."""
        if prod(counts) <= most:
            for indices in product(*map(range, counts)):
                body(*indices)
        else:
            self._rolled(list(zip(names, counts, strict=True)), lambda: body(*names))

    def _rolled(self, loops: Sequence[tuple[str, int]], body: Callable[[], None]) -> None:
        if not loops:
            body()
            return
        (name, count), *inner = loops
        self(f"{name} = i32(0)")
        with self.block(f"while {name} < i32({count}):"):
            self._rolled(inner, body)
            self(f"{name} = i32({name} + i32(1))")

    def __str__(self) -> str:
        return "\n".join(self._lines) + "\n"
