"""A program that is carried out again and again: it is bound to sizes when first called with them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from netlang.backends.common.numbers import Sizes, evaluated
from netlang.backends.cpu.binding import Array, Binding, run_table
from netlang.backends.cpu.pages import reserve
from netlang.backends.cpu.program import Line, Program, Room
from netlang.backends.cpu.tables import Home, home_of, make_table
from netlang.backends.cpu.threads import Code, Pool, aligned

MOST_SIZES = 16
"""For this many different sizes bindings and their memory are kept."""

Shapes = Mapping[str, tuple[int, ...]]
Memory = np.ndarray[Any, Any]


class Runner:
    """Calls may come from several threads at a time: each gets memory of its own.

    sizes_of    from the shapes of the inputs to the sizes of symbolic dims; raises NetError where they do not fit
    """

    def __init__(
        self, program: Program, code: Code, pool: Pool, threads: int, sizes_of: Callable[[Shapes], Sizes]
    ) -> None:
        self.program, self.pool, self.threads = program, pool, threads
        self._code, self._sizes_of = code, sizes_of
        self._constants = {room: _copied(array) for room, array in program.constants.items()}
        self._addresses = {room: memory.ctypes.data for room, memory in self._constants.items()}
        self.bindings: dict[tuple[tuple[int, ...], ...], deque[Binding]] = {}

    def run(
        self, inputs: Mapping[str, Array], params: Mapping[str, Array], prepare: Callable[[Binding], None] | None
    ) -> dict[str, Array]:
        """One call; `prepare` says a binding where the kept rooms are."""
        key = tuple([inputs[name].shape for name in self.program.symbolic])
        free = self.bindings.get(key)
        if free is None:
            free = self._room_for(key)
        try:
            binding = free.pop()
        except IndexError:
            binding = self.bind({name: array.shape for name, array in inputs.items()})
        if prepare is not None:
            prepare(binding)
        outputs = binding.run(inputs, params, self.threads)
        free.append(binding)
        return outputs

    def bind(self, shapes: Shapes) -> Binding:
        """The program bound to the sizes that these shapes say."""
        return Binding(self.program, self._addresses, self._sizes_of(shapes), self.threads, self._code, self.pool)

    def carry_out(self, line: Line, address: Callable[[Home], int]) -> None:
        """One line of the prologue, whose homes are at these addresses."""
        table = make_table([line], lambda room: self._addresses.get(room, home_of(room)), {}, self._code)
        for home in table.places:
            table.place(home, address(home))
        run_table(self.pool, table, self.threads)

    def _room_for(self, key: tuple[tuple[int, ...], ...]) -> deque[Binding]:
        while len(self.bindings) >= MOST_SIZES:
            # Another thread may be quicker; its call keeps the binding alive that it is using.
            self.bindings.pop(next(iter(self.bindings), key), None)
        return self.bindings.setdefault(key, deque())


def memory_of(room: Room) -> Memory:
    """Memory for a kept room, which no size of a call enters."""
    return reserve(max(1, evaluated(room.bytes, {})))


def _copied(array: Memory) -> Memory:
    """The same bytes where kernels may read them: aligned, with room behind them."""
    memory = aligned(max(1, array.nbytes))
    memory[: array.nbytes] = array.reshape(-1).view(np.uint8)
    return memory
