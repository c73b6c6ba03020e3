"""Several ways to carry a node out. Which one is taken is decided by `Context.pick`, from what each would cost.

Where all sizes are known when a graph is lowered, that is at once. Else the launches of all ways are steps of the
program, and when it is bound to sizes those of the way that is picked for them are carried out: only their kernels are
compiled, only their memory is planned.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from netlang.backends.common.choices import Candidate
from netlang.backends.common.context import Context
from netlang.backends.common.steps import Number, Sizes, evaluated
from netlang.backends.cuda.steps import Launch
from netlang.ir.graph import Node

Needed = Callable[[Number], Number]
"""A size as it is where a way is taken, and 0 elsewhere: for scratch."""


@dataclass(frozen=True)
class Way:
    """cost      seconds, about, for given sizes
    launches  what to launch; called once at most. A launch that several ways have in common is one object in all.
    family    the algorithm, as far as its cost is estimated otherwise than that of others
    """

    name: str
    cost: Callable[[Sizes], float]
    launches: Callable[[Needed], Sequence[Launch]]
    family: str = ""

    def candidate(self, sizes: Sizes) -> Candidate:
        """The way as one to choose from."""
        return Candidate(self.name, self.cost(sizes), self.family)


@dataclass(frozen=True, eq=False)
class _Choice:
    """A choice that waits for sizes."""

    context: Context
    node: Node
    kind: str
    ways: Sequence[Way]
    picked: dict[tuple[tuple[str, int], ...], str] = field(default_factory=dict)
    """By sizes, the name of the way."""

    def of(self, sizes: Sizes) -> str:
        """The name of the way that is taken for these sizes."""
        key = tuple(sorted(sizes.items()))
        if key not in self.picked:
            candidates = [way.candidate(sizes) for way in self.ways]
            self.picked[key] = self.context.pick(self.kind, candidates, self.node, sizes)
        return self.picked[key]

    def launches(self) -> list[Launch]:
        """Those of all ways, each carried out for the sizes for which a way is taken that it is part of."""
        found: dict[int, Launch] = {}
        owners: dict[int, set[str]] = {}
        for way in self.ways:
            for launch in way.launches(self._needed(way.name)):
                found[id(launch)] = launch
                owners.setdefault(id(launch), set()).add(way.name)
        return [replace(launch, taken=self._taken(owners[key])) for key, launch in found.items()]

    def _needed(self, name: str) -> Needed:
        return lambda number: lambda sizes: evaluated(number, sizes) if self.of(sizes) == name else 0

    def _taken(self, names: set[str]) -> Callable[[Sizes], bool] | None:
        return None if len(names) == len(self.ways) else lambda sizes: self.of(sizes) in names


def best_way(context: Context, kind: str, ways: Sequence[Way], numbers: Sequence[Number]) -> list[Launch]:
    """The launches for a node that is done in one of several ways; costs depend on `numbers`."""
    if all(isinstance(n, int) for n in numbers):
        name = context.pick(kind, [way.candidate({}) for way in ways])
        return list(next(way for way in ways if way.name == name).launches(lambda number: number))
    if len(ways) == 1:
        return list(ways[0].launches(lambda number: number))
    assert context.owner is not None
    return _Choice(context, context.owner, kind, ways).launches()
