"""Parameters on a device: one copy of each array of the host, for all programs that read or change it there.

What a training step changes stays on the device, where the next step and the evaluation read it. Arrays of a `Store`
are behind until somebody asks for them (`netlang.runtime.parameters.settle`); those of a plain mapping are written at
once.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from netlang.backends.base import Array
from netlang.backends.cuda.device import Device
from netlang.runtime.parameters import defer


@dataclass(eq=False)
class Resident:
    """An array's copy on a device.

    version      of the host's parameters when it was uploaded, where they have one
    generation   differs whenever its content may
    ahead        whether a program has changed it and the host's array is behind
    """

    array: weakref.ref[Array]
    address: int
    version: object = None
    generation: int = 0
    ahead: bool = False


class Residents:
    """The parameters on one device. `moves` differs whenever one has been uploaded or has gone."""

    def __init__(self, device: Device) -> None:
        # The table of a device does not keep it.
        self._device = weakref.ref(device)
        self._found: dict[int, Resident] = {}
        self._lock = threading.RLock()
        self.moves = 0

    def bring(self, params: Mapping[str, Array], names: Iterable[str]) -> dict[str, Resident]:
        """The copies of these parameters, up to date: uploaded where they are new or the host's may have changed."""
        version = getattr(params, "version", None)
        with self._lock:
            return {name: self._current(params[name], version) for name in names}

    def find(self, array: Array) -> Resident | None:
        """The copy of an array, if there is one."""
        with self._lock:
            found = self._found.get(id(array))
            return found if found is not None and found.array() is array else None

    def replaced(self, resident: Resident, upload: Array | None = None) -> None:
        """A copy has been written over from elsewhere, or is now, with an array of the host."""
        with self._lock:
            if upload is not None:
                self._there().upload(resident.address, upload)
            resident.generation += 1
            resident.ahead = False

    def changed(self, residents: Iterable[Resident], params: Mapping[str, Array]) -> None:
        """A program has changed these copies of arrays of `params`."""
        later = getattr(params, "version", None) is not None
        with self._lock:
            for resident in residents:
                resident.generation += 1
                resident.ahead = True
        if later:
            defer(self.settle)
        else:
            self.settle()

    def settle(self) -> None:
        """Bring what has been changed on the device into the host's arrays."""
        with self._lock:
            device = self._device()
            for resident in list(self._found.values()):
                array = resident.array()
                if resident.ahead and array is not None and device is not None:
                    device.download(resident.address, array)
                resident.ahead = False

    def _current(self, array: Array, version: object) -> Resident:
        resident = self._found.get(id(array))
        if resident is None or resident.array() is not array:
            resident = self._found[id(array)] = self._new(array)
        elif resident.ahead or (version is not None and resident.version == version):
            return resident
        self._there().upload(resident.address, array)
        resident.version = version
        resident.generation += 1
        self.moves += 1
        return resident

    def _new(self, array: Array) -> Resident:
        address, key = self._there().allocate(max(1, array.nbytes)), id(array)

        def gone(array: Any) -> None:
            with self._lock:
                if self._found.get(key) is resident:
                    del self._found[key]
                self.moves += 1
            device = self._device()
            if device is not None:
                device.free(address)

        resident = Resident(weakref.ref(array, gone), address)
        return resident

    def _there(self) -> Device:
        device = self._device()
        assert device is not None, "a program keeps its device"
        return device


_tables: weakref.WeakKeyDictionary[Any, Residents] = weakref.WeakKeyDictionary()


def residents_of(device: Device) -> Residents:
    """The table of a device, the same for all programs."""
    if device not in _tables:
        _tables[device] = Residents(device)
    return _tables[device]
