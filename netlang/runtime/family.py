"""The parameters that nets of one file have together: one set of arrays, one file of weights."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence

from netlang.diagnostics import NetError
from netlang.ir.graph import Value
from netlang.runtime import weights
from netlang.runtime.mapping.fitting import EXACT, Demands
from netlang.runtime.mapping.loading import Map, load
from netlang.runtime.mapping.report import Loaded
from netlang.runtime.parameters import Store, allocate, initialise, is_learned, settle, touch


class Family:
    """Parameters by the names that weights files give them.

    A net or a training sees them through a `Store` of its own names: other names, the same arrays.
    """

    def __init__(self, params: Sequence[Value]) -> None:
        self.params = tuple(params)
        self.learned = [p for p in params if is_learned(p)]
        self.arrays = Store((p.node.name, allocate(p)) for p in params)
        initialise((p for p in params if p.node.attrs["init"][0] in ("constant", "value")), 0, self.arrays)
        self.ready = not self.learned
        """Whether all of them have values: `init`, `load` or a copy gave them some."""

    def store(self, params: Iterable[Value], names: Mapping[str, str]) -> Store:
        """The parameters of a graph under its own names; `names` says what they are called here."""
        found = Store()
        for param in params:
            name = param.node.name
            if names.get(name, name) in self.arrays:
                found[name] = self.arrays[names.get(name, name)]
        return found

    def init(self, seed: int) -> None:
        """Give all parameters their first values, which depend on the seed and the name here."""
        initialise(self.params, seed, self.arrays)
        self.ready = True

    def load(self, path: str | os.PathLike[str], map: Map = None, demands: Demands = EXACT) -> Loaded:
        """Read a weights file, by a table of names where one is given.

        Raises NetError, and changes nothing, unless it fits; what it may lack must have values already.
        """
        found = load(path, self.learned, self.arrays, map, demands, whole=not self.ready)
        self.ready = True
        return found

    def save(self, path: str | os.PathLike[str], net: str) -> None:
        """Write a weights file, atomically; `net` is noted in its header."""
        weights.save(path, {p.node.name: self.arrays[p.node.name] for p in self.learned}, {"net": net})

    def copy(self) -> Family:
        """The same parameters with arrays of their own."""
        other = Family(self.params)
        other.take(self, 1.0)
        other.ready = self.ready
        return other

    def take(self, other: Family, rate: float) -> None:
        """Move every number towards the other's by the share `rate`; 1 copies them.

        Raises NetError, and changes nothing, where the other's parameters are not the same.
        """
        ours, theirs = ({p.node.name: p.type for p in family.params} for family in (self, other))
        if ours != theirs:
            name = next(n for n in {**ours, **theirs} if ours.get(n) != theirs.get(n))
            raise NetError(f"weights are taken from a model of the same nets: the two differ in '{name}'")
        settle()
        for name, array in self.arrays.items():
            source = other.arrays[name]
            if rate == 1.0 or array.dtype.kind not in "fV":
                array[...] = source
            else:
                array += ((source - array) * rate).astype(array.dtype)
        touch()
