"""Accesses of several threads to the same bytes that nothing orders, of which at least one is a write.

Within a block, `sync` orders what came before it before what comes after it, and `sync_warp` does so for the threads of
a warp. Nothing orders the blocks of a launch. Which access comes first in the simulator says nothing about a GPU, so
either order is an error.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from netlang.backends.cuda.simulator.faults import AccessError

_WORD = 4
_LANES = 5  # bits of a thread's number within its warp
_SEVERAL = -1
"""Stands for a thread, a warp or a block where there have been several."""


@dataclass(slots=True)
class Clock:
    """What has been ordered so far: the block that runs, how often it has met, and how often each of its warps."""

    block: int = 0
    meetings: int = 0
    warps: dict[int, int] = field(default_factory=lambda: defaultdict(int))

    def start(self) -> None:
        """The next block begins."""
        self.block += 1
        self.meet(None)

    def meet(self, warp: int | None) -> None:
        """A warp, or with None the whole block, has met."""
        if warp is None:
            self.meetings += 1
        else:
            self.warps[warp] += 1


@dataclass(slots=True, frozen=True)
class Touch:
    """An access: by whom, and after how many meetings of its block and of its warp."""

    thread: int
    warp: int
    block: int
    meetings: int
    meeting: int

    def before(self, later: Touch) -> bool:
        """Whether something orders it before a later one."""
        if self.block != later.block:
            return False
        if self.thread == later.thread or self.meetings < later.meetings:
            return True
        return self.warp == later.warp and self.meeting < later.meeting

    def stands_for(self, later: Touch) -> bool:
        """Whether it is several reads already, of which one more makes no difference."""
        if self.thread != _SEVERAL or self.meetings != later.meetings:
            return False
        return self.warp == _SEVERAL or (self.warp == later.warp and self.meeting == later.meeting)

    def joined(self, later: Touch) -> Touch:
        """Two reads as one: what both are ordered before."""
        if self.before(later):
            return later
        warp = later.warp if self.warp == later.warp else _SEVERAL
        block = later.block if self.block == later.block else _SEVERAL
        return Touch(_SEVERAL, warp, block, later.meetings, later.meeting)


class _Table:
    """The latest write and the latest reads of each place."""

    def __init__(self) -> None:
        self.written: dict[int, Touch] = {}
        self.read: dict[int, Touch] = {}

    def conflict(self, places: range, now: Touch, writes: bool) -> tuple[str, Touch] | None:
        """What an access to some places is in a race with, and how that was."""
        for place in places:
            before = self.written.get(place)
            if before is not None and not before.before(now):
                return "written", before
            before = self.read.get(place) if writes else None
            if before is not None and not before.before(now):
                return "read", before
        return None

    def note(self, places: range, now: Touch, writes: bool) -> tuple[str, Touch] | None:
        """Keep an access to some places, unless it is in a race: then what with. One loop, because speed matters."""
        written, read = self.written, self.read
        for place in places:
            before = written.get(place)
            if before is not None and before is not now and not before.before(now):
                return "written", before
            before = read.get(place)
            if writes:
                if before is not None and before is not now and not before.before(now):
                    return "read", before
                written[place] = now
            elif before is None:
                read[place] = now
            elif before is not now and not before.stands_for(now):
                read[place] = before.joined(now)
        return None


class Races:
    """The accesses to one space: those of words and more by words, smaller ones by bytes."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._words, self._bytes = _Table(), _Table()
        self._mixed = False
        self._latest: dict[int, Touch] = {}

    def clear(self) -> None:
        """Forget everything: the space is another block's now."""
        self._words, self._bytes, self._mixed = _Table(), _Table(), False

    def note(self, thread: int, address: int, size: int, writes: bool) -> None:
        """An access by a thread of the block that runs. Raises AccessError if it is in a race with an earlier one."""
        now = self._now(thread)
        if size < _WORD:
            self._mixed = True
            found = self._bytes.note(range(address, address + size), now, writes)
            found = found or self._words.conflict(range(address >> 2, (address >> 2) + 1), now, writes)
        else:
            found = self._words.note(range(address >> 2, (address + size) >> 2), now, writes)
            if self._mixed:
                found = found or self._bytes.conflict(range(address, address + size), now, writes)
        if found is not None:
            raise AccessError(_text(now, address, size, writes, *found))

    def _now(self, thread: int) -> Touch:
        """The same object for all accesses of a thread between meetings."""
        clock, latest, warp = self._clock, self._latest.get(thread), thread >> _LANES
        if latest is None or latest.meetings != clock.meetings or latest.meeting != clock.warps[warp]:
            latest = Touch(thread, warp, clock.block, clock.meetings, clock.warps[warp])
            self._latest[thread] = latest
        return latest


def _text(now: Touch, address: int, size: int, writes: bool, how: str, before: Touch) -> str:
    whom = f"thread {before.thread}" if before.thread != _SEVERAL else "several threads"
    where = "" if before.block == now.block else " of another block"
    verb = "writes" if writes else "reads"
    return f"a race: it {verb} {size} bytes at {address:#x}, {how} by {whom}{where} with no barrier between"
