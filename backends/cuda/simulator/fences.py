"""Writes to shared memory that wgmma may not see yet: those that their thread has not fenced since."""

from __future__ import annotations

from collections import defaultdict

from netlang.backends.cuda.simulator.faults import AccessError


class Fences:
    """By thread, the words of shared memory that it has written since its last fence."""

    def __init__(self) -> None:
        self._words: defaultdict[int, set[int]] = defaultdict(set)

    def written(self, thread: int, address: int, size: int) -> None:
        """A thread, or its copy, has written these bytes."""
        self._words[thread].update(range(address >> 2, (address + size + 3) >> 2))

    def fence(self, thread: int) -> None:
        """All that a thread has written is visible to wgmma."""
        self._words.pop(thread, None)

    def check(self, address: int, size: int) -> None:
        """Raises AccessError where a write to these bytes is not visible to wgmma."""
        words = range(address >> 2, (address + size) >> 2)
        for thread, written in self._words.items():
            if not written.isdisjoint(words):
                raise AccessError(
                    f"wgmma reads {size} bytes at {address:#x}, which thread {thread} has written without "
                    "fence_async_shared after it"
                )

    def clear(self) -> None:
        """Another block begins."""
        self._words.clear()
