"""Measuring the near-best candidates of every layer on this machine, with the sizes and neighbours it really has.

A whole net is compiled in a few variants: in variant k every layer takes its k-th best candidate. The variants are run
in turn, again and again, and every layer is timed in each, so that whatever else the machine does meets all of them
alike. Caches are as the layers before leave them: that is how a layer finds them when the net is used. Choices that
depend on others are measured after these: a tile is only worth measuring for the algorithm that was chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic

from netlang.backends.base import Report, TunedLayer, Tuning
from netlang.backends.common.choices import Trial
from netlang.backends.common.remembered import ChoiceFile, Entry, table
from netlang.diagnostics import NetError
from netlang.ir.graph import Node

LEAST_ROUNDS, MOST_ROUNDS = 3, 40
GAIN = 0.98
"""How fast another candidate must be beside the model's to be taken: noise alone should change nothing."""

Times = Mapping[str, float]
"""Seconds by problem."""
Typical = Callable[[Sequence[float]], float]


NodeTimes = Mapping[Node, Sequence[float]]
Timed = Callable[[int], NodeTimes]
"""So many calls of a compiled graph: for every node its seconds in each."""
Make = Callable[[Trial], Timed]
"""Compiles a variant, and has it choose."""
Check = Callable[[Mapping[str, str], Collection[Node]], Collection[Node]]
"""(choice by problem, nodes) -> those of the nodes that compute something else by these choices than by the usual."""


@dataclass(frozen=True)
class Method:
    """How a backend measures.

    kinds       of choices: groups in the order in which lowerings choose; in a group none depends on another
    calls       of a variant in one round
    typical     what counts of several times of one candidate
    compiling   seconds after which no further variant of a group is compiled
    """

    kinds: Sequence[tuple[str, ...]]
    calls: int
    typical: Typical
    compiling: float = float("inf")


@dataclass
class Samples:
    """Per problem and candidate its time in each of `rounds`, which all variants carried out."""

    times: dict[str, list[list[float]]] = field(default_factory=dict)
    rounds: int = 0

    def add(self, times: Sequence[Times]) -> None:
        """One round: the times of every variant."""
        for variant, found in enumerate(times):
            for problem, seconds in found.items():
                slots = self.times.setdefault(problem, [[] for _ in times])
                slots[variant].append(seconds)
        self.rounds += 1


def compare(
    variants: int,
    measure: Callable[[int], Times],
    seconds: float,
    report: Callable[[float], None],
    clock: Callable[[], float] = monotonic,
) -> tuple[Samples, bool]:
    """Run all variants in turn for about so many seconds. False: it was interrupted, and only whole rounds count."""
    samples, start = Samples(), clock()
    try:
        while samples.rounds < LEAST_ROUNDS or (clock() - start < seconds and samples.rounds < MOST_ROUNDS):
            samples.add([measure(variant) for variant in range(variants)])
            report(min(1.0, max((clock() - start) / max(seconds, 1e-9), samples.rounds / MOST_ROUNDS)))
    except KeyboardInterrupt:
        return samples, False
    return samples, True


def decide(
    offers: Mapping[str, Sequence[str]], samples: Samples, layers: Mapping[str, str], typical: Typical
) -> dict[str, Entry]:
    """The choice for every problem that was measured: the fastest candidate, the first one unless it is clearly so."""
    found: dict[str, Entry] = {}
    for problem, times in samples.times.items():
        names = offers[problem]
        own = {name: typical(taken) for name, taken in zip(names, times, strict=False) if taken}
        fastest = min(own, key=lambda name: own[name])
        choice = fastest if own[fastest] < GAIN * own[names[0]] else names[0]
        found[problem] = {"choice": choice, "layer": layers[problem], "seconds": own}
    return found


@dataclass(frozen=True)
class Tuner:
    """What a measurement is about: how it is done, of what, where the outcome is kept, and who is told of it."""

    method: Method
    make: Make
    file: ChoiceFile
    report: Report
    check: Check = lambda table, nodes: ()

    def tune(self, seconds: float) -> Tuning:
        """Measure for about so many seconds after compiling, and remember."""
        entries: dict[str, Entry] = {}
        whole = True
        for kinds in self.method.kinds:
            try:
                variants = self._variants(kinds, table(entries))
                if len(variants) > 1:
                    found, whole = self._measured(kinds, variants, seconds / len(self.method.kinds))
                    entries |= self._checked(found, variants[0][0].owners)
            except KeyboardInterrupt:
                whole = False
            if not whole:
                break
        layers = [TunedLayer(e["layer"], e["choice"], e["seconds"]) for e in entries.values()]
        return Tuning(layers, self.file.save(entries), whole)

    def _variants(self, kinds: tuple[str, ...], chosen: Mapping[str, str]) -> list[tuple[Trial, Timed]]:
        """The variants of a group of kinds, compiled; the first alone where nothing is to be chosen."""
        name, start = ", ".join(kinds), monotonic()
        made: list[tuple[Trial, Timed]] = []
        count = 1
        while len(made) < count and (len(made) < 2 or monotonic() - start < self.method.compiling):
            self.report(f"{name}: compiling", len(made) / count)
            trial = Trial(chosen, kinds=kinds, rank=len(made))
            made.append((trial, self.make(trial)))
            count = max(count, *map(len, trial.offers.values()), 1)
        return made

    def _measured(
        self, kinds: tuple[str, ...], variants: Sequence[tuple[Trial, Timed]], seconds: float
    ) -> tuple[dict[str, Entry], bool]:
        """What turned out fastest, by problem, and whether all was measured."""
        first = variants[0][0]
        what = f"{', '.join(kinds)}: {len(first.offers)} layers, {len(variants)} candidates"
        samples, whole = compare(
            len(variants), lambda i: self._times(*variants[i]), seconds, lambda done: self.report(what, done)
        )
        if samples.rounds < LEAST_ROUNDS:
            return {}, whole
        owners = {problem: _layer(nodes) for problem, nodes in first.owners.items()}
        return decide(first.offers, samples, owners, self.method.typical), whole

    def _times(self, trial: Trial, variant: Timed) -> Times:
        """The seconds of the nodes of every problem that this variant has a candidate for."""
        by_node = variant(self.method.calls)
        return {
            problem: self.method.typical([*map(sum, zip(*(by_node[n] for n in nodes if n in by_node), strict=True))])
            for problem, nodes in trial.owners.items()
            if trial.rank < len(trial.offers[problem]) and any(n in by_node for n in nodes)
        }

    def _checked(self, found: Mapping[str, Entry], owners: Mapping[str, set[Node]]) -> dict[str, Entry]:
        """The entries, with the usual choice for every problem whose other one computes something else."""
        changed = {problem: e for problem, e in found.items() if e["choice"] != next(iter(e["seconds"]))}
        asked = {node for problem in changed for node in owners[problem]}
        wrong = set(self.check(table(found), asked)) if asked else set()
        return {
            problem: {**e, "choice": next(iter(e["seconds"]))} if owners[problem] & wrong else e
            for problem, e in found.items()
        }


def deterministic() -> NetError:
    """The fault of asking for both."""
    return NetError("what is measured decides nothing with the option deterministic", hint="leave one of them out")


def _layer(nodes: set[Node]) -> str:
    return min(n.name or n.op for n in nodes)
