"""A lowered graph as data: what is carried out, in what memory, before sizes are known. Nothing here needs a compiler.

`translation` makes it of steps; `arena` and `tables` evaluate it for the sizes of a call. Nothing here is changed once
it is made. None of these classes, nor of those that `netlang.load` imports besides, is a `dataclass`: what that adds is
text that is compiled at each import, 0.1 to 0.4 ms a class, and of such a small program would wait for most.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from netlang.backends.common.external import External
from netlang.backends.common.numbers import Number

CONSTANT, KEPT, ARENA = "constant", "kept", "arena"


class Room:
    """Memory that is one tensor's or some tensors' together, or working memory; each is itself alone.

    home     an array of the caller's; or `constant`, filled when the program is made; `kept`, filled once per set of
             parameters; `arena`, part of a call's own memory
    bytes    what steps may read or write of it
    """

    __slots__ = ("bytes", "home")

    def __init__(self, home: External | str, bytes: Number) -> None:
        self.home, self.bytes = home, bytes


class Spot(NamedTuple):
    """An address: so many bytes after the start of a room."""

    room: Room
    offset: Number = 0


class Loop:
    """Lines that are carried out over and over: those that name it, which are neighbours, in each of its rounds."""

    __slots__ = ("rounds",)

    def __init__(self, rounds: Number) -> None:
        self.rounds = rounds


class Moving(NamedTuple):
    """An address that moves with the rounds of a loop, as `netlang.backends.common.steps.Moving` says."""

    loop: Loop
    at: "tuple[Spot | Moving, Spot | Moving, Spot | Moving]"
    stride: Number


Arg = Spot | Moving | Number


class Use(NamedTuple):
    """A room that a line reads, or writes. `part` narrows it to so many elements of each image: first and end."""

    room: Room
    written: bool
    part: tuple[Number, Number] | None = None


class Line(NamedTuple):
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


class Claim(NamedTuple):
    """A piece of the arena that is needed from time `start` to `end`, both included.

    lives    None: all rooms begin where the piece does, and the first is the largest. Otherwise they share the piece:
             from when to when each is needed, or where that is not known (None) all of the time
    """

    start: int
    end: int
    rooms: tuple[Room, ...]
    lives: tuple[tuple[int, int] | None, ...] | None = None


class Result(NamedTuple):
    """An output of a call, whose array is made for it."""

    name: str
    shape: tuple[Number, ...]
    dtype: np.dtype[Any]


class Copied(NamedTuple):
    """After the last line: what is in a room is copied into an array of the caller's."""

    source: Room
    shape: tuple[Number, ...]
    dtype: np.dtype[Any]
    target: External


class Program(NamedTuple):
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
