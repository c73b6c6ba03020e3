"""recompute: fit a training step into a memory budget by computing activations a second time.

Before                                        After
    %1 = relu(%0)      kept for its gradient      %1 = relu(%0)           over once the forward pass has read it
    ...                                           ...
    %8 = conv_weight_grad(%1, %7)                 %8 = after(%0, %7)
                                                  %9 = relu(%8)           the same bits again
                                                  %10 = conv_weight_grad(%9, %7)

A step keeps what its backward half reads, and most of that is idle at its fullest moment. Chen et al. 2016 ("Training
deep nets with sublinear memory cost") drop activations and run parts of the forward pass again. Here one node at a
time is chosen whose results lie idle at the fullest moment: the one that frees most bytes for each operation that has
to be done again, with everything it needs that is gone by then. What that frees is judged by lifetimes (`lifetimes`),
whether the budget is met by the backend's own plan. It comes after all other passes, so what is carried out again are
the very same kernels, and random numbers are functions of their key: results do not change by a bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from netlang.ir.graph import Graph
from netlang.passes.lifetimes import Lives
from netlang.passes.manager import Pass
from netlang.passes.memory import MemoryPlan
from netlang.passes.repeat import Choice, Draft, draft, repeated

MOST_ROUNDS = 12
"""So often is the backend asked for its plan at most."""
_SLACK = 1 / 256
"""Part of the budget by which every round aims lower than it must: plans have gaps that lifetimes do not show."""
_TRIES = 8
"""So many choices are tried at one moment before it is taken for the least possible."""

Measure = Callable[[Graph], MemoryPlan]


@dataclass(frozen=True)
class Fitted:
    """A graph, the bytes that its plan takes, and the operations that it carries out again."""

    graph: Graph
    bytes: int
    repeated: int


def fit(graph: Graph, budget: int, sizes: Mapping[str, int], measure: Measure) -> Fitted:
    """`graph`, with as few operations repeated as bring its plan (arena and what is kept) down to `budget` bytes.

    Where that cannot be done, the graph with the smallest plan that was found: `bytes` is above the budget then.
    """
    plan = measure(graph)
    best = Fitted(graph, plan.peak + plan.kept, 0)
    current = draft(graph, sizes, plan)
    found = best
    for _ in range(MOST_ROUNDS):
        if best.bytes <= budget:
            break
        aim = Lives(current).peak - (found.bytes - budget) - int(_SLACK * budget)
        thinner = _thinned(current, aim)
        if thinner is current:
            break
        current = thinner
        plan = measure(current.graph)
        found = Fitted(current.graph, plan.peak + plan.kept, current.repeated)
        best = min(best, found, key=lambda f: f.bytes)
    return best


def pass_for(budget: int, sizes: Mapping[str, int], measure: Measure, keep: Callable[[Fitted], None]) -> Pass:
    """The pass for the pass manager; `keep` is told what it came to."""

    def run(graph: Graph) -> Graph:
        found = fit(graph, budget, sizes, measure)
        keep(found)
        return found.graph

    return Pass("recompute", run)


def _thinned(current: Draft, aim: int) -> Draft:
    """Repeat nodes until lifetimes need no more than `aim` bytes at a time, or nothing helps any more."""
    lives = Lives(current)
    while lives.peak > aim:
        better = next(_improvements(current, lives, aim), None)
        if better is None:
            break
        current, lives = better
    return current


def _improvements(current: Draft, lives: Lives, aim: int) -> Iterator[tuple[Draft, Lives]]:
    """What the best choices at the fullest moment come to, where they make it less full."""
    choices = sorted(lives.choices(), key=lambda choice: choice.freed / (1 + choice.work), reverse=True)
    many = _enough(choices, (lives.peak - aim) // 2)
    for chosen in ([many] if len(many) > 1 else []) + [[choice] for choice in choices[:_TRIES]]:
        tried = repeated(current, chosen)
        after = Lives(tried)
        if (after.peak, after.moments) < (lives.peak, lives.moments):
            yield tried, after


def _enough(choices: Sequence[Choice], bytes: int) -> list[Choice]:
    """The first choices that free so many bytes together. While much is to be freed, several are made at a time."""
    found: list[Choice] = []
    freed = 0
    for choice in choices:
        if freed + choice.freed > bytes:
            break
        found.append(choice)
        freed += choice.freed
    return found
