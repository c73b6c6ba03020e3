"""Repeated pieces of a net become blocks, the one that saves most first.

    c1 = x -> conv(16, 3) -> relu                 block conv_relu(x, channels) {
    ...                                             return x -> conv(channels, 3) -> relu
    c9 = c8 -> conv(64, 3) -> relu       ->       }

A piece is a run of items with one result and a few inputs; pieces are alike where they do the same with values from the
same places. What is saved is counted in words of the text.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace

from netlang.interchange.importing.structure.choosing import best_piece
from netlang.interchange.importing.structure.files import blocks_of
from netlang.interchange.importing.structure.items import Block, Body, Item, Value
from netlang.interchange.importing.structure.parameters import Signature, signature
from netlang.interchange.importing.structure.pieces import merged, run_of, wiring_of
from netlang.interchange.importing.structure.repeats import Place, Repeat


def fold_repeated(body: Body) -> None:
    """Find blocks until none saves anything. The body then applies them, and they each other."""
    sequences = [body]
    known: dict[Block, Signature] = {}
    while True:
        found = best_piece(sequences, known)
        if found is None:
            break
        block = _replaced(found, known)
        sequences.append(block.body)
    _inline_single(body)


def _replaced(group: Repeat, known: dict[Block, Signature]) -> Block:
    """Make the block of a group, and apply it in the place of its pieces."""
    block = merged(group)
    known[block] = signature(block, known)
    case = 0
    made: dict[int, list[tuple[Place, Item]]] = defaultdict(list)
    for place in group.places:
        run = run_of(place, group.length)
        count = place.sequence.cases
        weights = [tuple(w for i in run for w in i.weights[c]) for c in range(count)]
        call = Item(
            block.key,
            None,
            tuple(wiring_of(run)[1]),
            run[-1].results,
            weights=weights,
            words=sum(p.vector[case] != p.default for p in known[block].parameters),
            names=list(run[-1].names),
            callee=block,
            callee_cases=list(range(case, case + count)),
        )
        made[id(place.sequence)].append((place, call))
        case += count
    for calls in made.values():
        for place, call in sorted(calls, key=lambda c: -c[0].start):
            place.sequence.items[place.start : place.start + group.length] = [call]
    return block


def _inline_single(body: Body) -> None:
    """Blocks that are applied in one place alone are written there."""
    while True:
        sequences = [body, *(b.body for b in blocks_of(body))]
        uses = Counter(i.callee for s in sequences for i in s.items if i.callee is not None)
        single = next(
            ((s, i) for s in sequences for i in s.items if i.callee is not None and uses[i.callee] == 1), None
        )
        if single is None:
            return
        sequence, item = single
        place = sequence.items.index(item)
        sequence.items[place : place + 1] = _inlined(item)


def _inlined(call: Item) -> list[Item]:
    """The items of the block that an item applies, for the item's own cases."""
    assert call.callee is not None
    body, cases = call.callee.body, call.callee_cases
    known = dict(zip(body.inputs, call.operands, strict=True))
    known[body.results[0]] = call.results[0]
    items = []
    for item in body.items:
        for place, value in enumerate(item.results):
            name = item.names[cases[0]][place] if len(cases) == 1 else ""
            known.setdefault(value, Value([value.types[c] for c in cases], name))
        items.append(
            replace(
                item,
                operands=tuple(known[v] for v in item.operands),
                results=tuple(known[v] for v in item.results),
                holes=[tuple(vector[c] for c in cases) for vector in item.holes],
                weights=[item.weights[c] for c in cases],
                lines=[item.lines[c] for c in cases] if item.lines else [],
                names=[item.names[c] for c in cases],
                callee_cases=[item.callee_cases[c] for c in cases] if item.callee_cases else [],
            )
        )
    return items
