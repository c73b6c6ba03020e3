"""Measuring the near-best candidates of every layer on this machine, with the sizes and neighbours it really has.

A whole net is compiled in a few variants: in variant k every layer takes its k-th best candidate. The variants are run
in turn, again and again, and every layer is timed in each, so that whatever else the machine does meets all of them
alike. Of each candidate the fastest time counts. One kind of choice is measured after the other, because a tile is
only worth measuring for the algorithm that was chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic

from netlang.backends.base import Array, Report, TunedLayer, Tuning
from netlang.backends.common.choices import Trial
from netlang.backends.cpu import remembered
from netlang.backends.cpu.executable import Executable
from netlang.backends.cpu.remembered import Entry
from netlang.ir.graph import Node

KINDS = ("rows", "algorithm", "tile", "columns")
"""In the order in which lowerings choose."""
LEAST_ROUNDS, MOST_ROUNDS = 3, 40
CALLS = 2
"""Of a variant in one round."""
GAIN = 0.98
"""How fast another candidate must be beside the model's to be taken: noise alone should change nothing."""

Times = Mapping[str, float]
"""Seconds by problem."""
Make = Callable[[Trial], Executable]


@dataclass
class Samples:
    """Per problem and candidate the fastest time so far; `rounds` were carried out by all variants."""

    best: dict[str, list[float]] = field(default_factory=dict)
    rounds: int = 0

    def add(self, times: Sequence[Times]) -> None:
        """One round: the times of every variant."""
        for variant, found in enumerate(times):
            for problem, seconds in found.items():
                slots = self.best.setdefault(problem, [float("inf")] * len(times))
                slots[variant] = min(slots[variant], seconds)
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


def decide(offers: Mapping[str, Sequence[str]], samples: Samples, layers: Mapping[str, str]) -> dict[str, Entry]:
    """The choice for every problem that was measured: the fastest candidate, the first one unless it is clearly so."""
    found: dict[str, Entry] = {}
    for problem, times in samples.best.items():
        names = offers[problem]
        own = dict(zip(names, times, strict=False))
        fastest = min(own, key=lambda name: own[name])
        choice = fastest if own[fastest] < GAIN * own[names[0]] else names[0]
        found[problem] = {"choice": choice, "layer": layers[problem], "seconds": own}
    return found


def tune(
    make: Make, inputs: Mapping[str, Array], params: Mapping[str, Array], threads: int, seconds: float, report: Report
) -> Tuning:
    """Measure for about so many seconds after compiling, and remember. `make` compiles a variant."""
    entries: dict[str, Entry] = {}
    whole = True
    for kind in KINDS:
        try:
            variants = _variants(make, kind, remembered.table(entries), report)
        except KeyboardInterrupt:
            whole = False
            break
        if not variants:
            continue
        first = variants[0][0]

        def measure(variant: int, among: Sequence[tuple[Trial, Executable]] = variants) -> Times:
            return _times(*among[variant], inputs, params)

        what = f"{kind}: {len(first.offers)} layers, {len(variants)} candidates"

        def tell(done: float, what: str = what) -> None:
            report(what, done)

        samples, whole = compare(len(variants), measure, seconds / len(KINDS), tell)
        owners = {problem: _layer(nodes) for problem, nodes in first.owners.items()}
        entries |= decide(first.offers, samples, owners) if samples.rounds >= LEAST_ROUNDS else {}
        if not whole:
            break
    layers = [TunedLayer(e["layer"], e["choice"], e["seconds"]) for e in entries.values()]
    return Tuning(layers, remembered.save(threads, entries), whole)


def _variants(make: Make, kind: str, table: Mapping[str, str], report: Report) -> list[tuple[Trial, Executable]]:
    """The variants of one kind, compiled; none where nothing of this kind is to be chosen."""
    first = Trial(table, kind=kind)
    report(f"{kind}: compiling", 0.0)
    made = [(first, make(first))]
    count = max((len(names) for names in first.offers.values()), default=0)
    for rank in range(1, count):
        trial = Trial(table, kind=kind, rank=rank)
        report(f"{kind}: compiling", rank / count)
        made.append((trial, make(trial)))
    return made if count else []


def _times(trial: Trial, executable: Executable, inputs: Mapping[str, Array], params: Mapping[str, Array]) -> Times:
    """The seconds of the nodes of every problem, of the faster one of some calls."""
    by_node: dict[Node, list[float]] = {}
    for step in executable.profile(inputs, params, CALLS):
        sums = by_node.setdefault(step.node, [0.0] * CALLS)
        by_node[step.node] = [a + b for a, b in zip(sums, step.seconds, strict=True)]
    return {
        problem: min(map(sum, zip(*(by_node[n] for n in nodes if n in by_node), strict=True)), default=0.0)
        for problem, nodes in trial.owners.items()
        if trial.rank < len(trial.offers[problem])
    }


def _layer(nodes: set[Node]) -> str:
    return min(n.name or n.op for n in nodes)
