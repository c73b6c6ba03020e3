"""What loops change for the steps in them: what is done before the first round, and how long scratches are needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from netlang.backends.common.homes import buffers
from netlang.backends.common.steps import Buffer, Moving, Scratch, Step, places


def steady_first(steps: Sequence[Step]) -> list[Step]:
    """The steps of an innermost or outer loop, with those taken out of it, to be carried out before, that do the same
    in every round: they read and write only what nobody else in the loop writes, at places that do not move."""
    chosen = [s for s in steps if len(s.loops) == 1 and not any(isinstance(p, Moving) for p in places(s))]
    while True:
        inside = set(map(id, chosen))
        elsewhere: set[Buffer] = {b for s in steps if id(s) not in inside for b in s.writes}
        kept = [s for s in chosen if elsewhere.isdisjoint(buffers(s)) and _is_own(s)]
        if len(kept) == len(chosen):
            break
        chosen = kept
    return [replace(s, loops=()) for s in chosen] + [s for s in steps if id(s) not in inside]


def _is_own(step: Step) -> bool:
    """Whether all that a step writes is working memory."""
    return all(isinstance(b, Scratch) for b in step.writes)


def lives(steps: Sequence[Step]) -> dict[Scratch, tuple[int, int]]:
    """From which to which step every scratch is needed. One that is used inside and outside of a loop, or goes from
    round to round, is needed in all of its steps."""
    found: dict[Scratch, tuple[int, int]] = {}
    spans = _spans(steps)
    for i, step in enumerate(steps):
        lasting = {b for p in places(step) if isinstance(p, Moving) for b in buffers(replace(step, args=(p,)))}
        for buffer in buffers(step):
            if isinstance(buffer, Scratch):
                first, last = found.get(buffer, (i, i))
                for start, stop in spans[i]:
                    if buffer in lasting or first < start:
                        first, last = min(first, start), max(last, stop)
                found[buffer] = min(first, i), max(last, i)
    return found


def _spans(steps: Sequence[Step]) -> list[list[tuple[int, int]]]:
    """For every step the first and the last step of each loop that it is in."""
    ends: dict[int, tuple[int, int]] = {}
    for i, step in enumerate(steps):
        for loop in step.loops:
            ends[id(loop)] = (ends.get(id(loop), (i, i))[0], i)
    return [[ends[id(loop)] for loop in step.loops] for step in steps]
