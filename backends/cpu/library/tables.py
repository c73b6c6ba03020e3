"""A program as C: the tables that `tables.h` declares, in read-only memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

from netlang.backends.common.external import External
from netlang.backends.common.numbers import Number, evaluated
from netlang.backends.cpu.artifact.formulas import evaluate_all
from netlang.backends.cpu.artifact.packing import Constants
from netlang.backends.cpu.artifact.recording import Recording
from netlang.backends.cpu.outline import Entry, Outline, Region
from netlang.backends.cpu.program import ARENA, CONSTANT, KEPT, Claim, Copied, Line, Program, Room, Use
from netlang.placement import align

Row = Sequence[int | str]

_OPERATIONS = {
    "+": "ADD", "-": "SUBTRACT", "*": "MULTIPLY", "//": "DIVIDE", "%": "REMAINDER", "<": "LESS", "<=": "LESS_EQUAL",
    "==": "EQUAL",
}  # fmt: skip
ROOM_BEHIND = 128
"""Bytes that kernels may read behind what they are given; `tables.h` has the same."""


class Numbers:
    """A table of numbers that depend on sizes, and what they come to in C."""

    def __init__(self, symbols: Sequence[str], largest: Mapping[str, int]) -> None:
        self._symbols = list(symbols)
        self.recording = Recording(self._symbols, largest)
        self._constants: dict[int | tuple[int, ...], int] = {}
        self._pool: list[int] = []

    def add(self, number: Number) -> int:
        """Its place in the table."""
        found = self.recording.add(number)
        return self.recording.place(found) if isinstance(found, int) else int(found[1])

    def fixed(self, number: Number) -> int:
        """What a number is that does not depend on sizes."""
        sizes = dict.fromkeys(self._symbols, 1)
        place = self.add(number)
        return evaluate_all(self.recording.entries[: place + 1], sizes)[place]

    def written(self, name: str) -> tuple[str, str]:
        """(declarations, the `struct numbers`)."""
        rows = [self._row(entry) for entry in self.recording.entries]
        text = array("struct number", f"{name}_number", rows)
        text += array("int64_t", f"{name}_constant", map(_literal, self._pool))
        return text, f"{{{len(rows)}, {name}_number, {name}_constant}}"

    def _row(self, entry: Any) -> Row:
        if isinstance(entry, int):
            return "CONSTANT", self._constant((entry,)), 0, 0
        if isinstance(entry, str):
            return "SIZE", self._symbols.index(entry), 0, 0
        if entry[0] == "?":
            return "CHOICE", *entry[1:]
        if entry[0] == "steps":
            return "STEPS", entry[1], len(entry[2]), self._constant((*entry[2], *entry[3]))
        return _OPERATIONS[entry[0]], *entry[1:], 0

    def _constant(self, values: tuple[int, ...]) -> int:
        if values not in self._constants:
            self._constants[values] = len(self._pool)
            self._pool += values
        return self._constants[values]


class Param(NamedTuple):
    """Where a parameter is in the weights, in bytes, how many elements it has, and what it was rounded to."""

    place: int
    elements: int
    half: str | None = None


def params_of(places: Mapping[str, Any]) -> dict[str, Param]:
    """Parameters, by their places in a manifest."""
    return {name: Param(first, prod(shape), *half) for name, (_, shape, first, *half) in places.items()}


class ProgramTables:
    """One program. `kernel` says what a kernel is called in C; the ports are in the order in which a call brings them,
    and `params` are the parameters that have elements."""

    def __init__(
        self,
        program: Program,
        numbers: Numbers,
        kernel: Callable[[Any], str],
        constants: Constants,
        ports: Mapping[str, Sequence[str]],
        params: Mapping[str, Param],
    ) -> None:
        self._program, self._numbers, self._kernel, self._constants = program, numbers, kernel, constants
        self._ports, self._params = ports, params
        self._rooms: dict[Room, int] = {}
        self._uses: list[Row] = []
        self._bytes = {True: 0, False: 0}
        """Of the rooms that stay, and of those for the prologue alone."""
        self._halves: list[Row] = []
        self._called = {use.room for line in program.lines for use in line.uses} | {c.source for c in program.copies}

    def written(self, name: str) -> tuple[str, str]:
        """(declarations, the `struct program`)."""
        program = self._program
        text = ""
        outlines = []
        for part, lines in (("prologue", program.prologue), ("line", program.lines)):
            declared, found = self._outline(Outline(lines), f"{name}_{part}")
            text += declared
            outlines.append(found)
        claims, claimed, lives = self._claims(program.claims)
        copies = [self._copy(copy) for copy in program.copies]
        rooms = [self._room(room) for room in list(self._rooms)]
        declared, numbers = self._numbers.written(name)
        text += declared
        for kind, what, rows in (
            ("struct room", "room", rooms), ("struct use", "use", self._uses), ("struct claim", "claim", claims),
            ("int32_t", "claimed", claimed), ("int32_t", "life", lives), ("struct copy", "copy", copies),
            ("struct half", "half", self._halves),
        ):  # fmt: skip
            text += array(kind, f"{name}_{what}", rows)
        counts = f"{len(rooms)}, {len(claims)}, {len(copies)}, {name}_room, {name}_use"
        arena = f"{name}_claim, {name}_claimed, {name}_life, {name}_copy"
        made = f"{len(self._halves)}, {name}_half, {self._bytes[True]}, {self._bytes[False]}"
        return text, f"{{{numbers}, {counts}, {outlines[0]}, {outlines[1]}, {arena}, {made}}}"

    def _place(self, room: Room | None) -> int:
        return -1 if room is None else self._rooms.setdefault(room, len(self._rooms))

    def _room(self, room: Room) -> Row:
        bytes = self._numbers.add(room.bytes)
        home, place = self._home(room)
        return home, bytes, place

    def _home(self, room: Room) -> tuple[str, int]:
        if isinstance(room.home, External):
            kind, name = room.home.kind, room.home.name
            if kind == "param":
                return self._param(room, self._params.get(name, Param(0, 0)))
            return f"IN_{kind.upper()}", self._ports[kind].index(name)
        if room.home == CONSTANT:
            return "IN_CONSTANTS", self._constants.add(self._program.constants[room].tobytes())
        if room.home == ARENA:
            return "IN_ARENA", 0
        assert room.home == KEPT
        return self._memory(room, room in self._program.kept)

    def _param(self, room: Room, param: Param) -> tuple[str, int]:
        """Where it is in the weights, or once it is widened."""
        if param.half is None:
            return "IN_WEIGHTS", param.place
        home, place = self._memory(room, room in self._called)
        self._halves.append((home, int(param.half == "bf16"), place, param.place, param.elements))
        return home, place

    def _memory(self, room: Room, stays: bool) -> tuple[str, int]:
        """What is filled when a model is made."""
        place = self._bytes[stays]
        self._bytes[stays] += align(self._numbers.fixed(room.bytes) + ROOM_BEHIND)
        return "IN_KEPT" if stays else "IN_SCRAP", place

    # ---- lines

    def _outline(self, outline: Outline, name: str) -> tuple[str, str]:
        words = [(self._place(room), self._numbers.add(number)) for room, number in outline.words]
        places = {region: i for i, region in enumerate(outline.regions)}
        first: dict[Region, int] = {}
        entries = []
        for entry in outline.entries:
            if entry.loop is not None:
                first.setdefault(entry.loop, len(self._uses))
            entries.append(self._entry(entry, places, first))
        regions = [(r.start, r.stop, r.words, self._numbers.add(r.loop.rounds)) for r in outline.regions]
        text = array("struct word", f"{name}_word", words) + array("struct entry", f"{name}_entry", entries)
        text += array("struct region", f"{name}_region", regions)
        counts = f"{len(words)}, {len(entries)}, {len(regions)}"
        return text, f"{{{counts}, {name}_word, {name}_entry, {name}_region}}"

    def _entry(self, entry: Entry, places: Mapping[Region, int], first: Mapping[Region, int]) -> Row:
        region = -1 if entry.region is None else places[entry.region]
        if entry.loop is not None:
            use = first[entry.loop]
            found = (entry.flags, entry.table, region, places[entry.loop], entry.jump)
            return "NULL", *found, 0, 0, use, len(self._uses) - use
        assert entry.line is not None
        return self._line(entry, entry.line, region)

    def _line(self, entry: Entry, line: Line, region: int) -> Row:
        use = len(self._uses)
        self._uses += [self._use(use) for use in line.uses]
        work = self._numbers.add(line.work)
        found = (self._kernel(line.kernel), 0, entry.table, region, -1, 0, work, int(line.parallel))
        return *found, use, len(line.uses)

    def _use(self, use: Use) -> Row:
        first, end = (self._numbers.add(n) for n in use.part) if use.part else (-1, -1)
        return self._place(use.room), int(use.written), first, end

    # ---- memory

    def _claims(self, claims: Iterable[Claim]) -> tuple[list[Row], list[int], list[int]]:
        """(claims, the rooms of all, when the rooms of those that are shared are needed)."""
        rows: list[Row] = []
        rooms: list[int] = []
        lives: list[int] = []
        for claim in claims:
            shared = -1 if claim.lives is None else len(lives)
            rows.append((claim.start, claim.end, len(rooms), len(claim.rooms), shared))
            rooms += [self._place(room) for room in claim.rooms]
            for life in claim.lives or ():
                lives += life or (-1, -1)
        return rows, rooms, lives

    def _copy(self, copy: Copied) -> Row:
        bytes = self._numbers.add(lambda sizes: prod(evaluated(d, sizes) for d in copy.shape) * copy.dtype.itemsize)
        if copy.target.kind == "param":
            return self._place(copy.source), bytes, -1, self._params[copy.target.name].place
        return self._place(copy.source), bytes, self._ports["output"].index(copy.target.name), 0


def array(kind: str, name: str, rows: Iterable[Row | int | str]) -> str:
    """A C array. One that has nothing in it gets an element, which nobody reads: C knows no empty ones."""
    texts = [_row(row) for row in rows] or ["{0}" if kind.startswith("struct") else "0"]
    lines, line = [], ""
    for text in texts:
        if len(line) + len(text) > 116:
            lines.append(line)
            line = ""
        line += f"{text},"
    return f"static const {kind} {name}[] = {{\n" + "\n".join([*lines, line]) + "\n};\n"


def _row(row: Row | int | str) -> str:
    if isinstance(row, int | str):
        return str(row)
    return "{" + ",".join(map(str, row)) + "}"


def _literal(number: int) -> str:
    """The least number of 64 bits cannot be written as one."""
    return f"{number}LL" if number > -(2**63) else "INT64_MIN"
