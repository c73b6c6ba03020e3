"""What a device is to the rest of the backend: memory, kernels, launches. A GPU is one, the simulator another."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from netlang.backends.base import Array
from netlang.backends.cuda.kernel import Kernel
from netlang.backends.cuda.target import CudaTarget


@dataclass(frozen=True)
class Extent:
    """Some bytes at an address that a launch may read and, where `written`, write."""

    address: int
    bytes: int
    written: bool


@dataclass(frozen=True)
class Launched:
    """A launch with all numbers known: addresses and sizes are integers.

    extents     where the buffers of its step are, for devices that hold a kernel to it; empty where nobody says
    """

    kernel: Kernel
    arguments: tuple[int, ...]
    grid: tuple[int, int, int]
    extents: tuple[Extent, ...] = ()


class Recording(Protocol):
    """Launches in order, ready to be carried out again and again."""

    def replay(self) -> None:
        """Carry them out; may return before they are done."""
        ...


class Clocked(Protocol):
    """Groups of launches in order, with a clock between them."""

    def seconds(self) -> list[float]:
        """Carry them out and wait: what each group took, by the device's own clock."""
        ...


class Device(Protocol):
    """Work is done in the order in which it was asked for; only `download` and `synchronize` wait for it."""

    target: CudaTarget
    facts: Mapping[str, str | int | float]
    """What tells devices apart for which different kernels may be fastest: a name, and figures by what they are."""
    index: int
    """Its number among the devices of its kind, from 0."""
    stream_number: int
    """What other libraries know the stream by that all work is on: the address of the driver's CUstream."""

    def build(self, kernels: Sequence[Kernel]) -> None:
        """Generate or load the code of these kernels."""
        ...

    def allocate(self, bytes: int) -> int:
        """The address of so many bytes, a multiple of 256. Raises NetError where there are not so many."""
        ...

    def free(self, address: int) -> None:
        """Give memory back that `allocate` gave."""
        ...

    def upload(self, address: int, array: Array) -> None:
        """Copy an array, C-contiguous, to the device; it may be changed as soon as this returns."""
        ...

    def download(self, address: int, array: Array) -> None:
        """Wait for all work, and copy from the device into an array, C-contiguous."""
        ...

    def copy(self, target: int, source: int, bytes: int) -> None:
        """Copy from one place of the device to another."""
        ...

    def receive(self, target: int, device: Any, source: int, bytes: int) -> None:
        """Copy from a place of another device of the same kind, after what that has been asked for so far."""
        ...

    def wait_for(self, stream: int) -> None:
        """Let later work wait for what another stream has been asked for so far."""
        ...

    def record(self, launches: Sequence[Launched]) -> Recording:
        """Launches to be carried out together."""
        ...

    def clocked(self, groups: Sequence[Sequence[Launched]]) -> Clocked:
        """Launches to be carried out one after the other and timed group by group; a group may be empty."""
        ...

    def elapsed(self, work: Callable[[], None]) -> float:
        """Seconds that the device takes for what `work` asks for, by its own clock."""
        ...

    def synchronize(self) -> None:
        """Wait for all work. Raises NetError where some of it has failed."""
        ...
