"""A net from a file, as users hold it: called with arrays, and carried out by the code that the file has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count
from types import MappingProxyType
from typing import Any

import numpy as np

from netlang.diagnostics import NetError, did_you_mean
from netlang.ir.reserved import RNG
from netlang.runtime.artifact.container import Artifact
from netlang.runtime.artifact.signature import Signature, parameters
from netlang.runtime.ports import (
    Array,
    Port,
    arguments,
    batch_of,
    checked_seed,
    converted,
    dtype_of,
    has_batch,
    without_batch,
)


class LoadedNet:
    """One net of a file, for any target; `carry_out` is the target's. Calls may come from several threads at a time.

    level   the kind of machine whose code it is carried out by
    """

    level: str

    def __init__(self, artifact: Artifact, net: str | None) -> None:
        """Raises NetError where the file has no net of that name."""
        nets = artifact.content["nets"]
        name = artifact.content["net"] if net is None else net
        if name not in nets:
            hint = did_you_mean(str(name), nets) or f"it has {', '.join(nets)}"
            raise NetError(f"{artifact.path} has no net '{name}'", hint=hint)
        self.name = name
        self._content = nets[name]
        self._signature = Signature.of(self._content)
        ports = self._signature.inputs
        self._wanted = [(p.name, dtype_of(p.dtype), p.type, f"input '{p.name}'") for p in ports]
        self._batch = batch_of(ports)
        self._params = parameters(self._content, artifact.member("weights"))
        self._adopt: Callable[[Any], Any] | None = None
        self._draws = count()
        self._seed = 0

    def carry_out(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """One call with arrays that fit."""
        raise NotImplementedError

    @property
    def inputs(self) -> Mapping[str, str]:
        """Names and types of the inputs, in the order in which a call takes them."""
        return MappingProxyType({port.name: port.type for port in self._signature.inputs})

    @property
    def outputs(self) -> Mapping[str, str]:
        """Names and types of the outputs."""
        return MappingProxyType({port.name: port.type for port in self._signature.outputs})

    @property
    def parameters(self) -> Mapping[str, Array]:
        """The weights by name; they cannot be written to."""
        return MappingProxyType(self._params)

    @property
    def seed(self) -> int:
        """The seed of the net's random nodes. Every call draws other numbers; setting a seed begins them anew."""
        return self._seed

    @seed.setter
    def seed(self, seed: int) -> None:
        self._seed, self._draws = checked_seed(seed), count()

    def __call__(self, *args: Any, **named: Any) -> Any:
        """Run the net on a batch of any size, as `netlang.Model` does: see there."""
        signature = self._signature
        key = self._key(named)
        if named or len(args) != len(self._wanted):
            names = [port.name for port in signature.inputs]
            given = arguments(names, args, named, f"net '{self.name}'")
            args = tuple(given[name] for name in names)
        adopt = self._adopt
        arrays = {n: converted(a, d, t, what, adopt) for (n, d, t, what), a in zip(self._wanted, args, strict=True)}
        single = without_batch(signature.inputs, {n: a.ndim for n, a in arrays.items()}, self._batch)
        if single:
            arrays = {n: a[None] if n in single else a for n, a in arrays.items()}
        if signature.bounds:
            signature.check_bounds(arrays)
        if signature.random:
            arrays[RNG] = np.array(key, np.int64)
        outputs = self.carry_out(arrays)
        if single:
            outputs = {p.name: self._one(p, outputs[p.name]) for p in signature.outputs}
        return next(iter(outputs.values())) if len(outputs) == 1 else outputs

    def _key(self, named: dict[str, Any]) -> tuple[int, int]:
        """What random nodes draw by in a call with these arguments; takes the seed out of them."""
        random = self._signature.random
        if "seed" in named and "seed" not in self.inputs:
            if not random:
                raise NetError(f"net '{self.name}' has no random nodes, so there is nothing to seed")
            return checked_seed(named.pop("seed")), 0
        return self._seed, next(self._draws) if random else 0

    def _one(self, port: Port, array: Array) -> Array:
        return array[0] if has_batch(port.shape, self._batch) else array

    def __reduce__(self) -> Any:
        raise TypeError("a loaded net holds machine code and cannot be copied or pickled; load() makes it again")

    def __repr__(self) -> str:
        takes = ", ".join(f"{n}: {t}" for n, t in self.inputs.items())
        gives = ", ".join(f"{n}: {t}" for n, t in self.outputs.items())
        return f"<Loaded {self.name}({takes}) -> {gives}, for {self.level}>"
