"""A program as JSON, which `unpacking` reads.

    {"numbers": [...],                                 see `formulas`; elsewhere a number is itself or ["n", its place]
     "rooms": [[home, bytes], ...],                    home: "constant", "kept", "arena", or [kind, name]
     "constants": [[room, first byte, bytes], ...],    in a member of their own
     "loops": [rounds, ...],
     "prologue": [line, ...], "lines": [line, ...],    [code, [argument, ...], [use, ...], work, parallel, [loop, ...]]
     "claims": [[start, end, [room, ...], lives or null], ...],
     "kept": [room, ...],
     "results": [[name, [size, ...], element type], ...],
     "copies": [[room, [size, ...], element type, kind, name], ...],
     "symbolic": [name, ...], "changes": true or false,
     "largest": {name: size}}

An argument is a number, ["s", room, offset], or ["m", loop, [three places], stride]; a use is [room, written, null or
[first, end]]. Code is the place of a kernel in the blob.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from netlang.backends.common.external import External
from netlang.backends.common.numbers import Number
from netlang.backends.cpu.artifact.recording import Recording
from netlang.backends.cpu.program import Arg, Claim, Line, Loop, Moving, Program, Room, Spot, Use
from netlang.ir.types import DType


class Constants:
    """The bytes of constants, one after the other, each once."""

    ALIGNMENT = 64

    def __init__(self) -> None:
        self.body = bytearray()
        self._places: dict[bytes, int] = {}

    def add(self, bytes_: bytes) -> int:
        """Where these bytes are."""
        if bytes_ not in self._places:
            self.body += bytes(-len(self.body) % self.ALIGNMENT)
            self._places[bytes_] = len(self.body)
            self.body += bytes_
        return self._places[bytes_]


def packed(
    program: Program,
    symbols: list[str],
    place_of: Callable[[Any], int],
    constants: Constants,
    largest: Mapping[str, int],
) -> dict[str, Any]:
    """A program as JSON. `place_of` says where a kernel is in the blob. Raises NetError where it cannot be written."""
    return _Packer(symbols, place_of, largest).packed(program, constants)


class _Packer:
    def __init__(self, symbols: list[str], place_of: Callable[[Any], int], largest: Mapping[str, int]) -> None:
        self.place_of = place_of
        self.recording = Recording(symbols, largest)
        self.number: Callable[[Number], Any] = self.recording.add
        self.rooms: dict[Room, int] = {}
        self.loops: dict[Loop, int] = {}

    def packed(self, program: Program, constants: Constants) -> dict[str, Any]:
        made = {
            "prologue": [self.line(line) for line in program.prologue],
            "lines": [self.line(line) for line in program.lines],
            "claims": [self.claim(claim) for claim in program.claims],
            "constants": [
                [self.room(room), constants.add(array.tobytes()), array.nbytes]
                for room, array in program.constants.items()
            ],
            "kept": [self.room(room) for room in program.kept],
            "results": [[r.name, [self.number(d) for d in r.shape], str(DType.of(r.dtype))] for r in program.results],
            "copies": [
                [self.room(c.source), [self.number(d) for d in c.shape], str(DType.of(c.dtype)), *_external(c.target)]
                for c in program.copies
            ],
            "symbolic": list(program.symbolic),
            "changes": program.changes,
        }
        made["rooms"] = [[_home(room), self.number(room.bytes)] for room in self.rooms]
        made["loops"] = [self.number(loop.rounds) for loop in self.loops]
        return {**made, "numbers": self.recording.entries, "largest": self.recording.largest}

    def room(self, room: Room) -> int:
        return self.rooms.setdefault(room, len(self.rooms))

    def loop(self, loop: Loop) -> int:
        return self.loops.setdefault(loop, len(self.loops))

    def line(self, line: Line) -> list[Any]:
        return [
            self.place_of(line.kernel),
            [self.arg(arg) for arg in line.args],
            [self.use(use) for use in line.uses],
            self.number(line.work),
            line.parallel,
            [self.loop(loop) for loop in line.loops],
        ]

    def arg(self, arg: Arg) -> Any:
        if isinstance(arg, Spot):
            return ["s", self.room(arg.room), self.number(arg.offset)]
        if isinstance(arg, Moving):
            return ["m", self.loop(arg.loop), [self.arg(place) for place in arg.at], self.number(arg.stride)]
        return self.number(arg)

    def use(self, use: Use) -> list[Any]:
        return [self.room(use.room), use.written, use.part and [self.number(n) for n in use.part]]

    def claim(self, claim: Claim) -> list[Any]:
        return [claim.start, claim.end, [self.room(room) for room in claim.rooms], claim.lives]


def _home(room: Room) -> Any:
    return _external(room.home) if isinstance(room.home, External) else room.home


def _external(home: External) -> list[str]:
    return [home.kind, home.name]
