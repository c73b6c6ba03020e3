"""A program from the JSON that `packing` wrote.

Everything is looked up with a check: ValueError (or what Python raises for a thing of another kind) tells of a program
that the compiler cannot have written, before any memory is taken for it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from netlang.backends.common.external import External
from netlang.backends.common.numbers import Number
from netlang.backends.cpu.artifact.formulas import Entry, check_entries
from netlang.backends.cpu.program import (
    ARENA,
    CONSTANT,
    KEPT,
    Arg,
    Claim,
    Copied,
    Line,
    Loop,
    Moving,
    Program,
    Result,
    Room,
    Spot,
    Use,
)
from netlang.runtime.ports import dtype_of

_T = TypeVar("_T")
_OWN = (CONSTANT, KEPT, ARENA)
Known = Mapping[str, Mapping[str, int | None]]
"""The bytes of the arrays that a call brings, by kind and name; None where they depend on sizes."""


def unpacked(
    data: dict[str, Any], constants: memoryview, code_bytes: int, sizes: Collection[str], known: Known
) -> Program:
    """The program. `constants` are the bytes that its own places are in, kernels are in `code_bytes` of code, `sizes`
    are the names of those that a call tells.
    """
    return _Unpacker(data, code_bytes, sizes, known).program(data, constants)


class _Unpacker:
    def __init__(self, data: dict[str, Any], code_bytes: int, sizes: Collection[str], known: Known) -> None:
        check_entries(data["numbers"], sizes)
        self.code_bytes, self.known = code_bytes, known
        self.entries = [Entry(i) for i in range(len(data["numbers"]))]
        self.rooms = [self.made_room(self.home(home), self.number(bytes)) for home, bytes in data["rooms"]]
        self.loops = [Loop(self.number(rounds)) for rounds in data["loops"]]

    def program(self, data: dict[str, Any], constants: memoryview) -> Program:
        whole = np.frombuffer(constants, np.uint8)
        return Program(
            prologue=[self.line(*line) for line in data["prologue"]],
            lines=[self.line(*line) for line in data["lines"]],
            claims=[self.claim(*claim) for claim in data["claims"]],
            constants={self.room(room): _part(whole, first, size) for room, first, size in data["constants"]},
            kept=[self.room(room) for room in data["kept"]],
            results=[Result(str(name), self.shape(shape), dtype_of(dtype)) for name, shape, dtype in data["results"]],
            copies=[
                Copied(self.room(room), self.shape(shape), dtype_of(dtype), self.external(kind, name))
                for room, shape, dtype, kind, name in data["copies"]
            ],
            symbolic=[self.external("input", name).name for name in data["symbolic"]],
            changes=bool(data["changes"]),
        )

    def number(self, number: Any) -> Number:
        if type(number) is int:
            return number
        letter, place = number
        if letter != "n":
            raise ValueError(f"{number!r} is no number")
        return _listed(self.entries, place)

    def shape(self, shape: list[Any]) -> tuple[Number, ...]:
        return tuple(self.number(size) for size in shape)

    def room(self, place: Any) -> Room:
        return _listed(self.rooms, place)

    def made_room(self, home: External | str, bytes: Number) -> Room:
        most = self.known[home.kind][home.name] if isinstance(home, External) else None
        if isinstance(bytes, int) and (bytes < 0 or (most is not None and bytes > most)):
            raise ValueError(f"{home} cannot have {bytes} bytes")
        return Room(home, bytes)

    def home(self, home: Any) -> External | str:
        if isinstance(home, str):
            if home not in _OWN:
                raise ValueError(f"there is no memory called {home!r}")
            return home
        return self.external(*home)

    def external(self, kind: Any, name: Any) -> External:
        if name not in self.known[kind]:
            raise ValueError(f"there is no {kind} '{name}'")
        return External(kind, name)

    def line(self, code: int, args: list[Any], uses: list[Any], work: Any, parallel: bool, loops: list[int]) -> Line:
        if type(code) is not int or not 0 <= code < self.code_bytes:
            raise ValueError(f"there is no kernel at {code!r}")
        return Line(
            code,
            tuple(self.arg(arg) for arg in args),
            tuple(self.use(*use) for use in uses),
            self.number(work),
            bool(parallel),
            tuple(_listed(self.loops, loop) for loop in loops),
        )

    def arg(self, arg: Any) -> Arg:
        return self.place(arg) if isinstance(arg, list) and arg[0] != "n" else self.number(arg)

    def place(self, place: Any) -> Spot | Moving:
        letter, first, *rest = place
        if letter == "s":
            (offset,) = rest
            return Spot(self.room(first), self.number(offset))
        if letter != "m":
            raise ValueError(f"{place!r} is no place")
        (one, two, three), stride = rest
        at = (self.place(one), self.place(two), self.place(three))
        return Moving(_listed(self.loops, first), at, self.number(stride))

    def use(self, room: int, written: bool, part: list[Any] | None) -> Use:
        return Use(self.room(room), bool(written), (self.number(part[0]), self.number(part[1])) if part else None)

    def claim(self, start: int, end: int, rooms: list[int], lives: list[list[int] | None] | None) -> Claim:
        times = None if lives is None else tuple(_life(life) if life else None for life in lives)
        if not rooms or (times is not None and len(times) != len(rooms)):
            raise ValueError("a piece of memory is nobody's")
        return Claim(*_life([start, end]), tuple(self.room(room) for room in rooms), times)


def _listed(known: Sequence[_T], place: Any) -> _T:
    """An entry by its place, which is not counted from the end."""
    if type(place) is not int or not 0 <= place < len(known):
        raise ValueError(f"there is no entry {place!r} of {len(known)}")
    return known[place]


def _part(whole: np.ndarray[Any, Any], first: Any, size: Any) -> np.ndarray[Any, Any]:
    """Bytes of the constants."""
    if type(first) is not int or type(size) is not int or not 0 <= first <= first + size <= len(whole):
        raise ValueError(f"a constant has {size!r} bytes at {first!r} of {len(whole)}")
    return whole[first : first + size]


def _life(times: Sequence[Any]) -> tuple[int, int]:
    start, end = times
    if type(start) is not int or type(end) is not int or not 0 <= start <= end < 1 << 32:
        raise ValueError(f"memory is needed from {start!r} to {end!r}")
    return start, end
