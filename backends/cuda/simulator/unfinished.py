"""What a thread, or a group of them, has asked for and not waited for yet: asynchronous copies and products."""

from __future__ import annotations

from collections import defaultdict
from typing import Generic, TypeVar

Work = TypeVar("Work")


class Queues(Generic[Work]):
    """By asker: committed groups of work, oldest first, and what came since the last commit."""

    def __init__(self) -> None:
        self._groups: defaultdict[int, list[list[Work]]] = defaultdict(list)
        self._latest: defaultdict[int, list[Work]] = defaultdict(list)

    def ask(self, asker: int, work: Work) -> None:
        """More work of the group that is not committed."""
        self._latest[asker].append(work)

    def commit(self, asker: int) -> None:
        """A group of what came since the last one, which may be nothing."""
        self._groups[asker].append(self._latest.pop(asker, []))

    def finished(self, asker: int, pending: int) -> list[Work]:
        """The work that is done when no more than so many groups are unfinished; it is forgotten."""
        groups = self._groups[asker]
        count = max(0, len(groups) - pending)
        done = [work for group in groups[:count] for work in group]
        del groups[:count]
        return done

    def clear(self) -> None:
        """Another block begins."""
        self._groups.clear()
        self._latest.clear()
