"""Parameters on the device: where each has its place, and which of the two copies is newer."""

from __future__ import annotations

from collections.abc import Mapping
from weakref import ref

from netlang.backends.base import Array
from netlang.backends.cuda.device import Device
from netlang.ir.graph import Value


class Residents:
    """The parameters of one graph on a device."""

    def __init__(self, device: Device, params: tuple[Value, ...]) -> None:
        self._device = device
        self._types = {v.node.name: v for v in params}
        self._places: dict[str, int] = {}
        self._given: dict[str, ref[Array]] = {}
        self._version: object = None

    def place(self, param: Value) -> int:
        """The address of a parameter, the same for ever."""
        name = param.node.name
        if name not in self._places:
            count = 1
            for n in param.type.concrete({}):
                count *= n
            self._places[name] = self._device.allocate(max(1, count * param.dtype.size))
        return self._places[name]

    def bring(self, params: Mapping[str, Array]) -> bool:
        """Upload what may have changed since the last call; says whether anything did."""
        version = getattr(params, "version", None)
        same = version is not None and version == self._version
        changed = [n for n in self._types if not same or self._of(n) is not params[n]]
        for name in changed:
            self._device.upload(self.place(self._types[name]), params[name])
            self._given[name] = ref(params[name])
        self._version = version
        return bool(changed)

    def fetch(self, params: Mapping[str, Array], names: tuple[str, ...]) -> None:
        """Copy parameters that the device has changed into the caller's arrays."""
        for name in names:
            self._device.download(self._places[name], params[name])

    def _of(self, name: str) -> Array | None:
        found = self._given.get(name)
        return found() if found is not None else None
