"""Carry a program out step by step and see that each writes nothing but what it says it writes.

Threads meet only where what steps say they read and write makes it necessary: a step that wrote more would be a race.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from netlang.backends.cpu import binding as binding_module
from netlang.backends.cpu.accesses import AccessFinder
from netlang.backends.cpu.barriers import Access
from netlang.backends.cpu.binding import Binding, Table
from netlang.backends.cpu.executable import Executable
from netlang.backends.cpu.threads import pool
from netlang.runtime.arrays import bind_sizes
from tests.drawing import Array

_WORDS = 3
"""Of a step in a program."""


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
    for i, step in enumerate(executable.steps):
        words = table.program[1 + _WORDS * i : 1 + _WORDS * (i + 1)]
        program = np.array([1, *words], np.int64)
        before = binding.arena.copy()
        pool().run(program.ctypes.data, 1)
        changed = np.flatnonzero(binding.arena != before) + binding.arena.ctypes.data
        for access in finder.of(step):
            if access.written and access.space == "addresses":
                changed = changed[~_inside(changed, access, _pitch(binding, sizes, access, step))]
        assert not changed.size, f"step {i}, {step.kernel.key[:60]}, wrote {changed.size} bytes it does not own"


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
