"""Pieces of a net: runs of items with one result and a few inputs, and the block that alike pieces are."""

from __future__ import annotations

from dataclasses import replace

from netlang.interchange.importing.structure.items import Block, Body, Item, Value
from netlang.interchange.importing.structure.repeats import Place, Repeat


def run_of(place: Place, length: int) -> list[Item]:
    return place.sequence.items[place.start : place.start + length]


def wiring_of(run: list[Item]) -> tuple[object, list[Value]]:
    """Where each operand of a run comes from, and the values from outside in the order in which they are read."""
    inside = {v: (n, m) for n, item in enumerate(run) for m, v in enumerate(item.results)}
    outside: dict[Value, int] = {}
    wiring = []
    for item in run:
        sources = [inside.get(v) or (-1, outside.setdefault(v, len(outside))) for v in item.operands]
        wiring.append((item.key, tuple(sources), len(item.results)))
    return tuple(wiring), list(outside)


def merged(group: Repeat) -> Block:
    """A block of pieces that are alike; its cases are those of all pieces, one after the other."""
    runs = [run_of(p, group.length) for p in group.places]
    outer = [wiring_of(run)[1] for run in runs]
    inputs = [Value([t for values in outer for t in values[n].types]) for n in range(len(outer[0]))]
    maps = [dict(zip(values, inputs, strict=True)) for values in outer]
    items = []
    for versions in zip(*runs, strict=True):
        first = versions[0]
        operands = tuple(maps[0][v] for v in first.operands)
        results = tuple(Value([t for i in versions for t in i.results[n].types]) for n in range(len(first.results)))
        for version, known in zip(versions, maps, strict=True):
            known.update(zip(version.results, results, strict=True))
        items.append(
            replace(
                first,
                operands=operands,
                results=results,
                holes=[tuple(c for i in versions for c in i.holes[n]) for n in range(len(first.holes))],
                weights=[case for i in versions for case in i.weights],
                lines=[line for i in versions for line in i.lines],
                names=[n for i in versions for n in i.names],
                callee_cases=[c for i in versions for c in i.callee_cases],
            )
        )
    cases = sum(p.sequence.cases for p in group.places)
    return Block(Body(inputs, items, [items[-1].results[0]], cases))
