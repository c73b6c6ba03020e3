"""Carries kernels out in Numba's own CUDA simulator, where every thread is one of the operating system.

It is far slower than the backend's simulator and does not know words, so they mean here what they mean there; but it
starts threads, gives them their indices and lets them meet at `sync` in its own way.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

import numpy as np

from netlang.backends.cuda.intrinsics import WORDS
from netlang.backends.cuda.intrinsics.word import GROUP_SIZES, Word
from netlang.backends.cuda.simulator.accesses import Accesses
from netlang.backends.cuda.simulator.copies import Copy
from netlang.backends.cuda.simulator.meanings import meanings
from netlang.backends.cuda.simulator.memory import Memory
from netlang.backends.cuda.simulator.unfinished import Queues

SHARED_START = 1024
PATIENCE = 60.0
"""Seconds that a thread waits for the others of its warp or group."""


class NumbaMachine:
    """Implements `intrinsics.machine.Machine` for one block."""

    def __init__(self, memory: Memory, shared: int) -> None:
        self.shared_base = SHARED_START
        self.blocks = self.block = (1, 1, 1)
        self._own = threading.local()
        self._memory, self._shared = memory, Memory(SHARED_START)
        self._shared.allocate(shared)
        self.memory, self.shared = Accesses(self._memory), Accesses(self._shared)
        self._copies: Queues[Copy] = Queues()
        self.products: Queues[Any] = Queues()

    @property
    def thread(self) -> int:
        """The thread that asks, or what a collective word takes it for."""
        taken: int | None = getattr(self._own, "thread", None)
        return threading.current_thread().thread_id if taken is None else taken  # type: ignore[attr-defined]

    @thread.setter
    def thread(self, thread: int | None) -> None:
        self._own.thread = thread

    def meet(self, warp: int | None) -> None:
        """Nothing is kept of what is ordered."""

    def fence(self) -> None:
        """Nothing is kept of what is fenced."""

    def check_fenced(self, address: int, size: int) -> None:
        """As `fence`."""

    def copy(self, to: int, source: int, size: int, count: int) -> None:
        self._copies.ask(self.thread, Copy(to, source, size, count))

    def commit_copies(self) -> None:
        self._copies.commit(self.thread)

    def wait_copies(self, pending: int) -> None:
        for copy in self._copies.finished(self.thread, pending):
            copy.carry_out(self._memory, self._shared)


class _Meeting:
    """Threads that meet again and again: the last to come carries the word out for all."""

    def __init__(self, machine: NumbaMachine, first: int, size: int) -> None:
        self.arguments: list[Any] = [None] * size
        self.results: list[Any] = []
        self.word: Word | None = None
        self._machine, self._first = machine, first
        self.barrier = threading.Barrier(size, self._carry_out, PATIENCE)

    def _carry_out(self) -> None:
        assert self.word is not None
        self._machine.thread = self._first
        self.results = self.word.meaning(self._machine, list(self.arguments))
        self._machine.thread = None


def run(source: str, arguments: Sequence[int], threads: int, memory: Memory, shared: int = 0) -> None:
    """One block of a kernel. The process has to be one with NUMBA_ENABLE_CUDASIM=1."""
    cuda: Any = import_module("numba.cuda")
    machine = NumbaMachine(memory, shared)
    names = meanings(machine, WORDS)
    meetings: dict[int, list[_Meeting]] = {
        size: [_Meeting(machine, first, size) for first in range(0, threads, size) if first + size <= threads]
        for size in GROUP_SIZES.values()
    }
    for word in WORDS.values():
        if word.collective and word.scope != "block":
            names[word.name] = _together(word, meetings[GROUP_SIZES[word.scope]])
    names["sync"] = lambda: threading.current_thread().syncthreads()  # type: ignore[attr-defined]
    exec(source, names)
    with np.errstate(all="ignore"):
        cuda.jit(names["kernel"])[1, threads](*arguments)


def _together(word: Word, meetings: list[_Meeting]) -> Callable[..., Any]:
    def call(*arguments: Any) -> Any:
        thread = threading.current_thread().thread_id  # type: ignore[attr-defined]
        size = len(meetings[0].arguments)
        meeting = meetings[thread // size]
        meeting.arguments[thread % size], meeting.word = arguments, word
        meeting.barrier.wait()
        return meeting.results[thread % size]

    return call
