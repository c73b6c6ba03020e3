"""Runs of items that occur several times: where sequences have the same keys one after the other.

A suffix array with common prefixes finds all of them at once; near-linear in the number of items.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from netlang.interchange.importing.structure.items import Body

LONGEST = 256
"""Items of a run at most."""
_SHIFTS = 4
"""Where one run follows the other, they may begin with one of so many items."""


@dataclass(frozen=True)
class Place:
    """Where a run begins."""

    sequence: Body
    start: int


@dataclass(frozen=True)
class Repeat:
    """Runs of `length` items with the same keys; they do not overlap."""

    places: tuple[Place, ...]
    length: int


def repeats(sequences: Sequence[Body]) -> Iterator[Repeat]:
    """Runs that occur at least twice and have one result each: for every set of places the longest."""
    tokens, places = _tokens(sequences)
    if len(tokens) < 4:
        return
    order = _suffixes(tokens)
    last = {id(s): _last_reads(s) for s in sequences}
    for low, high, least, most in _intervals(_prefixes(tokens, order)):
        starts = np.sort(order[low : high + 1])
        first = places[starts[0]]
        length = _valid(first, last[id(first.sequence)], least, min(most, LONGEST))
        gap = int(np.diff(starts).min())
        lengths = {length, _valid(first, last[id(first.sequence)], least, gap)} if gap < length else {length}
        for size in sorted(lengths - {0}):
            for shift in range(min(size, _SHIFTS) if gap < size else 1):
                found = _apart(starts[shift:], size)
                if len(found) > 1:
                    yield Repeat(tuple(places[s] for s in found), size)


def _tokens(sequences: Sequence[Body]) -> tuple[np.ndarray[tuple[int], np.dtype[np.int64]], list[Place]]:
    """A number for the key of each item; the sequences end with numbers that occur nowhere else."""
    numbers: dict[str, int] = {}
    tokens: list[int] = []
    places: list[Place] = []
    for count, sequence in enumerate(sequences):
        for start, item in enumerate(sequence.items):
            tokens.append(numbers.setdefault(item.key, len(numbers)))
            places.append(Place(sequence, start))
        tokens.append(-1 - count)
        places.append(Place(sequence, len(sequence.items)))
    return np.array(tokens, np.int64), places


def _suffixes(tokens: np.ndarray[tuple[int], np.dtype[np.int64]]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Where the suffixes begin, in lexical order: by their first items, their first two, four, ..."""
    count = len(tokens)
    rank = np.unique(tokens, return_inverse=True)[1].astype(np.int64)
    width = 1
    while True:
        after = np.full(count, -1, np.int64)
        after[: count - width] = rank[width:] if width < count else []
        order = np.lexsort((after, rank))
        changed = (rank[order][1:] != rank[order][:-1]) | (after[order][1:] != after[order][:-1])
        rank = np.empty(count, np.int64)
        rank[order] = np.concatenate([[0], np.cumsum(changed)])
        width *= 2
        if rank.max() == count - 1 or width >= count:
            return order


def _prefixes(
    tokens: np.ndarray[tuple[int], np.dtype[np.int64]], order: np.ndarray[tuple[int], np.dtype[np.int64]]
) -> list[int]:
    """For every suffix but the first in order how many items it begins with that the one before begins with
    (Kasai et al. 2001)."""
    text = tokens.tolist()
    starts = order.tolist()
    count = len(text)
    rank = [0] * count
    for place, start in enumerate(starts):
        rank[start] = place
    found, common = [0] * count, 0
    for start in range(count):
        if rank[start] == 0:
            common = 0
            continue
        other = starts[rank[start] - 1]
        while max(start, other) + common < count and text[start + common] == text[other + common]:
            common += 1
        found[rank[start]] = common
        common = max(0, common - 1)
    return found


def _intervals(prefixes: list[int]) -> Iterator[tuple[int, int, int, int]]:
    """(first, last, above, common): suffixes that begin with `common` equal items, and others with no more than
    `above` of these."""
    stack: list[tuple[int, int]] = [(0, 0)]
    for place in range(1, len(prefixes) + 1):
        now = prefixes[place] if place < len(prefixes) else 0
        first = place - 1
        while stack[-1][1] > now:
            first, common = stack.pop()
            above = max(now, stack[-1][1])
            if common > 1:
                yield first, place - 1, above, common
        if stack[-1][1] < now:
            stack.append((first, now))


def _last_reads(sequence: Body) -> list[int]:
    """Where the results of each item are read last."""
    readers = sequence.readers()
    return [max((readers[v][-1] for v in i.results if v in readers), default=p) for p, i in enumerate(sequence.items)]


def _valid(first: Place, last: list[int], above: int, most: int) -> int:
    """The longest run of more than `above` and at most `most` items in which all but the last item's result is read
    only inside; 0 where there is none."""
    items = first.sequence.items
    best, latest = 0, -1
    for place in range(first.start, min(first.start + most, len(items))):
        size = place - first.start + 1
        single = len(items[place].results) == 1 and not items[place].role
        if latest <= place and single and size > max(1, above) and last[place] > place:
            best = size
        latest = max(latest, last[place])
    return best


def _apart(starts: np.ndarray[tuple[int], np.dtype[np.int64]], size: int) -> list[int]:
    """Starts, from the first on, of runs that do not overlap."""
    found: list[int] = []
    for start in starts.tolist():
        if not found or start >= found[-1] + size:
            found.append(start)
    return found
