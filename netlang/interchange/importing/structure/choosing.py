"""Which piece of a net is best made a block: the one that saves most words of the text.

Pieces are alike where they do the same with values from the same places. What branches and joins again is worth more,
what begins or ends in the middle of something less.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from netlang.frontend import ast
from netlang.interchange.importing.structure.items import Block, Body, Item, Value, cost
from netlang.interchange.importing.structure.naming import is_separable
from netlang.interchange.importing.structure.parameters import INPUT_NAMES, Signature, item_vectors, signature
from netlang.interchange.importing.structure.pieces import merged, run_of, wiring_of
from netlang.interchange.importing.structure.repeats import Place, Repeat, repeats

Readers = Mapping[int, Mapping[Value, Sequence[int]]]
"""By the id of a sequence, who reads its values."""

_ASKED = 60
"""Candidates of a round that are looked at closely."""
_DEFINITION = 6
"""Words of a block besides its parameters and body."""
_PERIOD = 7
"""Items of a repetition that a piece should not cut."""
_WORTH = 6
"""Words that a block must save."""


def best_piece(sequences: list[Body], known: dict[Block, Signature]) -> Repeat | None:
    """The repeated piece that saves most words."""
    ranked = sorted(
        ((_at_most(r), r.length, n, r) for n, r in enumerate(repeats(sequences))), key=lambda t: (-t[0], -t[1], t[2])
    )
    shared = Counter(w for s in sequences[:1] for i in s.items for case in i.weights for w in case)
    readers = {id(sequence): sequence.readers() for sequence in sequences}
    best: tuple[float, Repeat] | None = None
    for most, _, _, repeat in ranked[:_ASKED]:
        if most < _WORTH or (best is not None and most * 1.2 <= best[0]):
            break
        for group in _alike(repeat, readers):
            if (
                len(group.places) < 2
                or _is_power(run_of(group.places[0], group.length), known)
                or not _shares_wholly(group, shared)
            ):
                continue
            saved = _saved(group, known, readers)
            if saved >= _WORTH and (best is None or saved > best[0]):
                best = saved, group
    return None if best is None else best[1]


def _at_most(repeat: Repeat) -> float:
    first = repeat.places[0]
    return (len(repeat.places) - 1) * cost(first.sequence.items[first.start : first.start + repeat.length])


def _alike(repeat: Repeat, readers: Readers) -> Iterable[Repeat]:
    """The places of a repeat in groups that have the same wiring; those that have several results left out."""
    groups: dict[object, list[Place]] = defaultdict(list)
    for place in repeat.places:
        run = run_of(place, repeat.length)
        end = place.start + repeat.length
        reads = readers[id(place.sequence)]
        inside = all(reads.get(v, [0])[-1] < end for item in run[:-1] for v in item.results)
        wiring, inputs = wiring_of(run)
        if inside and 0 < len(inputs) < len(INPUT_NAMES):
            groups[wiring].append(place)
    return [Repeat(tuple(places), repeat.length) for places in groups.values()]


def _is_power(run: list[Item], known: dict[Block, Signature]) -> bool:
    """Whether a run is itself a shorter one several times: then that one is to be a block."""
    said = [_said(item, known) for item in run]
    size = len(said)
    return any(size % part == 0 and said == said[:part] * (size // part) for part in range(1, size // 2 + 1))


def _cuts(group: Repeat, known: dict[Block, Signature]) -> bool:
    """Whether pieces begin or end in the middle of a repetition, most of them."""
    return 2 * sum(_cuts_at(place, group.length, known) for place in group.places) >= len(group.places)


def _cuts_at(place: Place, length: int, known: dict[Block, Signature]) -> bool:
    start, end = place.start, place.start + length
    low = max(0, start - _PERIOD)
    said = [_said(item, known) for item in place.sequence.items[low : end + _PERIOD]]
    start, end = start - low, end - low
    for size in range(1, min(length, _PERIOD)):
        if size <= start and said[start - size : start] == said[start : start + size]:
            return True
        if said[end - size : end] == said[end : end + size]:
            return True
    return False


def _said(item: Item, known: dict[Block, Signature]) -> object:
    """What an item does, with its arguments in its first case."""
    return item.key, tuple(vector[0] for _, vector, _ in item_vectors(item, known))


def _shares_wholly(group: Repeat, all_weights: Counter[int]) -> bool:
    """Whether pieces share all of their layers or none, so that what is shared is the block as a layer."""
    kept = [tuple(w for i in run_of(p, group.length) for w in i.weights[0]) for p in group.places]
    if all(all_weights[w] < 2 for weights in kept for w in weights):
        return True
    if any(len(p.sequence.items[p.start].weights) > 1 for p in group.places):
        return False
    counts = Counter(w for weights in kept for w in weights)
    whole = {weights: Counter(weights) for weights in kept}
    owner: dict[int, tuple[int, ...]] = {}
    for weights in whole:
        if any(owner.setdefault(w, weights) != weights for w in weights):
            return False
    patterns = {tuple(weights.index(w) for w in weights) for weights in kept}
    return len(patterns) == 1 and all(counts[w] == all_weights[w] for w in counts)


def _saved(group: Repeat, known: dict[Block, Signature], readers: Readers) -> float:
    """How many words a block saves; pieces that begin and end where a person would cut are worth more."""
    first = run_of(group.places[0], group.length)
    tentative = merged(group)
    found = signature(tentative, known)
    cases = tentative.body.cases
    given = sum(sum(c != p.default for c in p.vector) / cases for p in found.parameters)
    inputs = len(tentative.body.inputs)
    calls = len(group.places) * (1 + inputs + given)
    definition = _DEFINITION + inputs + len(found.parameters)
    saved = (len(group.places) - 1) * cost(first) - calls - definition
    return saved * _naturalness(group, tentative.body, readers) * (0.5 if _cuts(group, known) else 1)


def _naturalness(group: Repeat, body: Body, readers: Readers) -> float:
    """More than 1 for what branches and joins again, less for what begins or ends in the middle of something."""
    worth = 1.0
    first = body.items[0]
    branches = len(body.readers()[body.inputs[0]]) > 1
    if branches:
        worth *= 1.15
    elif not first.weighted:
        worth *= 0.75
    if is_separable(body.items):
        worth *= 1.2
    if all(_activated(place, group.length, readers[id(place.sequence)]) for place in group.places):
        worth *= 0.8
    return worth


def _activated(place: Place, length: int, readers: Mapping[Value, Sequence[int]]) -> bool:
    """Whether nothing but an activation reads the result of a run."""
    items, end = place.sequence.items, place.start + length
    if end >= len(items):
        return False
    (result,) = items[end - 1].results
    pattern = items[end].pattern
    plain = isinstance(pattern, ast.Pipe) and isinstance(pattern.stages[-1], ast.Name)
    return plain and items[end].operands == (result,) and not items[end].weighted and len(readers[result]) == 1
