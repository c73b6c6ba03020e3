"""For which sizes a net can be carried out: what `check_sizes` would tell at every call, found out once.

A window that is larger than its input, a slice that ends behind it: such conditions hold from a size on, or up to one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import product

from netlang.diagnostics import NetError
from netlang.ir.graph import Graph
from netlang.ir.sizes import check_sizes

_HUGE = 1 << 20
_TRIED = (0, 1, 2, 3, 5, 8, 13, 16, 29, 64, 100, 256, 1000, 4096, 30_000, _HUGE)


@dataclass(frozen=True)
class Range:
    """From `least` to `largest`, both included; None: to any."""

    least: int = 0
    largest: int | None = None

    def up_to(self, most: int) -> Range:
        """No further than that."""
        return replace(self, largest=most if self.largest is None else min(most, self.largest))


def size_ranges(graph: Graph) -> dict[str, Range]:
    """By symbolic dim. Raises NetError where what is possible is no range, or one size depends on another."""
    usual = _usual(graph)
    ranges = {name: _range(graph, name, usual) for name in graph.symbols}
    choices = [_inside(ranges[name]) for name in graph.symbols]
    for sizes in product(*choices) if len(choices) > 1 else ():
        given = dict(zip(graph.symbols, sizes, strict=True))
        if not _fits(graph, given):
            text = " and ".join(graph.symbols)
            raise NetError(f"which sizes {text} may have depends on one another: that cannot be written down")
    return ranges


def _usual(graph: Graph) -> dict[str, int]:
    """One size for all that fits."""
    for size in (64, 16, 256, 1, 1000, 2, 5, 4096, 0):
        sizes = dict.fromkeys(graph.symbols, size)
        if _fits(graph, sizes):
            return sizes
    raise NetError(f"no sizes were found that net '{graph.name}' can have")


def _range(graph: Graph, name: str, usual: Mapping[str, int]) -> Range:
    def fits(size: int) -> bool:
        return _fits(graph, {**usual, name: size})

    middle = usual[name]
    least = 0 if fits(0) else _border(fits, middle, 0)
    largest = None if fits(_HUGE) else _border(fits, middle, _HUGE)
    found = Range(least, largest)
    for size in _TRIED:
        inside = size >= least and (largest is None or size <= largest)
        if inside != fits(size):
            raise NetError(f"the sizes that {name} may have are no range: {size} is {'not ' * inside}among them")
    return found


def _border(fits: Callable[[int], bool], inside: int, outside: int) -> int:
    """The last size on the way from one that fits to one that does not that still does."""
    while abs(inside - outside) > 1:
        middle = (inside + outside) // 2
        inside, outside = (middle, outside) if fits(middle) else (inside, middle)
    return inside


def _inside(found: Range) -> list[int]:
    most = found.largest if found.largest is not None else 1000
    return sorted({found.least, min(found.least + 1, most), (found.least + most) // 2, most})


def _fits(graph: Graph, sizes: Mapping[str, int]) -> bool:
    try:
        check_sizes(graph, sizes)
    except NetError:
        return False
    return True
