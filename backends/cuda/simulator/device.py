"""The simulator as a device of the backend."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from netlang.backends.base import Array
from netlang.backends.cuda.device import Launched
from netlang.backends.cuda.kernel import ARGUMENT_BYTES, Kernel
from netlang.backends.cuda.simulator.faults import SimulationError
from netlang.backends.cuda.simulator.launch import run
from netlang.backends.cuda.simulator.memory import START, Memory
from netlang.backends.cuda.target import CudaTarget

TARGET = CudaTarget("80", small=True)
"""What kernels are chosen for where nobody says otherwise: tensor cores and asynchronous copies, small blocks."""


class Simulator:
    """Implements `netlang.backends.cuda.device.Device`. Everything is done at once."""

    stream_number = 0

    def __init__(self, target: CudaTarget = TARGET, index: int = 0, watched: int | None = None) -> None:
        """Addresses of devices with different numbers differ. `watched`: in how many blocks of a launch races in shared
        memory are looked for, which takes most of the time; None: in all."""
        self.target, self.index, self._watched = target, index, watched
        self.facts = {"name": "simulator", "arch": target.arch}
        self.memory = Memory(START + (index << 40))
        self._sources: dict[Kernel, str] = {}

    def build(self, kernels: Sequence[Kernel]) -> None:
        """Generate the source of these kernels."""
        for kernel in kernels:
            if kernel.shared > self.target.shared_bytes:
                raise SimulationError(f"{kernel.key}: {kernel.shared} bytes of shared memory, {self.target} has fewer")
            if kernel not in self._sources:
                self._sources[kernel] = kernel.source()

    def allocate(self, bytes: int) -> int:
        """The address of so many bytes, all of them poison."""
        return self.memory.allocate(bytes)

    def free(self, address: int) -> None:
        """Give memory back that `allocate` gave."""
        self.memory.free(address)

    def upload(self, address: int, array: Array) -> None:
        """Copy an array to the device."""
        self.memory.view(address, array.dtype, array.shape)[...] = array

    def download(self, address: int, array: Array) -> None:
        """Copy from the device into an array."""
        array[...] = self.memory.view(address, array.dtype, array.shape)

    def copy(self, target: int, source: int, bytes: int) -> None:
        """Copy from one place of the device to another."""
        byte = np.dtype(np.uint8)
        self.memory.view(target, byte, (bytes,))[...] = self.memory.view(source, byte, (bytes,))

    def receive(self, target: int, device: Simulator, source: int, bytes: int) -> None:
        """Copy from a place of another device."""
        byte = np.dtype(np.uint8)
        self.memory.view(target, byte, (bytes,))[...] = device.memory.view(source, byte, (bytes,))

    def wait_for(self, stream: int) -> None:
        """There is nothing to wait for."""

    def record(self, launches: Sequence[Launched]) -> Recorded:
        """Launches to be carried out together."""
        self.build([launched.kernel for launched in launches])
        return Recorded(self, tuple(launches))

    def launch(self, launched: Launched) -> None:
        """Carry out a kernel, which reaches nothing but the buffers of its step and writes only what that says."""
        kernel = launched.kernel
        for letter, argument in zip(kernel.arguments, launched.arguments, strict=True):
            bits = 8 * ARGUMENT_BYTES[letter] - (letter != "p")
            if not (0 if letter == "p" else -1 << bits) <= argument < 1 << bits:
                raise SimulationError(f"{kernel.key}: {argument} is no argument of kind '{letter}'")
        memory = self.memory.window(launched.extents) if launched.extents else self.memory
        source = self._sources[kernel]
        numbers, grid = launched.arguments, launched.grid
        run(source, numbers, grid, kernel.threads, memory, kernel.shared, kernel.key, self._watched)

    def clocked(self, groups: Sequence[Sequence[Launched]]) -> ClockedGroups:
        """Launches to be timed group by group, by `elapsed`."""
        return ClockedGroups(self, [self.record(group) for group in groups])

    def elapsed(self, work: Callable[[], None]) -> float:
        """Seconds that `work` takes on this machine."""
        start = time.perf_counter()
        work()
        return time.perf_counter() - start

    def synchronize(self) -> None:
        """All work is done."""


@dataclass(frozen=True)
class Recorded:
    """Implements `netlang.backends.cuda.device.Recording`."""

    device: Simulator
    launches: tuple[Launched, ...]

    def replay(self) -> None:
        """Carry them out."""
        for launched in self.launches:
            self.device.launch(launched)


@dataclass(frozen=True)
class ClockedGroups:
    """Implements `netlang.backends.cuda.device.Clocked`."""

    device: Simulator
    groups: Sequence[Recorded]

    def seconds(self) -> list[float]:
        """Carry them out."""
        return [self.device.elapsed(group.replay) for group in self.groups]


def default_device() -> Simulator:
    """A device with memory of its own."""
    return Simulator()


def further_devices() -> tuple[Simulator, ...]:
    """There is one device."""
    return ()
