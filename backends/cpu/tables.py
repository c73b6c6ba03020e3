"""From lines to what the walker walks: their argument tables in one array, and the list of entries.

A loop's lines have their tables side by side, a region of the array. Behind it stands the loop's own table, of which
`control` says what it holds, and at the end of the array there is room for every thread's copy of every region. The
region of an inner loop, and its table, lie in that of the outer one: what is copied from a copy moves with both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from itertools import groupby
from typing import Any

import numpy as np

from netlang.backends.common.external import External
from netlang.backends.common.numbers import Sizes, evaluated
from netlang.backends.cpu import control
from netlang.backends.cpu.accesses import AccessFinder
from netlang.backends.cpu.barriers import Access, meetings
from netlang.backends.cpu.pace import Pace
from netlang.backends.cpu.program import Arg, Line, Loop, Moving, Room, Spot
from netlang.backends.cpu.threads import Code, aligned

Home = External | Room
"""What addresses depend on that are not known when a program is bound: an array of the caller's, a kept room."""
Places = Callable[[Room], int | Home]

SERIAL_STEP = 8_000
"""Steps of less work than this are done by one thread: meeting at the barrier would cost as much."""
LARGE_PROGRAM = 30_000_000
"""Programs of more work than this take milliseconds: waking a thread is nothing beside it."""
LARGE_SHARE = 1_000_000
"""Of such a program for each time that threads meet: where they meet more often, as in the rounds of a loop, waiting
for one that has lost its turn may be what takes longest."""
_WORD = 8


class Table:
    """Argument tables of some lines in one array.

    meetings  how often threads meet
    places    where addresses of a home must still be written: (position in `words`, bytes to add)
    slots     for every line its entry in the program
    """

    def __init__(
        self,
        words: np.ndarray[Any, Any],
        program: np.ndarray[Any, Any],
        work: int,
        meetings: int,
        places: Mapping[Home, Sequence[tuple[int, int]]],
        slots: Sequence[int],
    ) -> None:
        self.words, self.program = words, program
        self.work, self.meetings = work, meetings
        self.places, self.slots = places, slots
        self.known: dict[Home, int] = {}

    @cached_property
    def program_address(self) -> int:
        return int(self.program.ctypes.data)

    @cached_property
    def pace(self) -> Pace:
        """How its calls have gone on one thread and on several."""
        return Pace(large=self.work >= max(LARGE_PROGRAM, LARGE_SHARE * self.meetings))

    def place(self, home: Home, address: int) -> None:
        """Say where a home is from now on."""
        if self.known.get(home) != address:
            self.known[home] = address
            for position, offset in self.places.get(home, ()):
                self.words[position] = address + offset


def make_table(lines: Sequence[Line], places: Places, sizes: Sizes, code: Code, threads: int = 1) -> Table:
    """Evaluate all arguments and find all machine code, for up to so many threads."""
    return _Maker(places, sizes, code, threads).table(lines)


def home_of(room: Room) -> Home:
    """The place of a room when nothing but homes is known."""
    return room.home if isinstance(room.home, External) else room


class _Region:
    """The tables of a loop's lines, words `start` to `stop`, behind which is its own. `own`: where copies begin."""

    def __init__(self, loop: Loop, outer: _Region | None, rounds: int, start: int) -> None:
        self.loop, self.outer, self.rounds = loop, outer, rounds
        self.start, self.stop, self.own = start, 0, 0
        self.moves: list[tuple[int, Moving]] = []
        """Words that change, by their position, and how."""

    @property
    def words(self) -> int:
        """Of a thread's copy with what stands before it, a whole number of cache lines."""
        line = control.LINE // _WORD
        return (control.COPY // _WORD + self.stop - self.start + line - 1) // line * line


class _Entry:
    """One entry of a program: a line or an end of a loop, whose table begins at a word of a region."""

    __slots__ = ("flags", "jump", "line", "region", "table")

    def __init__(self, flags: int, table: int, region: _Region | None, line: Line | None = None) -> None:
        self.flags, self.table, self.region, self.line = flags, table, region, line
        self.jump = 0


class _Maker:
    def __init__(self, place_of: Places, sizes: Sizes, code: Code, threads: int) -> None:
        self.place_of, self.sizes, self.code, self.threads = place_of, sizes, code, threads
        self.finder = AccessFinder(place_of, sizes)
        self.words: list[int] = []
        self.places: dict[Home, list[tuple[int, int]]] = {}
        self.entries: list[_Entry] = []
        self.regions: dict[Loop, _Region] = {}
        self.work = self.meetings = 0

    def table(self, lines: Sequence[Line]) -> Table:
        self._members(lines, None, 1)
        length = len(self.words)
        for region in self.regions.values():
            region.own = -(-length // 8) * 8
            length = region.own + region.words * self.threads
        array = aligned(_WORD * max(1, length)).view(np.int64)
        array[: len(self.words)] = self.words
        for region in self.regions.values():
            array[region.stop + control.OWN] = array.ctypes.data + _WORD * region.own
        program = self._program(array.ctypes.data)
        slots = [i for i, entry in enumerate(self.entries) if entry.line is not None]
        return Table(array, program, self.work, self.meetings, self.places, slots)

    # ---- tables

    def _members(self, lines: Sequence[Line], around: _Region | None, times: int) -> _Members:
        """Write tables and entries of the lines of a region, which is carried out so many times."""
        depth = _depth(around)
        made = _Members()
        for loop, own in groupby(lines, lambda s: s.loops[depth] if len(s.loops) > depth else None):
            if loop is not None:
                self._loop(loop, list(own), around, times, made)
                continue
            for line in own:
                work = evaluated(line.work, self.sizes)
                self.work += work * times
                made.add(self._line(line, around), self.finder.of(line), line.parallel and work >= SERIAL_STEP)
        made.met(outermost=around is None)
        self.meetings += times * sum(bool(entry.flags & control.BARRIER) for entry in made.entries)
        return made

    def _line(self, line: Line, around: _Region | None) -> _Entry:
        entry = _Entry(0, len(self.words), around, line)
        for arg in line.args:
            self._word(arg)
        self.entries.append(entry)
        return entry

    def _loop(self, loop: Loop, lines: Sequence[Line], outer: _Region | None, times: int, made: _Members) -> None:
        region = _Region(loop, outer, evaluated(loop.rounds, self.sizes), len(self.words))
        self.regions[loop] = region
        begin, end = _Entry(control.BEGIN, 0, outer), _Entry(control.END, 0, outer)
        first = len(self.entries)
        self.entries.append(begin)
        inside = self._members(lines, region, times * region.rounds)
        self.entries.append(end)
        end.jump = (len(self.entries) - 1 - first) * control.STEP_BYTES
        begin.jump = end.jump - control.STEP_BYTES
        region.stop = begin.table = end.table = len(self.words)
        self._own_table(region)
        if region.rounds:
            made.add(end, inside.accesses, inside.parallel, joined=inside.parallel)

    def _own_table(self, region: _Region) -> None:
        """A loop's own table, as `control` lists its words; where copies are is written when that is known."""
        count = region.stop - region.start
        self.words += [region.rounds, count, -_WORD * count, 0, _WORD * region.words, len(region.moves)]
        for position, moving in region.moves:
            self.words.append(control.COPY + _WORD * (position - region.start))
            self._word(moving.at[1])
            self._word(moving.at[2])
            self.words.append(evaluated(moving.stride, self.sizes))

    def _word(self, arg: Arg) -> None:
        """Write one argument; its word is noted where it changes in loops, or depends on a home that is not known."""
        position = len(self.words)
        while isinstance(arg, Moving):
            self.regions[arg.loop].moves.append((position, arg))
            arg = arg.at[0]
        if not isinstance(arg, Spot):
            self.words.append(evaluated(arg, self.sizes))
            return
        offset = evaluated(arg.offset, self.sizes)
        place = self.place_of(arg.room)
        if isinstance(place, int):
            self.words.append(place + offset)
            return
        self.places.setdefault(place, []).append((position, offset))
        self.words.append(0)

    # ---- entries

    def _program(self, tables: int) -> np.ndarray[Any, Any]:
        words = [len(self.entries)]
        for entry in self.entries:
            kernel = self.code(entry.line.kernel) if entry.line else entry.jump
            words += [kernel, *self._table_of(entry, tables)]
        array = aligned(_WORD * len(words)).view(np.int64)
        array[:] = words
        return array

    def _table_of(self, entry: _Entry, tables: int) -> tuple[int, int, int]:
        """(the first thread's table, flags, bytes to the next thread's)."""
        region = entry.region
        if region is None:
            return tables + _WORD * entry.table, entry.flags, 0
        place = tables + _WORD * (region.own + entry.table - region.start) + control.COPY
        return place, entry.flags, _WORD * region.words


class _Members:
    """The lines and loops of a region in order; each loop is one."""

    def __init__(self) -> None:
        self.entries: list[_Entry] = []
        self._accesses: list[Sequence[Access]] = []
        self._parallel: list[bool] = []
        self._joined: set[int] = set()

    def add(self, entry: _Entry, accesses: Sequence[Access], parallel: bool, joined: bool = False) -> None:
        """`entry` is where threads meet after it."""
        if joined:
            self._joined.add(len(self.entries))
        entry.flags |= control.PARALLEL if parallel and entry.line is not None else 0
        self.entries.append(entry)
        self._accesses.append(accesses)
        self._parallel.append(parallel)

    @property
    def accesses(self) -> list[Access]:
        """All of them, each once."""
        return list(dict.fromkeys(a for accesses in self._accesses for a in accesses))

    @property
    def parallel(self) -> bool:
        """Whether any is carried out by all threads."""
        return any(self._parallel)

    def met(self, outermost: bool) -> None:
        """Decide where threads meet: inside a loop that is the first thread's alone they do not."""
        if outermost or self.parallel:
            flags = meetings(self._accesses, self._parallel, self._joined)
            for entry, together in zip(self.entries, flags, strict=True):
                entry.flags |= control.BARRIER if together else 0


def _depth(region: _Region | None) -> int:
    return 0 if region is None else 1 + _depth(region.outer)
