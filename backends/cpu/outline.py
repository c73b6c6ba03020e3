"""The argument tables of some lines before sizes are known: what every word will be, and what is gone through in what
order. `tables` evaluates it for the sizes of a call; a shared library has it as data, and evaluates it in C.

A loop's lines have their tables side by side, a region of the words. Behind it stands the loop's own table, of which
`control` says what it holds. The region of an inner loop, and its table, lie in that of the outer one.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from netlang.backends.common.numbers import Number
from netlang.backends.cpu import control
from netlang.backends.cpu.program import Arg, Line, Loop, Moving, Room, Spot

WORD = 8
"""Bytes."""
_OWN = (None, 0)
"""A word that is known when memory is: where threads have their copies of a region."""

Word = tuple[Room | None, Number]
"""So many bytes after the start of a room; the number itself where there is no room."""


class Region:
    """The tables of a loop's lines, words `start` to `stop`, behind which is its own."""

    def __init__(self, loop: Loop, outer: Region | None, start: int) -> None:
        self.loop, self.outer = loop, outer
        self.start, self.stop = start, 0
        self.moves: list[tuple[int, Moving]] = []
        """Words that change, by their position, and how."""

    @property
    def words(self) -> int:
        """Of a thread's copy with what stands before it, a whole number of cache lines."""
        line = control.LINE // WORD
        return (control.COPY // WORD + self.stop - self.start + line - 1) // line * line


class Entry:
    """One entry of a program: a line, or the begin or the end of a loop, whose table begins at a word of a region.

    flags     0 for a line, or those of `control` for an end of a loop
    region    in which the table is; None: outside of loops
    loop      the region that it is an end of
    jump      bytes to the loop's other end
    """

    __slots__ = ("flags", "jump", "line", "loop", "region", "table")

    def __init__(
        self, flags: int, table: int, region: Region | None, line: Line | None = None, loop: Region | None = None
    ) -> None:
        self.flags, self.table, self.region, self.line, self.loop = flags, table, region, line, loop
        self.jump = 0


class Outline:
    """Of some lines in order. `regions` has outer ones before inner ones."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self.words: list[Word] = []
        self.entries: list[Entry] = []
        self._regions: dict[Loop, Region] = {}
        self._members(lines, None)
        self.regions = list(self._regions.values())

    def _members(self, lines: Sequence[Line], around: Region | None) -> None:
        """Tables and entries of the lines of a region."""
        depth = _depth(around)
        for loop, own in groupby(lines, lambda s: s.loops[depth] if len(s.loops) > depth else None):
            if loop is not None:
                self._loop(loop, list(own), around)
                continue
            for line in own:
                self.entries.append(Entry(0, len(self.words), around, line))
                for arg in line.args:
                    self._word(arg)

    def _loop(self, loop: Loop, lines: Sequence[Line], outer: Region | None) -> None:
        region = self._regions[loop] = Region(loop, outer, len(self.words))
        begin, end = (Entry(flags, 0, outer, loop=region) for flags in (control.BEGIN, control.END))
        first = len(self.entries)
        self.entries.append(begin)
        self._members(lines, region)
        self.entries.append(end)
        end.jump = (len(self.entries) - 1 - first) * control.STEP_BYTES
        begin.jump = end.jump - control.STEP_BYTES
        region.stop = begin.table = end.table = len(self.words)
        self._own_table(region)

    def _own_table(self, region: Region) -> None:
        """A loop's own table, as `control` lists its words."""
        count = region.stop - region.start
        numbers: tuple[Number, ...] = (region.loop.rounds, count, -WORD * count)
        self.words += [(None, number) for number in numbers]
        self.words += [_OWN, (None, WORD * region.words), (None, len(region.moves))]
        for position, moving in region.moves:
            self.words.append((None, control.COPY + WORD * (position - region.start)))
            self._word(moving.at[1])
            self._word(moving.at[2])
            self.words.append((None, moving.stride))

    def _word(self, arg: Arg) -> None:
        """One argument; its word is noted where it changes in loops."""
        while isinstance(arg, Moving):
            self._regions[arg.loop].moves.append((len(self.words), arg))
            arg = arg.at[0]
        self.words.append((arg.room, arg.offset) if isinstance(arg, Spot) else (None, arg))


def _depth(region: Region | None) -> int:
    return 0 if region is None else 1 + _depth(region.outer)
