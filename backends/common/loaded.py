"""A net from a file, as users hold it: called with arrays, and carried out by the code that the file has."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from netlang.backends.common.loaded_file import LoadedFile
from netlang.diagnostics import NetError
from netlang.ir.reserved import RNG
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

if TYPE_CHECKING:
    from netlang.backends.common.step import Step


class LoadedNet:
    """One net of a file, for any target. Calls may come from several threads at a time.

    Where the file was compiled with its training steps, these change the net's weights: a call goes by the weights
    before a step or after it, never by a part of them.
    """

    def __init__(self, file: LoadedFile, name: str | None = None) -> None:
        """Raises NetError where the file has no net of that name."""
        self._file = file
        self.name = name = file.net_called(name)
        self._signature, self._run = file.signature(name), file.run(name)
        ports = self._signature.inputs
        self._wanted = [(p.name, dtype_of(p.dtype), p.type, f"input '{p.name}'") for p in ports]
        self._batch = batch_of(ports)
        self._draws = file.draws_of(name)

    @property
    def level(self) -> str:
        """The kind of machine whose code it is carried out by."""
        return self._file.machine.level

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
        """The weights by name, as they are now; they cannot be written to."""
        return MappingProxyType(self._file.shown(self.name))

    @property
    def nets(self) -> Mapping[str, LoadedNet]:
        """All nets of the file. What one learns, those that share weights with it know."""
        return Nets(self._file)

    @property
    def seed(self) -> int:
        """The seed of the net's random nodes. Every call draws other numbers; setting a seed begins them anew."""
        return self._draws.seed

    @seed.setter
    def seed(self, seed: int) -> None:
        self._draws.begin(checked_seed(seed))

    @property
    def step(self) -> Step:
        """The training step of the file, called with inputs and targets: `loss = net.step(image=x, label=y)`.

        Raises NetError where the file has none, or one for each of several `train` sections: see `steps`.
        """
        return self._file.learning.only_step()

    @property
    def steps(self) -> Mapping[str, Step]:
        """The training steps of the file by the names of their `train` sections, in alphabetical order."""
        return self._file.learning.steps

    def save_weights(self, path: str | os.PathLike[str]) -> None:
        """Write all weights of the file, as far as learning changes them, into a safetensors file, atomically."""
        self._file.learning.save_weights(path, self.name)

    def load_weights(self, path: str | os.PathLike[str]) -> None:
        """Read a safetensors file. Raises NetError, and changes nothing, unless it fits exactly."""
        self._file.learning.load_weights(path)

    def save_checkpoint(self, path: str | os.PathLike[str]) -> None:
        """Write the weights and where all steps stand (optimisers, counters, schedules), atomically."""
        from netlang.backends.common import file_checkpoint

        file_checkpoint.save(path, self._file.learning)

    def load_checkpoint(self, path: str | os.PathLike[str]) -> None:
        """Go on where `save_checkpoint` was. Raises NetError, and changes nothing, for what is not of this file."""
        from netlang.backends.common import file_checkpoint

        file_checkpoint.load(path, self._file.learning)

    def __call__(self, *args: Any, **named: Any) -> Any:
        """Run the net on a batch of any size, as `netlang.Model` does: see there."""
        signature = self._signature
        key = self._key(named)
        if named or len(args) != len(self._wanted):
            names = [port.name for port in signature.inputs]
            given = arguments(names, args, named, f"net '{self.name}'")
            args = tuple(given[name] for name in names)
        adopt = self._file.machine.adopt
        arrays = {n: converted(a, d, t, what, adopt) for (n, d, t, what), a in zip(self._wanted, args, strict=True)}
        single = without_batch(signature.inputs, {n: a.ndim for n, a in arrays.items()}, self._batch)
        if single:
            arrays = {n: a[None] if n in single else a for n, a in arrays.items()}
        if signature.bounds:
            signature.check_bounds(arrays)
        if signature.random:
            arrays[RNG] = np.array(key, np.int64)
        outputs = self._run(arrays)
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
        return self._draws.next() if random else (0, 0)

    def _one(self, port: Port, array: Array) -> Array:
        return array[0] if has_batch(port.shape, self._batch) else array

    def __reduce__(self) -> Any:
        raise TypeError("a loaded net holds machine code and cannot be copied or pickled; load() makes it again")

    def __repr__(self) -> str:
        takes = ", ".join(f"{n}: {t}" for n, t in self.inputs.items())
        gives = ", ".join(f"{n}: {t}" for n, t in self.outputs.items())
        return f"<Loaded {self.name}({takes}) -> {gives}, for {self.level}>"


class Nets(Mapping[str, LoadedNet]):
    """The nets of a file by name, each made when it is asked for."""

    def __init__(self, file: LoadedFile) -> None:
        self._file = file

    def __getitem__(self, name: str) -> LoadedNet:
        return LoadedNet(self._file, name)

    def __contains__(self, name: object) -> bool:
        return name in self._file.net_names

    def __iter__(self) -> Iterator[str]:
        return iter(self._file.net_names)

    def __len__(self) -> int:
        return len(self._file.net_names)
