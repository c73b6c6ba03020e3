"""Several ways to carry a node out: which one is taken is decided with the sizes, by a model of costs.

Where all sizes are known when a graph is lowered, that is at once, and `pick` may know better. Else the launches of all
ways are there, and those of the ways that are not the cheapest for the sizes at hand have an empty grid.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from netlang.backends.common.choices import Candidate
from netlang.backends.common.context import Context
from netlang.backends.common.steps import Number, Place, Sizes, bases, evaluated, places
from netlang.backends.cuda.steps import Launch

Needed = Callable[[Number], Number]
"""A size as it is where a way is taken, and 0 elsewhere: for scratch."""


@dataclass(frozen=True)
class Way:
    """cost      seconds, about, for given sizes
    launches  what to launch; called once at most
    """

    name: str
    cost: Callable[[Sizes], float]
    launches: Callable[[Needed], Sequence[Launch]]


def _read(launch: Launch) -> list[Place]:
    """The places that a launch reads and does not write."""
    return [place for place in places(launch) if not set(bases(place)) & set(launch.writes)]


def best_way(context: Context, kind: str, ways: Sequence[Way], numbers: Sequence[Number]) -> list[Launch]:
    """The launches for a node that is done in one of several ways; costs depend on `numbers`."""
    if all(isinstance(n, int) for n in numbers):
        name = context.pick(kind, [Candidate(way.name, way.cost({})) for way in ways])
        return list(next(way for way in ways if way.name == name).launches(lambda number: number))
    if len(ways) == 1:
        return list(ways[0].launches(lambda number: number))

    def best(sizes: Sizes) -> int:
        return min(range(len(ways)), key=lambda i: ways[i].cost(sizes))

    def only(i: int) -> Needed:
        return lambda number: lambda sizes: evaluated(number, sizes) if best(sizes) == i else 0

    launches: list[Launch] = []
    for i, way in enumerate(ways):
        needed = only(i)
        for launch in way.launches(needed):
            x, y, z = launch.grid
            fixed = all(context.is_fixed(base) for place in _read(launch) for base in bases(place))
            # What is done once for all calls is so before any sizes are known.
            launches.append(launch if fixed else replace(launch, grid=(needed(x), y, z)))
    return launches
