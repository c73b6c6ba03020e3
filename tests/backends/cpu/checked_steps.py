"""Carry a program out step by step and see that each writes nothing but what it says it writes.

Threads meet only where what steps say they read and write makes it necessary: a step that wrote more would be a race.
Loops are gone through here in Python, so the addresses of every round are found in two ways.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from netlang.backends.common.steps import At, Moving, Scratch, Step, bases, evaluated
from netlang.backends.cpu import binding as binding_module
from netlang.backends.cpu import control
from netlang.backends.cpu.accesses import AccessFinder
from netlang.backends.cpu.barriers import Access
from netlang.backends.cpu.binding import Binding
from netlang.backends.cpu.executable import Executable
from netlang.backends.cpu.program import Table
from netlang.backends.cpu.threads import pool
from netlang.ir.graph import Value
from netlang.runtime.arrays import bind_sizes
from tests.drawing import Array

Words = np.ndarray[Any, Any]


def run_checked(executable: Executable, inputs: Mapping[str, Array], params: Mapping[str, Array]) -> dict[str, Array]:
    """One call on one thread. Fails where a step has changed memory that is not among its writes."""
    shapes = {name: array.shape for name, array in inputs.items()}
    binding = executable._bind(shapes)
    if executable._homes.hoisted:
        executable._prepare(binding, params)
    sizes = bind_sizes(executable.graph.inputs, shapes)
    return binding.run(inputs, params, 1, lambda table, threads: _carry_out(executable, binding, table, sizes))


def _carry_out(executable: Executable, binding: Binding, table: Table, sizes: Mapping[str, int]) -> None:
    finder = AccessFinder(binding._layout, sizes)
    steps = dict(zip(table.slots, executable.steps, strict=True))
    for entry, kernel, address in _rounds(table):
        step = steps[entry]
        program = np.array([1, kernel, address, 0, 0], np.int64)
        before = binding.arena.copy()
        pool().run(program.ctypes.data, 1)
        changed = np.flatnonzero(binding.arena != before) + binding.arena.ctypes.data
        for start, stop in _moving(step, address, sizes):
            changed = changed[(changed < start) | (changed >= stop)]
        for access in finder.of(_still(step)):
            if access.written and access.space == "addresses":
                changed = changed[~_inside(changed, access, _pitch(binding, sizes, access, step))]
        assert not changed.size, f"entry {entry}, {step.kernel.key[:60]}, wrote {changed.size} bytes it does not own"


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


def _moving(step: Step, address: int, sizes: Mapping[str, int]) -> Iterator[tuple[int, int]]:
    """Where a step may write this round, of what moves."""
    for i, arg in enumerate(step.args):
        if isinstance(arg, Moving) and set(bases(arg)) <= set(step.writes):
            start = int(_words(address + 8 * i, 1)[0])
            yield start, start + evaluated(arg.bytes, sizes)


def _still(step: Step) -> Step:
    """A step without what moves."""
    args = tuple(a for a in step.args if not isinstance(a, Moving))
    named = {b for a in args if isinstance(a, Value | Scratch | At) for b in bases(a)}
    return Step(step.kernel, args, tuple(b for b in step.writes if b in named), step.work)


def _inside(places: np.ndarray[Any, Any], access: Access, pitch: int) -> np.ndarray[Any, Any]:
    inside = (places >= access.start) & (places < access.stop)
    if access.part is not None:
        elements = (places - access.start) // 4 % pitch
        inside &= (elements >= access.part[0]) & (elements < access.part[1])
    return inside


def _pitch(binding: Binding, sizes: Mapping[str, int], access: Access, step: Any) -> int:
    """Elements from image to image of the whole that a slice lies in."""
    context = binding._layout.context
    for buffer in step.writes:
        found = context.slices.get(buffer)
        if found is not None:
            return int(binding_module.evaluated(found.pitch, sizes))
    return 1
