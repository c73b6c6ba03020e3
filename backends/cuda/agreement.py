"""Parameters of which several devices have copies: all are the same when a program begins.

A program on several devices writes new values to every copy. One on a single device knows of its own alone: what it has
changed is brought to the others, through the host, before they read it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from netlang.backends.base import Array
from netlang.backends.cuda.device import Device
from netlang.backends.cuda.resident import residents_of

Generations = tuple[int | None, ...]
"""Of the copies of a parameter, by device; None where there is none."""


class Agreement:
    """Between the tables of some devices, as far as one program reads and changes them."""

    def __init__(self, devices: Sequence[Device]) -> None:
        self._devices = devices
        self._tables = [residents_of(device) for device in devices]
        self._agreed: dict[str, Generations] = {}

    def bring(self, number: int, params: Mapping[str, Array], name: str) -> None:
        """Have a copy of a parameter on a device."""
        self._tables[number].bring(params, [name])

    def generations(self, params: Mapping[str, Array], names: Iterable[str]) -> dict[str, Generations]:
        """The generations of all copies of these parameters."""
        return {name: self._generations(params[name]) for name in names}

    def reach(self, params: Mapping[str, Array], before: Mapping[str, Generations]) -> None:
        """Make all copies of parameters the same; `before` are their generations before they were brought. Copies are
        the same if none has been touched since they last were, or if all have just been uploaded."""
        after = self.generations(params, before)
        apart = [
            name
            for name, now in after.items()
            if sum(g is not None for g in now) > 1
            and now != self._agreed.get(name)
            and not _uploaded(before[name], now)
        ]
        ahead = {name: self._ahead(params[name]) for name in apart}
        for number in {n for n in ahead.values() if n is not None}:
            self._tables[number].settle()
        for name in apart:
            for number, table in enumerate(self._tables):
                copy = table.find(params[name])
                if copy is not None and number != ahead[name]:
                    table.replaced(copy, params[name])
        self._agreed.update(after)
        self._agreed.update(self.generations(params, apart))

    def write(self, name: str, params: Mapping[str, Array], maker: int, source: int) -> None:
        """Put the new values of a parameter, which are at an address of device `maker`, into every copy of it."""
        array, origin = params[name], self._devices[maker]
        for number, (device, table) in enumerate(zip(self._devices, self._tables, strict=True)):
            copy = table.find(array)
            if copy is None:
                continue
            if number == maker:
                device.copy(copy.address, source, array.nbytes)
                table.changed([copy], params)
            else:
                device.receive(copy.address, origin, source, array.nbytes)
                table.replaced(copy)
        self._agreed[name] = self._generations(array)

    def _generations(self, array: Array) -> Generations:
        copies = [table.find(array) for table in self._tables]
        return tuple(None if copy is None else copy.generation for copy in copies)

    def _ahead(self, array: Array) -> int | None:
        """The device whose copy is newer than the host's array."""
        copies = [table.find(array) for table in self._tables]
        return next((number for number, copy in enumerate(copies) if copy is not None and copy.ahead), None)


def _uploaded(before: Generations, now: Generations) -> bool:
    return all(b != n for b, n in zip(before, now, strict=True) if n is not None)
