"""What the meanings of words ask of the simulator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol


class Space(Protocol):
    """Memory by address: of the device, or a block's shared memory."""

    def loader(self, kind: str, count: int = 1) -> Callable[[int, int], Any]:
        """(address, offset in bytes) -> one element, or a tuple of `count`; `kind` as in `elements.py`."""
        ...

    def vectors(self, kind: str, count: int) -> Callable[[int, int], Any]:
        """As `loader`, for floats: an array, good until the next store."""
        ...

    def storer(self, kind: str, count: int = 1) -> Callable[[int, int, Any], None]:
        """(address, offset in bytes, element or tuple) -> None."""
        ...


class Products(Protocol):
    """Work in groups that are waited for in order."""

    def ask(self, asker: int, work: Any) -> None:
        """More work."""
        ...

    def commit(self, asker: int) -> None:
        """What was asked for since the last commit is a group."""
        ...

    def finished(self, asker: int, pending: int) -> list[Any]:
        """The work that is done when no more than so many groups are unfinished."""
        ...


class Machine(Protocol):
    """A launch while it is simulated."""

    thread: int
    """The thread that is being carried out, of its block."""
    block: tuple[int, int, int]
    blocks: tuple[int, int, int]
    shared_base: int

    @property
    def products(self) -> Products:
        """Those of warp groups that may be unfinished, by the first thread of the group."""
        ...

    @property
    def memory(self) -> Space:
        """What 64-bit addresses name."""
        ...

    @property
    def shared(self) -> Space:
        """What 32-bit addresses name: the shared memory of the block."""
        ...

    def fence(self) -> None:
        """What this thread has written to shared memory is visible to wgmma."""
        ...

    def check_fenced(self, address: int, size: int) -> None:
        """Raises an error where wgmma may not see what is in these bytes of shared memory."""
        ...

    def meet(self, warp: int | None) -> None:
        """All threads of a warp, or with None of the block, have met: what they wrote is visible to each other."""
        ...

    def copy(self, to: int, source: int, size: int, count: int) -> None:
        """cp.async: `count` bytes from device memory to shared memory, then zeros up to `size`; done by a wait."""
        ...

    def commit_copies(self) -> None:
        """What this thread has copied since the last commit is a group."""
        ...

    def wait_copies(self, pending: int) -> None:
        """Wait until no more than so many groups of this thread are unfinished."""
        ...
