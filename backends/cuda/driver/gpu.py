"""A GPU as a device of this backend: memory, code, launches and their order."""

from __future__ import annotations

import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from netlang.backends.base import Array
from netlang.backends.cuda.device import Launched
from netlang.backends.cuda.driver import faults
from netlang.backends.cuda.driver.api import Api
from netlang.backends.cuda.driver.code import Code
from netlang.backends.cuda.driver.copies import Copies, event
from netlang.backends.cuda.driver.launching import Clocked, Recorded
from netlang.backends.cuda.driver.properties import Properties, driver_version, read
from netlang.backends.cuda.kernel import Kernel
from netlang.backends.cuda.target import CudaTarget


class Gpu:
    """Implements `netlang.backends.cuda.device.Device`. Threads may use one at a time or together.

    All work is on one stream, in the order in which it was asked for; only transfers of large arrays go beside it.
    """

    def __init__(self, api: Api, index: int = 0) -> None:
        """GPU `index` of those that the driver shows.

        Raises NetError where there is none, or where it or its driver is too old.
        """
        self.api = api
        self.properties = found(api, index)
        self._code = Code(api, self.properties)
        self.context = api.call("cuDevicePrimaryCtxRetain", api.call("cuDeviceGet", index))
        with self.current():
            self.stream, self._copy, self._capture = (self._new_stream() for _ in range(3))
        self._copies = Copies(api, self.stream, self._copy)
        self._sizes: dict[int, int] = {}
        self._capturing = threading.Lock()
        self._leaving: deque[tuple[str, Any]] = deque()

    @property
    def target(self) -> CudaTarget:
        """What lowerings may know of it."""
        is_ = self.properties
        usual = CudaTarget(self._code.arch)
        bandwidth = is_.bandwidth or usual.memory_bandwidth
        return CudaTarget(self._code.arch, is_.multiprocessors, is_.shared, bandwidth)

    @property
    def facts(self) -> dict[str, str | int | float]:
        """What the speed of a kernel goes by: not the driver, as machine code is compiled without it."""
        is_ = self.properties
        return {
            "name": is_.name,
            "capability": ".".join(map(str, is_.capability)),
            "multiprocessors": is_.multiprocessors,
            "shared": is_.shared,
            "bandwidth": is_.bandwidth,
        }

    @property
    def index(self) -> int:
        """Its number among the GPUs that the driver shows."""
        return self.properties.index

    @property
    def stream_number(self) -> int:
        """What other libraries know its stream by."""
        return int(self.stream)

    def build(self, kernels: Sequence[Kernel]) -> None:
        """Compile what is missing, and load everything."""
        with self.current():
            self._code.load(kernels)

    def allocate(self, bytes: int) -> int:
        """The address of so many bytes, a multiple of 256. Raises NetError where there are not so many."""
        with self.current():
            free, total = (int(n) for n in self.api.call("cuMemGetInfo"))
            if bytes > free:
                raise faults.no_memory(bytes, free, total, self.properties.name)
            address = int(self.api.call("cuMemAlloc", max(1, bytes)))
        self._sizes[address] = bytes
        return address

    def free(self, address: int) -> None:
        """Give memory back that `allocate` gave, after all work."""
        del self._sizes[address]
        self._give_back("cuMemFree", address)

    @property
    def allocated(self) -> int:
        """Bytes that `allocate` has given and nobody has given back."""
        return sum(self._sizes.values())

    def upload(self, address: int, array: Array) -> None:
        """Copy an array, C-contiguous, to the GPU; it may be changed as soon as this returns."""
        with self.current():
            self._copies.upload(address, array)

    def download(self, address: int, array: Array) -> None:
        """Wait for all work, and copy from the GPU into an array, C-contiguous."""
        with self.current():
            self._copies.download(address, array)

    def copy(self, target: int, source: int, bytes: int) -> None:
        """Copy from one place of the GPU to another, in the order of its work."""
        if bytes:
            with self.current():
                self.api.call("cuMemcpyDtoDAsync", target, source, bytes, self.stream)

    def receive(self, target: int, device: Gpu, source: int, bytes: int) -> None:
        """Copy from a place of another GPU, in the order of the work of both."""
        from netlang.backends.cuda.driver.peers import copy_between  # which knows of GPUs

        copy_between(device, source, self, target, bytes)

    def wait_for(self, stream: int) -> None:
        """Let later work wait for what another stream has been asked for so far."""
        with self.current():
            done = event(self.api)
            self.api.call("cuEventRecord", done, stream)
            self.api.call("cuStreamWaitEvent", self.stream, done, 0)
            self.api.call("cuEventDestroy", done)

    def record(self, launches: Sequence[Launched]) -> Recorded:
        """Launches as one graph of the driver's, which goes with the last reference to it."""
        work = self._loaded(launches)
        # What another thread asks for meanwhile must not get into the graph: it is captured on a stream of its own.
        with self._capturing, self.current():
            recorded = Recorded(self.api, work, self._capture, self.stream, self.current)
        self._clear()
        self._gives_back(recorded, "cuGraphExecDestroy", recorded.graph)
        return recorded

    def clocked(self, groups: Sequence[Sequence[Launched]]) -> Clocked:
        """Groups of launches as one graph with events between them."""
        self.build([launched.kernel for group in groups for launched in group])
        work = [self._loaded(group) for group in groups]
        with self._capturing, self.current():
            clocked = Clocked(self.api, work, self._capture, self.stream, self.current)
        self._clear()
        self._gives_back(clocked, "cuGraphExecDestroy", clocked.graph)
        for mark in clocked.events:
            self._gives_back(clocked, "cuEventDestroy", mark)
        return clocked

    def _loaded(self, launches: Sequence[Launched]) -> list[tuple[Any, Launched]]:
        """Launches with the driver's functions of their kernels."""
        self.build([launched.kernel for launched in launches])
        return [(self._code.function(launched.kernel), launched) for launched in launches]

    def _gives_back(self, owner: object, function: str, handle: Any) -> None:
        """Have something go with its owner. At the end of the process the driver gives everything back itself."""
        weakref.finalize(owner, self._give_back, function, handle).atexit = False

    def synchronize(self) -> None:
        """Wait for all work. Raises NetError where some of it has failed."""
        with self.current():
            self.api.call("cuStreamSynchronize", self.stream)

    def elapsed(self, work: Callable[[], None]) -> float:
        """Seconds that the GPU takes for what `work` asks for, by its own clock."""
        with self.current():
            start, stop = (event(self.api, timed=True) for _ in range(2))
            try:
                self.api.call("cuEventRecord", start, self.stream)
                work()
                self.api.call("cuEventRecord", stop, self.stream)
                self.api.call("cuEventSynchronize", stop)
                return float(self.api.call("cuEventElapsedTime", start, stop)) / 1e3
            finally:
                for each in (start, stop):
                    self.api.call("cuEventDestroy", each)

    @contextmanager
    def current(self) -> Iterator[None]:
        """Makes this GPU the one that the calling thread speaks to."""
        self.api.call("cuCtxPushCurrent", self.context)
        try:
            yield
        finally:
            self.api.call("cuCtxPopCurrent")

    def _new_stream(self) -> Any:
        # One that does not wait for the legacy stream, on which other libraries may be busy.
        flag = self.api.constant("CUstream_flags", "CU_STREAM_NON_BLOCKING")
        return self.api.call("cuStreamCreate", int(flag))

    def _give_back(self, function: str, handle: Any) -> None:
        """Call a function that frees something, which Python may ask for at any time: not while a thread captures,
        which such calls would spoil."""
        self._leaving.append((function, handle))
        if not self._capturing.locked():
            self._clear()

    def _clear(self) -> None:
        while self._leaving:
            with self.current():
                self.api.call(*self._leaving.popleft())


def found(api: Api, index: int) -> Properties:
    """The properties of a GPU. Raises NetError where it is not there, or its driver is too old."""
    version = driver_version(api)
    if version < faults.OLDEST_DRIVER:
        raise faults.old_driver(version, faults.OLDEST_DRIVER)
    count = int(api.call("cuDeviceGetCount"))
    if count == 0:
        raise faults.DriverFault("cuDeviceGetCount", "CUDA_ERROR_NO_DEVICE")
    if not 0 <= index < count:
        raise faults.no_such_gpu(index, count)
    return read(api, index)
