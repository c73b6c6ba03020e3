"""The parameter store: one aligned array per parameter, and how each gets its first value."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import blake2b
from itertools import count
from typing import Any

import numpy as np

from netlang.diagnostics import NetError, did_you_mean
from netlang.ir.graph import Graph, Value
from netlang.ir.types import shape_text
from netlang.runtime.arrays import Array, aligned_zeros, as_array
from netlang.runtime.ports import checked_seed as checked_seed

_versions = count(1)
_version = 0


_behind: list[Callable[[], None]] = []


class Store(dict[str, Array]):
    """Parameters by name. Compiled code writes its updates into these very arrays, though perhaps not before somebody
    calls `settle`, as everybody does who reads or changes them elsewhere. Whoever changes one in place must call
    `touch` then, because backends keep what they derived from parameters (packed weights, copies on a device)."""

    @property
    def version(self) -> int:
        """Differs after every `touch`, of any store: a model and its trainer share arrays, not the store."""
        return _version


def touch() -> None:
    """Say that parameters were changed in place. Raises RuntimeError where that was done to arrays that were behind."""
    global _version
    if _behind:
        raise RuntimeError("parameters were changed that a device had changed before: settle() comes first")
    _version = next(_versions)


def defer(fetch: Callable[[], None]) -> None:
    """Say that arrays of stores are behind what a device has computed; `fetch` brings all of them up to date."""
    if fetch not in _behind:
        _behind.append(fetch)


def settle() -> None:
    """Bring into the arrays of all stores what devices have computed. Whoever reads or changes them calls it first."""
    while _behind:
        _behind[-1]()
        _behind.pop()


class Parameters(Mapping[str, Array]):
    """Parameters as users see them: reading gives a view of what they are now, which cannot be written to, assigning
    copies values in.

    model.parameters["fc.bias"] = np.zeros(10, np.float32)
    """

    def __init__(self, params: Iterable[Value], store: Store) -> None:
        self._params = {p.node.name: p for p in params}
        self._store = store

    def __getitem__(self, name: str) -> Array:
        settle()
        view = self._store[name].view()
        view.flags.writeable = False
        return view

    def __setitem__(self, name: str, value: Any) -> None:
        if name not in self._params:
            raise NetError(f"there is no parameter '{name}'", hint=did_you_mean(name, self._params))
        param = self._params[name]
        array = as_array(value, param.type, f"parameter '{name}'")
        if array.shape != param.type.concrete({}):
            raise NetError(f"parameter '{name}': expected {param.type}, got {param.dtype}{shape_text(array.shape)}")
        settle()
        self._store[name][...] = array
        touch()

    def __iter__(self) -> Iterator[str]:
        return iter(self._params)

    def __len__(self) -> int:
        return len(self._params)


def learned(graph: Graph) -> list[Value]:
    """The parameters that a weights file holds: all but the optimiser's and those that the source text spells out."""
    return [p for p in graph.params if is_learned(p)]


def is_learned(param: Value) -> bool:
    """Whether a weights file holds it."""
    return param.node.attrs["role"] != "state" and not is_literal(param)


def is_literal(param: Value) -> bool:
    """Whether the `.net` file itself holds the values and they never change: a fixed filter."""
    attrs = param.node.attrs
    return bool(attrs["role"] == "frozen" and attrs["init"][0] == "value")


def initialise(params: Iterable[Value], seed: int, store: Store | None = None) -> Store:
    """Give every parameter its first value, in place where `store` already has an array of it.

    A value depends on the seed and the parameter's own name, not on what else the file holds.
    """
    store = Store() if store is None else store
    settle()
    for param in params:
        name = param.node.name
        if name not in store:
            store[name] = allocate(param)
        store[name][...] = first_value(param, seed)
    touch()
    return store


def allocate(param: Value) -> Array:
    """A zeroed array for a parameter. Raises NetError where memory does not suffice."""
    shape = param.type.concrete({})
    try:
        return aligned_zeros(shape, param.dtype.numpy)
    except MemoryError as fault:
        raise NetError(f"parameter '{param.node.name}' ({param.type}) does not fit into memory") from fault


def first_value(param: Value, seed: int) -> Any:
    """What `init` says; see `netlang.ir.module` for its forms."""
    kind, *numbers = param.node.attrs["init"]
    shape = param.type.concrete({})
    if kind in ("constant", "value"):
        return numbers[0]
    draw = generator(seed, param.node.name)
    if kind == "normal":
        return draw.normal(numbers[0], numbers[1], shape)
    if kind == "uniform":
        return draw.uniform(numbers[0], numbers[1], shape)
    raise ValueError(f"unknown initialiser {kind} of parameter {param.node.name}")


def generator(seed: int, *place: object) -> np.random.Generator:
    """A counter-based generator (Philox4x64-10) keyed by the seed and a place: a name, an epoch, a purpose."""
    digest = blake2b("/".join(map(str, place)).encode(), digest_size=8).digest()
    key = np.array([seed & 0xFFFFFFFFFFFFFFFF, int.from_bytes(digest, "little")], np.uint64)
    return np.random.Generator(np.random.Philox(key=key))
