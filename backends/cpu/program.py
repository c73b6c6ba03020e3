"""A lowered graph as data: what is carried out, in what memory, before sizes are known. Nothing here needs a compiler.

`translation` makes it of steps; `arena` and `tables` evaluate it for the sizes of a call. Nothing here is changed once
it is made. Classes are plain ones: what `dataclass` can add to them is compiled each time they are imported, and that
is most of what a small program waits for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from netlang.backends.common.external import External
from netlang.backends.common.numbers import Number

CONSTANT, KEPT, ARENA = "constant", "kept", "arena"


@dataclass(eq=False, repr=False)
class Room:
    """Memory that is one tensor's or some tensors' together, or working memory.

    home     an array of the caller's; or `constant`, filled when the program is made; `kept`, filled once per set of
             parameters; `arena`, part of a call's own memory
    bytes    what steps may read or write of it
    """

    home: External | str
    bytes: Number


@dataclass(eq=False, repr=False)
class Spot:
    """An address: so many bytes after the start of a room."""

    room: Room
    offset: Number = 0


@dataclass(eq=False, repr=False)
class Loop:
    """Lines that are carried out over and over: those that name it, which are neighbours, in each of its rounds."""

    rounds: Number


@dataclass(eq=False, repr=False)
class Moving:
    """An address that moves with the rounds of a loop, as `netlang.backends.common.steps.Moving` says."""

    loop: Loop
    at: tuple[Spot | Moving, Spot | Moving, Spot | Moving]
    stride: Number


Arg = Spot | Moving | Number


@dataclass(eq=False, repr=False)
class Use:
    """A room that a line reads, or writes. `part` narrows it to so many elements of each image: first and end."""

    room: Room
    written: bool
    part: tuple[Number, Number] | None = None


@dataclass(eq=False, repr=False)
class Line:
    """One kernel call. Lines are carried out in order.

    kernel    whatever the code of the program finds machine code by
    work      about how many elementary operations it takes
    parallel  False: it must be run by one thread
    """

    kernel: Any
    args: tuple[Arg, ...]
    uses: tuple[Use, ...]
    work: Number
    parallel: bool = True
    loops: tuple[Loop, ...] = ()


@dataclass(eq=False, repr=False)
class Claim:
    """A piece of the arena that is needed from time `start` to `end`, both included.

    lives    None: all rooms begin where the piece does, and the first is the largest. Otherwise they share the piece:
             from when to when each is needed, or where that is not known (None) all of the time
    """

    start: int
    end: int
    rooms: tuple[Room, ...]
    lives: tuple[tuple[int, int] | None, ...] | None = None


@dataclass(eq=False, repr=False)
class Result:
    """An output of a call, whose array is made for it."""

    name: str
    shape: tuple[Number, ...]
    dtype: np.dtype[Any]


@dataclass(eq=False, repr=False)
class Copied:
    """After the last line: what is in a room is copied into an array of the caller's."""

    source: Room
    shape: tuple[Number, ...]
    dtype: np.dtype[Any]
    target: External


@dataclass(eq=False, repr=False)
class Program:
    """prologue    the lines that are carried out once per set of parameters; their results are `kept` rooms
    lines       those of every call
    claims      the pieces of the arena
    constants   what is in the rooms that are `constant`
    kept        the rooms filled by the prologue that calls read, and not its own lines alone
    symbolic    the inputs whose shapes say the sizes
    changes     whether calls change parameters
    """

    prologue: Sequence[Line]
    lines: Sequence[Line]
    claims: Sequence[Claim]
    constants: Mapping[Room, np.ndarray[Any, Any]]
    kept: Sequence[Room]
    results: Sequence[Result]
    copies: Sequence[Copied]
    symbolic: Sequence[str]
    changes: bool
