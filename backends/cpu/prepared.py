"""What follows from parameters alone, such as packed weights: computed once, and kept once in a process.

The result of a step is known by its kernel, its numbers and the arrays that it was computed from. Whoever needs the
same (another model or executable with the same parameters, another thread) gets the same memory, which goes when the
last of them does.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Collection, Hashable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np

from netlang.backends.base import Array
from netlang.backends.common.context import storage
from netlang.backends.common.homes import External, Homes, buffers
from netlang.backends.common.planning import kept_bytes
from netlang.backends.common.steps import At, Buffer, Scratch, Step, evaluated
from netlang.backends.cpu.binding import address_of
from netlang.backends.cpu.lower import LoweringContext
from netlang.backends.cpu.program import Room
from netlang.backends.cpu.runner import Memory, Runner, memory_of
from netlang.backends.cpu.tables import Home
from netlang.ir.graph import Value

_changes = 0
"""How often any compiled graph has changed parameters: what was computed from them may be out of date."""


def note_change() -> None:
    """Say that a compiled graph has written into parameters."""
    global _changes
    _changes += 1


class _Kept:
    """What one step wrote, and the arrays of the caller that it followed from, which it does not keep alive."""

    def __init__(self, memory: Sequence[Memory], sources: Sequence[Array]) -> None:
        self.memory = memory
        self._sources = [weakref.ref(array) for array in sources]

    def is_of(self, sources: Sequence[Array]) -> bool:
        """Whether it was computed from these very arrays; the number of an array that is gone may be another's."""
        return all(kept() is array for kept, array in zip(self._sources, sources, strict=True))


_shared: weakref.WeakValueDictionary[Hashable, _Kept] = weakref.WeakValueDictionary()
_lock = threading.Lock()
"""Held while something is computed, so that nobody computes it a second time meanwhile."""


class Prepared:
    """Everything that follows from one set of parameters."""

    def __init__(self, memory: Mapping[Room, Memory], kept: Sequence[_Kept]) -> None:
        self.memory = memory
        self._kept = kept
        self._arrays: Sequence[Array] | None = None

    def watch(self, params: Mapping[str, Array], names: Sequence[str]) -> None:
        """From now on it is good for these arrays alone, as they are at this moment."""
        self._arrays = [params[name] for name in names]
        self._ids = list(map(id, self._arrays))
        self._version, self._changes = getattr(params, "version", None), _changes

    def fits(self, params: Mapping[str, Array], names: Sequence[str]) -> bool:
        """Whether these are the same parameters, unchanged as far as can be known without reading them."""
        if self._arrays is None:
            return True
        same = self._changes == _changes and self._version == getattr(params, "version", None)
        # The arrays are kept alive, so that their ids are nobody else's. No loop of Python's own: this is every call's.
        return same and list(map(id, map(params.__getitem__, names))) == self._ids


@dataclass(frozen=True)
class _StepKey:
    """What names the result of a step, but for the parameters, and which those are."""

    text: Hashable
    params: tuple[str, ...]


class Prologue:
    """The steps of a graph that depend on parameters and constants alone."""

    def __init__(self, context: LoweringContext, homes: Homes, room: Callable[[Buffer], Room], runner: Runner) -> None:
        """`room` says where a buffer is in the runner's program, whose prologue has a line for each step."""
        self._homes, self._room, self._runner = homes, room, runner
        self.steps = homes.prologue
        self.names = sorted({name for step in self.steps for name in _params(homes, step)})
        """The parameters that are read."""
        self._keys = _keys(context, homes)
        self._final = [i for i, step in enumerate(self.steps) if homes.kept.intersection(_written(step))]
        self._needs = _needs(self.steps)

    def compute(self, params: Mapping[str, Array]) -> Prepared:
        """Carry out the steps, but for those whose results are there already."""
        prepared = self._compute(params, lambda step: None)
        prepared.watch(params, self.names)
        return prepared

    def freeze(self, params: MutableMapping[str, Array], needed: Collection[str]) -> Prepared:
        """The same for good: whatever becomes of `params`, from which all but the `needed` are dropped on the way."""
        last = {name: i for i, step in enumerate(self.steps) for name in _params(self._homes, step)}

        def done(step: int) -> None:
            for name in [name for name, i in last.items() if i == step and name not in needed]:
                del params[name]

        return self._compute(params, done)

    def _compute(self, params: Mapping[str, Array], done: Callable[[int], None]) -> Prepared:
        """`done` is told of every step that is over. What only steps read goes when the last of them is."""
        memory: dict[Buffer, Memory] = {}
        with _lock:
            names = {i: self._name(i, params) for i in self._final}
            results = {i: _Kept([], self._sources(i, params)) for i in self._final}
            wanted = self._wanted(names, params, results)
            last = {buffer: i for i in sorted(wanted) for buffer in _hoisted(self.steps[i], self._homes)}
            for i, step in enumerate(self.steps):
                if i in wanted:
                    self._carry_out(i, params, memory)
                elif i in results:
                    memory.update(zip(_written(step), results[i].memory, strict=True))
                for buffer in [b for b in memory if last.get(b, -1) <= i and b not in self._homes.kept]:
                    del memory[buffer]
                done(i)
            for i in wanted.intersection(results):
                results[i].memory = [memory[buffer] for buffer in _written(self.steps[i])]
                _shared[names[i]] = results[i]
        return Prepared({self._room(b): kept for b, kept in memory.items()}, list(results.values()))

    def _wanted(
        self, names: Mapping[int, Hashable], params: Mapping[str, Array], results: dict[int, _Kept]
    ) -> set[int]:
        """The steps to carry out. In `results`, what is there already takes the place of what would be."""
        wanted: set[int] = set()
        asked = list(self._final)
        while asked:
            i = asked.pop()
            found = _shared.get(names[i]) if i in names else None
            if found is not None and found.is_of(self._sources(i, params)):
                results[i] = found
            elif i not in wanted:
                wanted.add(i)
                asked += self._needs[i]
        return wanted

    def _sources(self, step: int, params: Mapping[str, Array]) -> list[Array]:
        return [params[name] for name in self._keys[step].params]

    def _name(self, step: int, params: Mapping[str, Array]) -> Hashable:
        version = getattr(params, "version", None)
        return (self._keys[step].text, version, _changes, *map(id, self._sources(step, params)))

    def _carry_out(self, i: int, params: Mapping[str, Array], memory: dict[Buffer, Memory]) -> None:
        for buffer in _written(self.steps[i]):
            if buffer not in memory:
                memory[buffer] = memory_of(self._room(buffer))
        rooms = {self._room(buffer): kept for buffer, kept in memory.items()}

        def address(home: Home) -> int:
            return address_of(params[home.name] if isinstance(home, External) else rooms[home])

        self._runner.carry_out(self._runner.program.prologue[i], address)


def _hoisted(step: Step, homes: Homes) -> list[Buffer]:
    """The buffers of the prologue that a step reads or writes."""
    return [b for b in buffers(step) if b in homes.hoisted]


def _needs(steps: Sequence[Step]) -> list[list[int]]:
    """For every step the earlier ones that write what it reads, or write to the same buffer."""
    writers: dict[Buffer, list[int]] = {}
    found = []
    for i, step in enumerate(steps):
        used = {*buffers(step), *_written(step)}
        found.append([j for buffer in used for j in writers.get(buffer, ())])
        for buffer in _written(step):
            writers.setdefault(buffer, []).append(i)
    return found


def _params(homes: Homes, step: Step) -> list[str]:
    found = [homes.of(b) for b in buffers(step) if isinstance(b, Value)]
    return [home.name for home in found if isinstance(home, External)]


def _written(step: Step) -> list[Buffer]:
    return list(dict.fromkeys(storage(b) if isinstance(b, Value) else b for b in step.writes))


def _keys(context: LoweringContext, homes: Homes) -> list[_StepKey]:
    """The key of every step. What several steps write together is nobody else's."""
    writers: dict[Buffer, int] = {}
    for step in homes.prologue:
        for buffer in _written(step):
            writers[buffer] = writers.get(buffer, 0) + 1
    names: dict[Buffer, _StepKey] = {}
    keys = []
    for step in homes.prologue:
        written = _written(step)
        parts: list[Hashable] = [step.kernel.key]
        params: list[str] = []
        for arg in step.args:
            part, used = _part(context, homes, arg, written, names)
            parts.append(part)
            params += used
        if any(writers[buffer] > 1 for buffer in written):
            parts.append(object())
        key = _StepKey(tuple(parts), tuple(params))
        names.update({buffer: _StepKey((key.text, i), key.params) for i, buffer in enumerate(written)})
        keys.append(key)
    return keys


def _part(
    context: LoweringContext, homes: Homes, arg: Any, written: Sequence[Buffer], names: Mapping[Buffer, _StepKey]
) -> tuple[Hashable, Sequence[str]]:
    """What an argument adds to the key of its step, and the parameters that it stands for."""
    offset = 0
    if isinstance(arg, At):
        arg, offset = arg.buffer, evaluated(arg.offset, {})
    if not isinstance(arg, Value | Scratch):
        return evaluated(arg, {}), ()
    buffer = storage(arg) if isinstance(arg, Value) else arg
    if buffer in written:
        return ("written", written.index(buffer), offset, kept_bytes(context, buffer)), ()
    if buffer in names:
        return ("made", names[buffer].text, offset), names[buffer].params
    assert isinstance(buffer, Value)
    home = homes.of(buffer)
    if isinstance(home, External):
        return ("param", str(buffer.type), offset), (home.name,)
    value = np.ascontiguousarray(buffer.node.attrs["value"])
    return ("const", str(buffer.type), blake2b(value.tobytes(), digest_size=16).digest(), offset), ()


def _after_fork() -> None:
    """Another thread of the parent may hold the lock, and nobody would ever release it."""
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
