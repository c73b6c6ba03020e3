"""From lines to what the walker walks: their argument tables in one array, and the list of entries.

`outline` says what every word is; here words become numbers for the sizes of a call. At the end of the array there is
room for every thread's copy of every loop's region: what is copied from a copy moves with both loops.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from netlang.backends.common.external import External
from netlang.backends.common.numbers import Sizes, evaluated
from netlang.backends.cpu import control
from netlang.backends.cpu.accesses import AccessFinder
from netlang.backends.cpu.barriers import Access, meetings
from netlang.backends.cpu.outline import WORD, Entry, Outline, Region
from netlang.backends.cpu.pace import Pace
from netlang.backends.cpu.program import Line, Room
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
    return _Maker(Outline(lines), places, sizes, code, threads).table()


def home_of(room: Room) -> Home:
    """The place of a room when nothing but homes is known."""
    return room.home if isinstance(room.home, External) else room


class _Maker:
    def __init__(self, outline: Outline, place_of: Places, sizes: Sizes, code: Code, threads: int) -> None:
        self.outline, self.place_of, self.sizes, self.code, self.threads = outline, place_of, sizes, code, threads
        self.places: dict[Home, list[tuple[int, int]]] = {}
        self.own: dict[Region, int] = {}
        """The word at which threads' copies of a region begin."""

    def table(self) -> Table:
        outline = self.outline
        words = self._words()
        length = len(words)
        for region in outline.regions:
            self.own[region] = -(-length // 8) * 8
            length = self.own[region] + region.words * self.threads
        array = aligned(WORD * max(1, length)).view(np.int64)
        array[: len(words)] = words
        for region, own in self.own.items():
            array[region.stop + control.OWN] = array.ctypes.data + WORD * own
        plan = _Plan(outline, AccessFinder(self.place_of, self.sizes), self.sizes)
        slots = [i for i, entry in enumerate(outline.entries) if entry.line is not None]
        program = self._program(array.ctypes.data, plan.flags)
        return Table(array, program, plan.work, plan.meetings, self.places, slots)

    def _words(self) -> list[int]:
        """The numbers of all words. A word is noted where it depends on a home that is not known."""
        found = []
        for position, (room, number) in enumerate(self.outline.words):
            value = evaluated(number, self.sizes)
            place = 0 if room is None else self.place_of(room)
            if not isinstance(place, int):
                self.places.setdefault(place, []).append((position, value))
                value, place = 0, 0
            found.append(place + value)
        return found

    def _program(self, tables: int, flags: Mapping[Entry, int]) -> np.ndarray[Any, Any]:
        words = [len(self.outline.entries)]
        for entry in self.outline.entries:
            kernel = self.code(entry.line.kernel) if entry.line else entry.jump
            words += [kernel, *self._table_of(entry, tables, flags[entry])]
        array = aligned(WORD * len(words)).view(np.int64)
        array[:] = words
        return array

    def _table_of(self, entry: Entry, tables: int, flags: int) -> tuple[int, int, int]:
        """(the first thread's table, flags, bytes to the next thread's)."""
        region = entry.region
        if region is None:
            return tables + WORD * entry.table, flags, 0
        place = tables + WORD * (self.own[region] + entry.table - region.start) + control.COPY
        return place, flags, WORD * region.words


class _Plan:
    """Which lines are for all threads, and where these meet: the flags of all entries, for one set of sizes."""

    def __init__(self, outline: Outline, finder: AccessFinder, sizes: Sizes) -> None:
        self.flags = {entry: entry.flags for entry in outline.entries}
        self.work = self.meetings = 0
        around = [_Members(1)]
        for entry in outline.entries:
            if entry.flags & control.BEGIN:
                assert entry.loop is not None
                around.append(_Members(around[-1].times * evaluated(entry.loop.loop.rounds, sizes)))
            elif entry.flags & control.END:
                inside = around.pop()
                if inside.parallel:
                    self._met(inside)
                if inside.times:
                    around[-1].add(entry, inside.together, inside.parallel, joined=inside.parallel)
            else:
                self._line(entry, around[-1], finder, sizes)
        self._met(around[-1])

    def _line(self, entry: Entry, around: _Members, finder: AccessFinder, sizes: Sizes) -> None:
        line = entry.line
        assert line is not None
        work = evaluated(line.work, sizes)
        self.work += work * around.times
        parallel = line.parallel and work >= SERIAL_STEP
        self.flags[entry] |= control.PARALLEL if parallel else 0
        around.add(entry, finder.of(line), parallel)

    def _met(self, members: _Members) -> None:
        """Decide where threads meet: inside a loop that is the first thread's alone they do not."""
        flags = meetings(members.accesses, members.parallels, members.joined)
        for entry, together in zip(members.entries, flags, strict=True):
            if together:
                self.flags[entry] |= control.BARRIER
                self.meetings += members.times


class _Members:
    """The lines and loops of a region in order, each loop as its end; they are carried out so many times."""

    def __init__(self, times: int) -> None:
        self.times = times
        self.entries: list[Entry] = []
        self.accesses: list[Sequence[Access]] = []
        self.parallels: list[bool] = []
        self.joined: set[int] = set()

    def add(self, entry: Entry, accesses: Sequence[Access], parallel: bool, joined: bool = False) -> None:
        """`entry` is where threads meet after it."""
        if joined:
            self.joined.add(len(self.entries))
        self.entries.append(entry)
        self.accesses.append(accesses)
        self.parallels.append(parallel)

    @property
    def together(self) -> list[Access]:
        """What all of them read and write, each once."""
        return list(dict.fromkeys(a for accesses in self.accesses for a in accesses))

    @property
    def parallel(self) -> bool:
        """Whether any is carried out by all threads."""
        return any(self.parallels)
