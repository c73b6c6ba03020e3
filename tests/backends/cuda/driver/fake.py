"""A driver that is none: it records what it is asked for, and its memory is the host's, so that copies copy.

Streams keep no order of their own here: everything happens at once. That the right waits were asked for is seen in the
recording.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable
from itertools import count
from typing import Any

from netlang.backends.cuda.driver.faults import DriverFault
from netlang.backends.cuda.kernel import ARGUMENT_BYTES

ATTRIBUTES = {
    "MEMORY_CLOCK_RATE": 1_215_000,
    "GLOBAL_MEMORY_BUS_WIDTH": 5120,
    "COMPUTE_CAPABILITY_MAJOR": 8,
    "COMPUTE_CAPABILITY_MINOR": 0,
    "MULTIPROCESSOR_COUNT": 108,
    "MAX_SHARED_MEMORY_PER_BLOCK_OPTIN": 166_912,
}
"""An A100."""


class FakeDriver:
    """Implements `netlang.backends.cuda.driver.api.Api`.

    calls     what was asked for: (function, *arguments)
    faults    function -> the error that it fails with from now on, or what says by the arguments whether it does
    memory    bytes of device memory that are free
    access    whether GPUs read each other's memory directly
    """

    def __init__(self, gpus: int = 1, version: int = 13000, memory: int = 1 << 30, **attributes: int) -> None:
        self.gpus, self.version, self.memory = gpus, version, memory
        self.attributes = {**ATTRIBUTES, **attributes}
        self.calls: list[tuple[Any, ...]] = []
        self.faults: dict[str, str | Callable[..., str | None]] = {}
        self.access = 1
        self._handles = count(1000)
        self._blocks: dict[int, Any] = {}

    def call(self, function: str, *arguments: Any) -> Any:
        self.calls.append((function, *arguments))
        fault = self.faults.get(function)
        code = fault(*arguments) if callable(fault) else fault
        if code is not None:
            raise DriverFault(function, code)
        done = getattr(self, f"_{function}", None)
        return done(*arguments) if done is not None else None

    def constant(self, enumeration: str, name: str) -> Any:
        known = {"CU_EVENT_DEFAULT": 0, "CU_EVENT_DISABLE_TIMING": 2, "CU_STREAM_NON_BLOCKING": 1}
        known["CU_EVENT_RECORD_EXTERNAL"] = 1
        return known.get(name, name)

    def names(self) -> list[str]:
        """The functions that were asked for, in order."""
        return [call[0] for call in self.calls]

    def made(self, function: str) -> list[tuple[Any, ...]]:
        """The arguments of each call of a function."""
        return [call[1:] for call in self.calls if call[0] == function]

    # ---- the driver's functions

    def _cuDriverGetVersion(self) -> int:
        return self.version

    def _cuDeviceGetCount(self) -> int:
        return self.gpus

    def _cuDeviceGet(self, index: int) -> int:
        return index

    def _cuDeviceGetName(self, length: int, device: int) -> bytes:
        return b"Some GPU".ljust(length, b"\0")

    def _cuDeviceGetAttribute(self, attribute: str, device: int) -> int:
        return self.attributes[attribute.removeprefix("CU_DEVICE_ATTRIBUTE_")]

    def _cuDeviceTotalMem(self, device: int) -> int:
        return 1 << 30

    def _cuDevicePrimaryCtxRetain(self, device: int) -> str:
        return f"context {device}"

    def _cuMemGetInfo(self) -> tuple[int, int]:
        return self.memory, 1 << 30

    def _cuMemAlloc(self, size: int) -> int:
        block = (ctypes.c_uint8 * (size + 256))()
        address = -(-ctypes.addressof(block) // 256) * 256
        self._blocks[address] = block
        self.memory -= size
        return address

    def _cuMemFree(self, address: int) -> None:
        self.memory += len(self._blocks.pop(address)) - 256

    def _cuMemHostAlloc(self, size: int, flags: int) -> int:
        free = self.memory
        address = self._cuMemAlloc(size)
        self.memory = free
        return address

    def _cuMemcpyHtoDAsync(self, target: int, source: int, size: int, stream: Any) -> None:
        ctypes.memmove(target, source, size)

    _cuMemcpyDtoHAsync = _cuMemcpyDtoDAsync = _cuMemcpyHtoDAsync

    def _cuMemcpyPeerAsync(self, target: int, there: Any, source: int, here: Any, size: int, stream: Any) -> None:
        ctypes.memmove(target, source, size)

    def _cuDeviceCanAccessPeer(self, reader: int, owner: int) -> int:
        return self.access

    def _cuEventElapsedTime(self, start: Any, stop: Any) -> float:
        return 2.5

    def _handle(self, *_: Any) -> int:
        return next(self._handles)

    _cuStreamCreate = _cuEventCreate = _cuModuleLoadData = _cuStreamEndCapture = _cuGraphInstantiate = _handle

    def _cuModuleGetFunction(self, module: int, name: bytes) -> str:
        return f"{name.decode()} of {module}"


def unpacked(kinds: str, address: int) -> tuple[int, ...]:
    """The arguments of a launch, as a kernel would read them from the driver's array of addresses."""
    places = (ctypes.c_void_p * len(kinds)).from_address(address)
    formats = {"p": "Q", "i": "i", "l": "q"}
    found = []
    for kind, place in zip(kinds, places, strict=True):
        assert place is not None
        [value] = struct.unpack(formats[kind], ctypes.string_at(place, ARGUMENT_BYTES[kind]))
        found.append(value)
    return tuple(found)
