"""Numbers that depend on sizes which only a call tells."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from netlang.ir.dims import Dim, Sym, evaluate

Sizes = Mapping[str, int]
Number = Dim | Callable[[Sizes], int]
"""A size: a symbolic dim, or a function of the sizes where a dim cannot say it (chunk counts, minima)."""


def evaluated(number: Number, sizes: Sizes) -> int:
    """What a size is for these sizes. Raises KeyError where it depends on one that is not given."""
    return evaluate(number, sizes) if isinstance(number, int | Sym) else number(sizes)
