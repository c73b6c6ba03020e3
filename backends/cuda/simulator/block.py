"""One block: its threads take turns, each runs until it waits for others at a collective word.

A warp's or group's word is carried out when all its threads are there; `sync` when all threads of the block are that
have not returned. If nobody can go on, the launch ends with who waits where.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator
from types import GeneratorType
from typing import Any, TypeAlias

from netlang.backends.cuda.intrinsics import WORDS
from netlang.backends.cuda.intrinsics.machine import Machine
from netlang.backends.cuda.intrinsics.word import GROUP_SIZES, Word
from netlang.backends.cuda.simulator.faults import SimulationError

Thread: TypeAlias = "GeneratorType[tuple[str, tuple[Any, ...]], Any, None]"


class Block:
    """The threads of a block, each a coroutine, and what those that wait for others have asked for."""

    def __init__(self, machine: Machine, threads: list[Thread]) -> None:
        self._machine = machine
        self._threads = threads
        self._waiting: dict[int, tuple[str, tuple[Any, ...]]] = {}
        self._alive = set(range(len(threads)))

    def run(self) -> None:
        """Until every thread has returned."""
        ready: list[tuple[int, Any]] = [(thread, None) for thread in range(len(self._threads))]
        while ready:
            for thread, result in ready:
                self._advance(thread, result)
            ready = self._meet()
        if self._waiting:
            raise SimulationError(self._stuck())

    def _advance(self, thread: int, result: Any) -> None:
        self._machine.thread = thread
        try:
            self._waiting[thread] = self._threads[thread].send(result)
        except StopIteration:
            self._alive.discard(thread)

    def _meet(self) -> list[tuple[int, Any]]:
        """Carry out every word at which all have arrived: who goes on, with what."""
        groups: dict[tuple[str, int], list[int]] = {}
        for thread, (name, _) in self._waiting.items():
            size = GROUP_SIZES.get(WORDS[name].scope, len(self._threads))
            groups.setdefault((name, thread // size), []).append(thread)
        ready: list[tuple[int, Any]] = []
        for (name, _), members in groups.items():
            word = WORDS[name]
            if len(members) == self._needed(word):
                members.sort()
                self._machine.thread = members[0]
                results = word.meaning(self._machine, [self._waiting.pop(thread)[1] for thread in members])
                ready += zip(members, results, strict=True)
        return sorted(ready)

    def _needed(self, word: Word) -> int:
        return GROUP_SIZES.get(word.scope, len(self._alive))

    def _stuck(self) -> str:
        places: Counter[tuple[str, int]] = Counter()
        for thread, (name, _) in self._waiting.items():
            places[name, _line(self._threads[thread])] += 1
        listed = ", ".join(f"{count} at {name} (line {line})" for (name, line), count in places.items())
        gone = len(self._threads) - len(self._alive)
        return f"its threads wait for each other: {listed}, {gone} have returned"


def _line(thread: Thread) -> int:
    frame = thread.gi_frame
    return frame.f_lineno if frame else 0


def of_function(function: Callable[..., None], arguments: tuple[Any, ...]) -> Thread:
    """A kernel without collective words as a coroutine that never waits."""

    def coroutine() -> Generator[tuple[str, tuple[Any, ...]], Any, None]:
        function(*arguments)
        yield from ()

    made = coroutine()
    assert isinstance(made, GeneratorType)
    return made
