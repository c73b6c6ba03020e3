"""A launch: every block of a grid, one after the other."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from netlang.backends.cuda.intrinsics.copies import ALIGNMENT
from netlang.backends.cuda.simulator.accesses import Accesses
from netlang.backends.cuda.simulator.block import Block, of_function
from netlang.backends.cuda.simulator.copies import Copy
from netlang.backends.cuda.simulator.coroutines import TURN, program
from netlang.backends.cuda.simulator.faults import SimulationError
from netlang.backends.cuda.simulator.fences import Fences
from netlang.backends.cuda.simulator.meanings import meanings
from netlang.backends.cuda.simulator.memory import Memory
from netlang.backends.cuda.simulator.races import Clock, Races
from netlang.backends.cuda.simulator.unfinished import Queues

MOST_TURNS = 5_000_000
"""Rounds of `while` loops, of a block's threads together, after which a kernel is taken for one that never ends."""
SHARED_START = ALIGNMENT
"""The address of shared memory: not 0, so that a kernel which forgets it is found out."""


@dataclass
class Running:
    """A launch while it is carried out; implements `intrinsics.machine.Machine`."""

    device_memory: Memory
    blocks: tuple[int, int, int]
    block: tuple[int, int, int] = (0, 0, 0)
    thread: int = 0
    turns: int = 0
    shared_base: int = SHARED_START
    watches_fences: bool = False
    """Whether there are products that have to be told what is written to shared memory."""
    watches_races: bool = True
    """Whether threads of the block that runs are checked for races in shared memory."""

    def __post_init__(self) -> None:
        self._clock = Clock()
        self._copies: Queues[Copy] = Queues()
        self.products: Queues[Any] = Queues()
        self._fences = Fences()
        self._shared_memory = Memory(SHARED_START)
        self._races, self._shared_races = Races(self._clock), Races(self._clock)
        self.memory = Accesses(self.device_memory, lambda *access: self._races.note(self.thread, *access))
        self.shared = Accesses(self._shared_memory, self._note_shared)

    def has_shared(self, bytes: int) -> None:
        """A block has so many bytes of shared memory."""
        self._shared_memory.allocate(bytes)

    def start(self, block: tuple[int, int, int]) -> None:
        """A block begins: nothing is in shared memory."""
        self.block, self.turns = block, 0
        self._copies.clear()
        self.products.clear()
        self._fences.clear()
        self._shared_races.clear()
        self._shared_memory.poison()
        self._clock.start()

    def meet(self, warp: int | None) -> None:
        """See `Machine`."""
        self._clock.meet(warp)

    def copy(self, to: int, source: int, size: int, count: int) -> None:
        """See `Machine`."""
        copy = Copy(to, source, size, count)
        copy.check(self.device_memory, self._shared_memory)
        self._note_shared(to, size, True)
        self._copies.ask(self.thread, copy)

    def commit_copies(self) -> None:
        """See `Machine`."""
        self._copies.commit(self.thread)

    def wait_copies(self, pending: int) -> None:
        """See `Machine`."""
        for copy in self._copies.finished(self.thread, pending):
            copy.carry_out(self.device_memory, self._shared_memory)
            self._note_shared(copy.to, copy.size, True)

    def fence(self) -> None:
        """See `Machine`."""
        self._fences.fence(self.thread)

    def check_fenced(self, address: int, size: int) -> None:
        """See `Machine`."""
        self._fences.check(address, size)

    def turn(self) -> bool:
        """Count a round of a `while` loop."""
        self.turns += 1
        if self.turns > MOST_TURNS:
            raise SimulationError(f"a loop that does not end: {MOST_TURNS} rounds")
        return True

    def _note_shared(self, address: int, size: int, writes: bool) -> None:
        if self.watches_races:
            self._shared_races.note(self.thread, address, size, writes)
        if writes and self.watches_fences:
            self._fences.written(self.thread, address, size)


def run(
    source: str,
    arguments: Sequence[int],
    grid: tuple[int, int, int],
    threads: int,
    memory: Memory,
    shared: int = 0,
    name: str = "kernel",
    watched: int | None = None,
) -> None:
    """Carry out a kernel: source text of one function, its arguments (addresses and numbers), blocks in x, y and z.

    Races in shared memory are looked for in all blocks, or in `watched` of them: the first ones and the last.
    Raises SimulationError for what it does wrong, with the name, the block, the thread and the line.
    """
    made = program(source, _file(name))
    launch = Running(memory, grid, watches_fences=any(name.startswith("wgmma") for name in made.names))
    launch.has_shared(shared)
    function = made.function({**meanings(launch, made.names), TURN: launch.turn})
    given = tuple(int(argument) for argument in arguments)
    with np.errstate(all="ignore"):
        for number, (z, y, x) in enumerate(np.ndindex(*reversed(grid))):
            launch.watches_races = watched is None or number + 1 < watched or number + 1 == prod(grid)
            launch.start((x, y, z))
            try:
                _run_block(launch, made.waits, function, given, threads)
            except Exception as error:
                raise _placed(launch, source, name, error) from error


def _run_block(
    launch: Running, waits: bool, function: Callable[..., Any], arguments: tuple[int, ...], threads: int
) -> None:
    made = [function(*arguments) if waits else of_function(function, arguments) for _ in range(threads)]
    Block(launch, made).run()


def _placed(launch: Running, source: str, name: str, error: Exception) -> SimulationError:
    """What went wrong, and where in the kernel."""
    lines = [line for frame, line in traceback.walk_tb(error.__traceback__) if frame.f_code.co_filename == _file(name)]
    where = f", line {lines[-1]}: {source.splitlines()[lines[-1] - 1].strip()}" if lines else ""
    kind = "" if isinstance(error, SimulationError) else f"{type(error).__name__}: "
    return SimulationError(f"{kind}{error} [kernel {name}, block {launch.block}, thread {launch.thread}{where}]")


def _file(name: str) -> str:
    """What stands for the file of a kernel's code."""
    return f"<kernel {name}>"
