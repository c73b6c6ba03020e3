"""Arrays to the GPU and back, through pinned memory and with the transfer on a stream of its own.

What is uploaded is first copied into pinned memory, so that the caller may change his array at once. A large array goes
on, chunk by chunk, over the copy stream into landing places on the GPU, which no kernel reads, while the compute stream
is still busy with what was asked for before; it then takes them from there, which costs it the time of a copy inside of
the GPU only. Small arrays go by the compute stream itself.
"""

from __future__ import annotations

import ctypes
import threading
from collections import deque
from typing import Any

from netlang.backends.base import Array
from netlang.backends.cuda.driver.api import Api
from netlang.backends.cuda.driver.faults import DriverFault

CHUNK = 4 << 20
"""Bytes of a slot."""
MOST_SLOTS = 16
"""So many chunks can be under way at once."""
DIRECT = 256 << 10
"""Arrays up to so many bytes need no landing place: their transfer takes less than meeting of two streams."""


class Slot:
    """Pinned memory for a chunk, and a landing place for it on the GPU.

    host       address of the pinned memory
    landing    address on the GPU; 0 until one is needed
    copied     event: the transfer that uses `host` is done
    consumed   event: the compute stream has taken what had landed
    """

    def __init__(self, api: Api) -> None:
        self.host = int(api.call("cuMemHostAlloc", CHUNK, 0))
        self.landing = 0
        self.copied, self.consumed = (event(api) for _ in range(2))


class Copies:
    """The slots of one GPU. One that is given back is taken again when its transfer is done."""

    def __init__(self, api: Api, compute: Any, copy: Any) -> None:
        """`compute` and `copy` are streams."""
        self._api, self._compute, self._copy = api, compute, copy
        self._slots: deque[Slot] = deque()
        self._made = 0
        self._lock = threading.Lock()

    def upload(self, address: int, array: Array) -> None:
        """Copy an array, C-contiguous, to the GPU in the order of the compute stream; it is read by then."""
        source, size = array.ctypes.data, array.nbytes
        with self._lock:
            for start in range(0, size, CHUNK):
                count = min(CHUNK, size - start)
                slot = self._take()
                ctypes.memmove(slot.host, source + start, count)
                (self._direct if size <= DIRECT else self._by_landing)(slot, address + start, count)
                self._slots.append(slot)

    def download(self, address: int, array: Array) -> None:
        """Wait for the compute stream, and copy from the GPU into an array, C-contiguous."""
        target, size = array.ctypes.data, array.nbytes
        waiting: deque[tuple[Slot, int, int]] = deque()

        def finish() -> None:
            slot, start, count = waiting.popleft()
            self._api.call("cuEventSynchronize", slot.copied)
            ctypes.memmove(target + start, slot.host, count)
            self._slots.append(slot)

        with self._lock:
            for start in range(0, size, CHUNK):
                count = min(CHUNK, size - start)
                if len(waiting) == MOST_SLOTS:
                    finish()
                slot = self._take()
                self._api.call("cuMemcpyDtoHAsync", slot.host, address + start, count, self._compute)
                self._api.call("cuEventRecord", slot.copied, self._compute)
                waiting.append((slot, start, count))
            while waiting:
                finish()

    def _direct(self, slot: Slot, address: int, count: int) -> None:
        self._api.call("cuMemcpyHtoDAsync", address, slot.host, count, self._compute)
        self._api.call("cuEventRecord", slot.copied, self._compute)

    def _by_landing(self, slot: Slot, address: int, count: int) -> None:
        call = self._api.call
        slot.landing = slot.landing or int(call("cuMemAlloc", CHUNK))
        call("cuStreamWaitEvent", self._copy, slot.consumed, 0)
        call("cuMemcpyHtoDAsync", slot.landing, slot.host, count, self._copy)
        call("cuEventRecord", slot.copied, self._copy)
        call("cuStreamWaitEvent", self._compute, slot.copied, 0)
        call("cuMemcpyDtoDAsync", address, slot.landing, count, self._compute)
        call("cuEventRecord", slot.consumed, self._compute)

    def _take(self) -> Slot:
        """The slot that was given back longest ago, or a new one while that one is busy and there may be more."""
        busy = not self._slots or not is_done(self._api, self._slots[0].copied)
        if busy and self._made < MOST_SLOTS:
            self._made += 1
            return Slot(self._api)
        slot = self._slots.popleft()
        self._api.call("cuEventSynchronize", slot.copied)
        return slot


def event(api: Api, timed: bool = False) -> Any:
    """A new event, which counts as done until it is recorded."""
    flag = "CU_EVENT_DEFAULT" if timed else "CU_EVENT_DISABLE_TIMING"
    return api.call("cuEventCreate", int(api.constant("CUevent_flags", flag)))


def is_done(api: Api, event: Any) -> bool:
    """Whether all that was asked for before an event was recorded is done."""
    try:
        api.call("cuEventQuery", event)
    except DriverFault as fault:
        if fault.code != "CUDA_ERROR_NOT_READY":
            raise
        return False
    return True
