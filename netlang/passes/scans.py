"""scans: loops that do the same become one, and what a loop leaves as it is goes around it.

Before                                                      After
    %2, %3       = scan(%h0, %x, %w) {h = f(h, x, w)          %2, %3, %4 = scan(%h0, %x, %w) {h = f(h, x, w)
                   output h; emit h}                                         output h; emit h; emit g(h)}
    %4, %5       = scan(%h0, %x, %w) {h = f(h, x, w)
                   output h; emit g(h)}

The second kind of loop comes with every gradient: the forward scan again, which emits what the backward one reads.
Two scans are joined if they begin with the same states, go over the same sequences and make the same next states.

Around the loop go: a state that no step changes, a slice that is emitted as it is, a constant that is emitted. What is
given twice is given once, two states that are always equal are one, and numbers are written into the body.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from dataclasses import replace

from netlang.ir.build import Builder
from netlang.ir.graph import Graph, Node, Value, topological
from netlang.ir.rewrite import Replacement, replace_values, transform
from netlang.ir.scan import SCAN, Loop, copied, is_number
from netlang.passes.bodies import inside
from netlang.passes.cse import numbered
from netlang.passes.manager import Pass

ORIGIN = "scans"


def run(graph: Graph) -> Graph:
    """Join equal loops, then tidy every loop."""
    if not any(node.op == SCAN for node in graph.nodes):
        return graph
    return transform(_joined(graph), _tidied, ORIGIN)


# ---- joining


def _joined(graph: Graph) -> Graph:
    groups: dict[Hashable, list[Node]] = {}
    for node in graph.nodes:
        if node.op == SCAN:
            count = node.attrs["states"] + node.attrs["sequences"]
            groups.setdefault((node.inputs[:count], tuple(node.attrs.items())), []).append(node)
    for members in groups.values():
        first, *others = members
        for other in others:
            joined = _join(graph, first, other)
            if joined is not None:
                return _joined(replace_values(graph, joined))
    return graph


def _join(graph: Graph, first: Node, second: Node) -> dict[Value, Value] | None:
    """What takes the place of the results of two scans, if one can do the work of both."""
    if _depends(first, second) or _depends(second, first):
        return None
    one, two = Loop.of(first), Loop.of(second)
    renamed = dict(zip((*two.states, *two.slices), (*one.states, *one.slices), strict=True))
    known = dict(zip(one.constants, one.shared, strict=True))
    pairs = tuple(zip(two.constants, two.shared, strict=True))
    renamed |= {v: known[c] for c, v in pairs if c in known}
    added = [(c, v) for c, v in pairs if c not in known]
    fresh = {v: Builder().input(f"c{len(one.shared) + i}.{v.node.name}", v.type) for i, (_, v) in enumerate(added)}
    made = copied(two.made, {**renamed, **fresh})
    count = len(one.states)
    numbers = numbered((*one.made, *made), {})
    if any(numbers[a] != numbers[b] for a, b in zip(one.following, made[:count], strict=True)):
        return None
    loop = replace(
        one,
        constants=(*one.constants, *(c for c, _ in added)),
        shared=(*one.shared, *fresh.values()),
        emitted=(*one.emitted, *made[count:]),
    )
    joined = loop.build(Builder(first.spans, first.name, ORIGIN))
    middle = count + len(one.emitted)
    found = dict(zip(first.results, joined.results, strict=False))
    return found | dict(zip(second.results, (*joined.results[:count], *joined.results[middle:]), strict=True))


def _depends(node: Node, on: Node) -> bool:
    return on in topological(node.inputs)


# ---- tidying


def _tidied(build: Builder, node: Node) -> Replacement:
    if node.op != SCAN:
        return None
    loop = Loop.of(node)
    once = _given_once(loop)
    still = {i for i, (s, after) in enumerate(zip(once.states, once.following, strict=True)) if s is after}
    first = _first_of_equal(once, still)
    around = {i: once.initial[i] for i in still}
    emitted: dict[Value, int] = {}
    kept = [i for i in range(len(once.states)) if i not in still and first[i] == i]
    places = {old: new for new, old in enumerate(kept)}
    places |= {i: places[first[i]] for i in range(len(once.states)) if i not in still}
    for j, value in enumerate(once.emitted, len(once.states)):
        passed = _around(build, once, value)
        if passed is not None:
            around[j] = passed
        else:
            places[j] = len(kept) + emitted.setdefault(value, len(emitted))
    tidy = _with_states(replace(once, emitted=tuple(emitted)), kept, still, first)
    if (tidy.initial, tidy.sequences, tidy.constants, tidy.made) == (
        loop.initial,
        loop.sequences,
        loop.constants,
        loop.made,
    ):
        return None
    results = tidy.build(build).results if tidy.made else ()
    return [around[i] if i in around else results[places[i]] for i in range(len(node.results))]


def _given_once(loop: Loop) -> Loop:
    """Every sequence and every constant once, numbers in the body."""
    stands_for: dict[Value, Value] = {}
    sequences: dict[Value, Value] = {}
    constants: dict[Value, Value] = {}
    for outer, inner in zip(loop.sequences, loop.slices, strict=True):
        stands_for[inner] = sequences.setdefault(outer, inner)
    for outer, inner in zip(loop.constants, loop.shared, strict=True):
        stands_for[inner] = outer if is_number(outer.node) else constants.setdefault(outer, inner)
    made = copied(loop.made, {s: s for s in loop.states} | stands_for)
    count = len(loop.states)
    return replace(
        loop,
        sequences=tuple(sequences),
        slices=tuple(sequences.values()),
        constants=tuple(constants),
        shared=tuple(constants.values()),
        following=made[:count],
        emitted=made[count:],
    )


def _first_of_equal(loop: Loop, still: Collection[int]) -> list[int]:
    """For every state the first one that is equal to it at every step.

    States are taken for equal if they begin equal, until a step tells them apart (Hopcroft's refinement of partitions).
    """
    classes: list[Hashable] = [(i,) if i in still else (v,) for i, v in enumerate(loop.initial)]
    while True:
        order = list(dict.fromkeys(classes))
        given = {s: -1 - order.index(c) for s, c in zip(loop.states, classes, strict=True)}
        numbers = numbered(loop.following, given)
        finer: list[Hashable] = [(given[s], numbers[v]) for s, v in zip(loop.states, loop.following, strict=True)]
        if len(set(finer)) == len(order):
            return [classes.index(c) for c in classes]
        classes = finer


def _with_states(loop: Loop, kept: Sequence[int], still: Collection[int], first: Sequence[int]) -> Loop:
    """The loop with the states `kept`; those that stay `still` are constants, the others read as their `first`."""
    same = {s: loop.states[first[i]] for i, s in enumerate(loop.states)}
    made = copied(loop.made, same | {v: v for v in (*loop.slices, *loop.shared)})
    count = len(loop.states)
    return replace(
        loop,
        initial=tuple(loop.initial[i] for i in kept),
        states=tuple(loop.states[i] for i in kept),
        constants=(*loop.constants, *(loop.initial[i] for i in still)),
        shared=(*loop.shared, *(loop.states[i] for i in still)),
        following=tuple(made[i] for i in kept),
        emitted=made[count:],
    )


def _around(build: Builder, loop: Loop, value: Value) -> Value | None:
    """What all steps emit, where it needs no loop."""
    if value in loop.slices:
        return loop.sequences[loop.slices.index(value)]
    if value in loop.shared:
        return build.broadcast(loop.constants[loop.shared.index(value)], (loop.length, *value.shape))
    if is_number(value.node):
        return build.broadcast(value, (loop.length, *value.shape))
    return None


PASS = Pass("scans", inside(run))
