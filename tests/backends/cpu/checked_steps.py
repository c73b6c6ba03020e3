"""Carry a program out step by step and see that each writes nothing but what it says it writes.

Threads meet only where what steps say they read and write makes it necessary: a step that wrote more would be a race.
Loops are gone through here in Python, so the addresses of every round are found in two ways.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from netlang.backends.common import steps as symbolic
from netlang.backends.common.numbers import evaluated
from netlang.backends.common.steps import Step
from netlang.backends.cpu import control
from netlang.backends.cpu.accesses import AccessFinder
from netlang.backends.cpu.barriers import Access
from netlang.backends.cpu.binding import Binding
from netlang.backends.cpu.executable import Executable
from netlang.backends.cpu.program import Line, Moving, Room, Spot
from netlang.backends.cpu.tables import Table
from netlang.backends.cpu.workers import pool
from netlang.ir.graph import Value
from netlang.runtime.arrays import bind_sizes
from tests.drawing import Array

Words = np.ndarray[Any, Any]


def run_checked(executable: Executable, inputs: Mapping[str, Array], params: Mapping[str, Array]) -> dict[str, Array]:
    """One call on one thread. Fails where a step has changed memory that is not among its writes."""
    shapes = {name: array.shape for name, array in inputs.items()}
    binding = executable._runner.bind(shapes)
    if executable._homes.hoisted:
        executable._prepare(binding, params=params)
    sizes = bind_sizes(executable.graph.inputs, shapes)
    return binding.run(inputs, params, 1, lambda _, table, threads: _carry_out(executable, binding, table, sizes))


def _carry_out(executable: Executable, binding: Binding, table: Table, sizes: Mapping[str, int]) -> None:
    finder = AccessFinder(binding.place_of, sizes)
    members = zip(executable.steps, executable._program.lines, strict=True)
    lines = dict(zip(table.slots, members, strict=True))
    for entry, kernel, address in _rounds(table):
        step, line = lines[entry]
        program = np.array([1, kernel, address, 0, 0], np.int64)
        before = binding.arena.copy()
        pool().run(program.ctypes.data, 1)
        changed = np.flatnonzero(binding.arena != before) + binding.arena.ctypes.data
        for start, stop in _moving(step, line, address, sizes):
            changed = changed[(changed < start) | (changed >= stop)]
        for access in finder.of(_still(line)):
            if access.written and access.space == "addresses":
                changed = changed[~_inside(changed, access, _pitch(executable, sizes, step))]
        assert not changed.size, f"entry {entry}, {line.kernel.key[:60]}, wrote {changed.size} bytes it does not own"


def _rounds(table: Table) -> Iterator[tuple[int, int, int]]:
    """(entry, kernel, address of its table) of all steps in order, those of loops once in every round."""
    entries = table.program[1:].reshape(-1, control.STEP_BYTES // 8)
    rounds: dict[int, int] = {}
    place = 0
    while place < len(entries):
        kernel, address, flags, _ = map(int, entries[place])
        if flags & control.BEGIN:
            loop = _words(address, control.MOVED)
            source = _words(address + int(loop[control.SOURCE]), int(loop[control.WORDS]))
            _words(int(loop[control.OWN]) + control.COPY, len(source))[:] = source
            rounds[address] = 0
            place += 0 if loop[control.ROUNDS] else kernel // control.STEP_BYTES
        elif flags & control.END:
            loop = _words(address, control.MOVED)
            rounds[address] += 1
            if rounds[address] < loop[control.ROUNDS]:
                _move(address, loop, rounds[address])
                place -= kernel // control.STEP_BYTES
        else:
            yield place, kernel, address
        place += 1


def _move(address: int, loop: Words, current: int) -> None:
    """Write the addresses of a round: of rounds 1 and 2 as they are listed, then so much further every second one."""
    moves = _words(address + 8 * control.MOVED, int(loop[control.MOVES]) * control.MOVE_WORDS)
    for place, odd, even, stride in moves.reshape(-1, control.MOVE_WORDS):
        at = odd + (current // 2) * stride if current % 2 else even + (current // 2 - 1) * stride
        _words(int(loop[control.OWN] + place), 1)[0] = at


def _words(address: int, count: int) -> Words:
    return np.ctypeslib.as_array((ctypes.c_int64 * count).from_address(address))


def _moving(step: Step, line: Line, address: int, sizes: Mapping[str, int]) -> Iterator[tuple[int, int]]:
    """Where a line may write this round, of what moves."""
    written = {use.room for use in line.uses if use.written}
    for i, (place, arg) in enumerate(zip(step.args, line.args, strict=True)):
        if isinstance(arg, Moving) and _rooms(arg) <= written:
            assert isinstance(place, symbolic.Moving)
            start = int(_words(address + 8 * i, 1)[0])
            yield start, start + evaluated(place.bytes, sizes)


def _rooms(place: Spot | Moving) -> set[Room]:
    return {place.room} if isinstance(place, Spot) else {room for p in place.at for room in _rooms(p)}


def _still(line: Line) -> Line:
    """A line without what moves."""
    args = tuple(a for a in line.args if not isinstance(a, Moving))
    named = {a.room for a in args if isinstance(a, Spot)}
    return line._replace(args=args, uses=tuple(use for use in line.uses if use.room in named))


def _inside(places: np.ndarray[Any, Any], access: Access, pitch: int) -> np.ndarray[Any, Any]:
    inside = (places >= access.start) & (places < access.stop)
    if access.part is not None:
        elements = (places - access.start) // 4 % pitch
        inside &= (elements >= access.part[0]) & (elements < access.part[1])
    return inside


def _pitch(executable: Executable, sizes: Mapping[str, int], step: Step) -> int:
    """Elements from image to image of the whole that a slice lies in."""
    for buffer in step.writes:
        found = executable._context.slices.get(buffer) if isinstance(buffer, Value) else None
        if found is not None:
            return evaluated(found.pitch, sizes)
    return 1
