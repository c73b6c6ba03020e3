"""Starting kernels on a stream, and capturing launches into a graph that is carried out as one."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from itertools import pairwise
from typing import Any

from netlang.backends.cuda.device import Launched
from netlang.backends.cuda.driver.api import Api
from netlang.backends.cuda.driver.copies import event
from netlang.backends.cuda.kernel import ARGUMENT_BYTES

Current = Callable[[], AbstractContextManager[None]]
Asked = Callable[[Any], None]
"""What asks a stream for something."""
_FORMATS = {"p": "Q", "i": "i", "l": "q"}
MOST_BLOCKS = (2**31 - 1, 65535, 65535)
"""Blocks of a grid by dimension (CUDA C++ Programming Guide, technical specifications)."""


class Parameters:
    """The arguments of a launch as the driver takes them: an array of addresses, one per argument.

    The driver copies them when the launch is made or captured; they need not live longer.
    """

    def __init__(self, kinds: str, values: Sequence[int]) -> None:
        """Raises ValueError for a number of arguments that is not the kernel's, or one that does not fit its type."""
        if len(kinds) != len(values):
            raise ValueError(f"{len(values)} arguments instead of {len(kinds)}")
        packed, places = bytearray(), []
        for kind, value in zip(kinds, values, strict=True):
            packed += bytes(-len(packed) % ARGUMENT_BYTES[kind])
            places.append(len(packed))
            try:
                packed += struct.pack(_FORMATS[kind], value)
            except struct.error as fault:
                raise ValueError(f"argument {len(places) - 1}: {value} does not fit type '{kind}'") from fault
        self._values = (ctypes.c_uint8 * max(1, len(packed))).from_buffer(packed or bytearray(1))
        start = ctypes.addressof(self._values)
        self._addresses = (ctypes.c_void_p * max(1, len(places)))(*[start + place for place in places])

    @property
    def address(self) -> int:
        """Of the array of addresses."""
        return ctypes.addressof(self._addresses)


def launch(api: Api, function: Any, launched: Launched, stream: Any) -> None:
    """Start one kernel; nothing for a grid without blocks."""
    kernel, grid = launched.kernel, launched.grid
    if 0 in grid:
        return
    if any(not 0 < blocks <= most for blocks, most in zip(grid, MOST_BLOCKS, strict=True)):
        raise ValueError(f"kernel {kernel.key}: no GPU takes a grid of {grid}")
    try:
        parameters = Parameters(kernel.arguments, launched.arguments)
    except ValueError as fault:
        raise ValueError(f"kernel {kernel.key}: {fault}") from fault
    block = (kernel.threads, 1, 1)
    api.call("cuLaunchKernel", function, *grid, *block, kernel.shared, stream, parameters.address, 0)


class Recorded:
    """A graph of launches; each replay costs the processor one call."""

    def __init__(
        self, api: Api, work: Iterable[tuple[Any, Launched]], capture: Any, stream: Any, current: Current
    ) -> None:
        """`work`: functions with their launches, in order. They are captured on the stream `capture` and carried out
        on `stream`; `current` makes the GPU current, as it must be here already."""
        self._api, self._stream, self._current = api, stream, current
        asked = (partial(launch, api, function, launched) for function, launched in work)
        self.graph = _instantiated(api, _captured(api, asked, capture))
        api.call("cuGraphUpload", self.graph, stream)

    def replay(self) -> None:
        """Carry the launches out, after all that was asked for before."""
        with self._current():
            self._api.call("cuGraphLaunch", self.graph, self._stream)


class Clocked:
    """A graph of launches in groups, with an event before the first and after each.

    The events are nodes of the graph: no group waits for the processor, however short those before it are.
    """

    def __init__(
        self, api: Api, groups: Sequence[Sequence[tuple[Any, Launched]]], capture: Any, stream: Any, current: Current
    ) -> None:
        """As of `Recorded`."""
        self._api, self._stream, self._current = api, stream, current
        self.events = [event(api, timed=True) for _ in range(len(groups) + 1)]
        self.graph = _instantiated(api, _captured(api, self._asked(groups), capture))

    def _asked(self, groups: Sequence[Sequence[tuple[Any, Launched]]]) -> Iterator[Asked]:
        # An event that is no node of the graph would only say what the next one has to wait for.
        node = int(self._api.constant("CUevent_record_flags", "CU_EVENT_RECORD_EXTERNAL"))

        def mark(event: Any) -> Asked:
            return lambda stream: self._api.call("cuEventRecordWithFlags", event, stream, node)

        yield mark(self.events[0])
        for work, after in zip(groups, self.events[1:], strict=True):
            yield from (partial(launch, self._api, function, launched) for function, launched in work)
            yield mark(after)

    def seconds(self) -> list[float]:
        """Carry them out and wait: what each group took."""
        with self._current():
            self._api.call("cuGraphLaunch", self.graph, self._stream)
            self._api.call("cuStreamSynchronize", self._stream)
            return [float(self._api.call("cuEventElapsedTime", *ends)) / 1e3 for ends in pairwise(self.events)]


def _captured(api: Api, asked: Iterable[Asked], stream: Any) -> Any:
    # Other threads may go on using the driver meanwhile.
    mode = api.constant("CUstreamCaptureMode", "CU_STREAM_CAPTURE_MODE_THREAD_LOCAL")
    api.call("cuStreamBeginCapture", stream, mode)
    try:
        for ask in asked:
            ask(stream)
    except BaseException:
        _abandon(api, stream)
        raise
    return api.call("cuStreamEndCapture", stream)


def _abandon(api: Api, stream: Any) -> None:
    """End a capture that failed, so that the stream can be used again."""
    try:
        graph = api.call("cuStreamEndCapture", stream)
    except Exception:  # it was invalidated, which ends it too; the first fault is the one to tell
        return
    api.call("cuGraphDestroy", graph)


def _instantiated(api: Api, graph: Any) -> Any:
    try:
        return api.call("cuGraphInstantiate", graph, 0)
    finally:
        api.call("cuGraphDestroy", graph)
