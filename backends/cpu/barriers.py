"""Where threads must meet: before a step that touches what another thread may still be writing, or writes what another
may still be reading, since they last met. Steps that have nothing to do with each other, such as the branches of an
Inception block, run into each other: a thread that is done with its share of one begins the next.
"""

from collections.abc import Collection, Hashable, Sequence
from typing import NamedTuple


class Access(NamedTuple):
    """Bytes that a step reads or writes: `start` to `stop` in a `space`, which no other space overlaps.

    `part` narrows it to a range inside each image, where several tensors lie between each other in the same bytes.
    """

    space: Hashable
    start: int
    stop: int
    written: bool
    part: tuple[int, int] | None = None

    def clashes(self, other: "Access") -> bool:
        """Whether the two may not happen at the same time."""
        if not (self.written or other.written) or self.space != other.space:
            return False
        if self.stop <= other.start or other.stop <= self.start:
            return False
        interleaved = self.part is not None and other.part is not None
        if interleaved and (self.start, self.stop) == (other.start, other.stop):
            return _overlap(self.part, other.part)
        return True


def _overlap(one: tuple[int, int] | None, other: tuple[int, int] | None) -> bool:
    assert one is not None and other is not None
    return one[0] < other[1] and other[0] < one[1]


def meetings(
    accesses: Sequence[Sequence[Access]], parallel: Sequence[bool], joined: Collection[int] = ()
) -> list[bool]:
    """For each step, whether all threads meet after it; they always do after the last.

    Steps that are not `parallel` are the first thread's, one after the other. A loop counts as one step; those that are
    `joined`, given by their places, have threads meet at their end anyway.
    """
    meet = [False] * len(accesses)
    since = 0
    """The first step after the last meeting."""
    for i in range(len(accesses)):
        before = [j for j in range(since, i) if parallel[j] or parallel[i]]
        if any(a.clashes(b) for j in before for a in accesses[j] for b in accesses[i]):
            meet[i - 1] = True
            since = i
        if i in joined:
            since = i + 1
    if meet:
        meet[-1] = len(meet) - 1 not in joined
    return meet
