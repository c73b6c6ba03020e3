"""Steps: what a lowered graph is made of, and how places in memory are named before sizes are known.

A step is one kernel with its arguments. Arguments are symbolic until sizes are known: tensors and scratch stand for
addresses, dims for numbers. A lowering says what to call, never where memory is or how many threads there are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Self

from netlang.backends.common.numbers import Number as Number
from netlang.backends.common.numbers import Sizes as Sizes
from netlang.backends.common.numbers import evaluated as evaluated
from netlang.ir.dims import Dim, Sym
from netlang.ir.graph import Value


@dataclass(frozen=True, eq=False)
class Scratch:
    """Working memory of one node, 64-byte aligned, undefined at first, shared by all threads."""

    bytes: Number


Buffer = Value | Scratch


@dataclass(frozen=True)
class At:
    """An address inside a buffer: `offset` bytes after its start."""

    buffer: Buffer
    offset: Number

    def further(self, bytes: Number) -> At:
        """So many bytes after this address."""
        before = self.offset
        if isinstance(before, int | Sym) and isinstance(bytes, int | Sym):
            return At(self.buffer, before + bytes)
        return At(self.buffer, lambda sizes: evaluated(before, sizes) + evaluated(bytes, sizes))


@dataclass(frozen=True, eq=False)
class Loop:
    """Steps that are carried out over and over: those that name it, which are neighbours, in each of its rounds."""

    rounds: Number


@dataclass(frozen=True)
class Moving:
    """An address that is another one in every round of a loop: `at[0]`, `at[1]`, `at[2]`, and from then on `stride`
    bytes further than two rounds before. It may never be read past the last round. There are `bytes` bytes at each.

    The places may move with loops around that loop, but not with the loop itself.
    """

    loop: Loop
    at: tuple[Place, Place, Place]
    stride: Number
    bytes: Number


Place = Value | Scratch | At | Moving
Arg = Place | Dim | Callable[[Sizes], int]


@dataclass(frozen=True)
class Step:
    """One kernel call. Steps are carried out in order; all threads finish one before any starts the next.

    kernel      the backend's own record of machine code
    args        the int64 table that the kernel gets: an address per tensor or scratch, a number per dim
    writes      the buffers among `args` that the kernel writes; all others are only read. A step whose reads are
                all parameters and constants is done once per set of parameters instead of once per call.
    work        about how many elementary operations (or elements moved) it takes: decides on the use of threads
    parallel    False: the kernel ignores `tid` and must be run by one thread
    loops       the loops that it is a step of, the outermost first
    """

    kernel: Any
    args: tuple[Arg, ...]
    writes: tuple[Buffer, ...]
    work: Number
    parallel: bool = True
    loops: tuple[Loop, ...] = ()

    @property
    def arguments(self) -> tuple[Arg, ...]:
        """All that the kernel is told, wherever a backend puts it."""
        return self.args

    def mapped(self, change: Callable[[Arg], Arg]) -> Self:
        """The step with other arguments."""
        return replace(self, args=tuple(map(change, self.args)))


def places(step: Step) -> list[Place]:
    """The addresses among a step's arguments."""
    return [arg for arg in step.arguments if isinstance(arg, Value | Scratch | At | Moving)]


def further(place: Place, bytes: Number) -> Place:
    """So many bytes after a place."""
    if isinstance(place, Moving):
        first, second, third = (further(p, bytes) for p in place.at)
        return replace(place, at=(first, second, third))
    return (place if isinstance(place, At) else At(place, 0)).further(bytes)


def bases(place: Place) -> list[Buffer]:
    """The buffers that a place is in: one, or all that it moves through."""
    if isinstance(place, Moving):
        return list(dict.fromkeys(b for p in place.at for b in bases(p)))
    return [place.buffer if isinstance(place, At) else place]
