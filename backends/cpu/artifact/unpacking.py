"""A program from the JSON that `packing` wrote."""

from __future__ import annotations

from typing import Any

import numpy as np

from netlang.backends.common.external import External
from netlang.backends.common.numbers import Number
from netlang.backends.cpu.artifact.formulas import Entry
from netlang.backends.cpu.program import Arg, Claim, Copied, Line, Loop, Moving, Program, Result, Room, Spot, Use
from netlang.runtime.ports import dtype_of


def unpacked(data: dict[str, Any], constants: memoryview) -> Program:
    """The program. `constants` are the bytes that its own places are in."""
    return _Unpacker(data).program(data, constants)


class _Unpacker:
    def __init__(self, data: dict[str, Any]) -> None:
        self.entries = [Entry(i) for i in range(len(data["numbers"]))]
        self.rooms = [Room(_home(home), self.number(bytes)) for home, bytes in data["rooms"]]
        self.loops = [Loop(self.number(rounds)) for rounds in data["loops"]]

    def program(self, data: dict[str, Any], constants: memoryview) -> Program:
        whole = np.frombuffer(constants, np.uint8)
        return Program(
            prologue=[self.line(*line) for line in data["prologue"]],
            lines=[self.line(*line) for line in data["lines"]],
            claims=[self.claim(*claim) for claim in data["claims"]],
            constants={self.rooms[room]: whole[first : first + size] for room, first, size in data["constants"]},
            kept=[self.rooms[room] for room in data["kept"]],
            results=[Result(name, self.shape(shape), dtype_of(dtype)) for name, shape, dtype in data["results"]],
            copies=[
                Copied(self.rooms[room], self.shape(shape), dtype_of(dtype), External(kind, name))
                for room, shape, dtype, kind, name in data["copies"]
            ],
            symbolic=data["symbolic"],
            changes=data["changes"],
        )

    def number(self, number: Any) -> Number:
        return number if isinstance(number, int) else self.entries[number[1]]

    def shape(self, shape: list[Any]) -> tuple[Number, ...]:
        return tuple(self.number(size) for size in shape)

    def line(self, code: int, args: list[Any], uses: list[Any], work: Any, parallel: bool, loops: list[int]) -> Line:
        return Line(
            code,
            tuple(self.arg(arg) for arg in args),
            tuple(self.use(*use) for use in uses),
            self.number(work),
            parallel,
            tuple(self.loops[loop] for loop in loops),
        )

    def arg(self, arg: Any) -> Arg:
        return self.place(arg) if isinstance(arg, list) and arg[0] != "n" else self.number(arg)

    def place(self, place: Any) -> Spot | Moving:
        if place[0] == "s":
            return Spot(self.rooms[place[1]], self.number(place[2]))
        first, second, third = (self.place(p) for p in place[2])
        return Moving(self.loops[place[1]], (first, second, third), self.number(place[3]))

    def use(self, room: int, written: bool, part: list[Any] | None) -> Use:
        return Use(self.rooms[room], written, (self.number(part[0]), self.number(part[1])) if part else None)

    def claim(self, start: int, end: int, rooms: list[int], lives: list[list[int] | None] | None) -> Claim:
        times = None if lives is None else tuple((life[0], life[1]) if life else None for life in lives)
        return Claim(start, end, tuple(self.rooms[room] for room in rooms), times)


def _home(home: Any) -> External | str:
    return home if isinstance(home, str) else External(home[0], home[1])
