"""cp.async as late as it may be: bytes arrive when a wait says that they must have, and are read only then."""

from __future__ import annotations

from dataclasses import dataclass

from netlang.backends.cuda.simulator.faults import AccessError
from netlang.backends.cuda.simulator.memory import Memory


@dataclass(frozen=True)
class Copy:
    """`count` bytes of `source`, then zeros: `size` bytes at `to`."""

    to: int
    source: int
    size: int
    count: int

    def check(self, memory: Memory, shared: Memory) -> None:
        """Raises AccessError where an address is wrong."""
        if not 0 <= self.count <= self.size:
            raise AccessError(f"a copy of {self.count} of {self.size} bytes")
        for name, address in (("from", self.source), ("to", self.to)):
            if address % self.size:
                raise AccessError(f"a copy of {self.size} bytes {name} {address:#x}, which is not aligned to it")
        shared.find(self.to, self.size)
        if self.count:
            memory.find(self.source, self.count)

    def carry_out(self, memory: Memory, shared: Memory) -> None:
        """Move the bytes."""
        goal = shared.find(self.to, self.size)
        at = self.to - goal.base
        goal.data[at + self.count : at + self.size] = 0
        if self.count:
            origin = memory.find(self.source, self.count)
            start = self.source - origin.base
            goal.data[at : at + self.count] = origin.data[start : start + self.count]
