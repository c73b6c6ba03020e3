"""A program bound to sizes: the arena, the argument tables, the table of steps. One call at a time may use it."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from math import prod
from time import perf_counter_ns
from typing import Any

import numpy as np

from netlang.backends.common.external import External
from netlang.backends.common.numbers import Sizes, evaluated
from netlang.backends.cpu.arena import plan_arena
from netlang.backends.cpu.pages import reserve
from netlang.backends.cpu.program import CONSTANT, KEPT, Copied, Program, Room
from netlang.backends.cpu.tables import Home, Table, make_table
from netlang.backends.cpu.threads import Code, Pool

Array = np.ndarray[Any, np.dtype[Any]]

SERIAL_PROGRAM = 400_000
"""Programs of less work than this run on the calling thread alone: waking another may cost 60 microseconds."""


def threads_for(table: Table, threads: int) -> int:
    """How many of `threads` may carry the lines out."""
    return threads if table.work >= SERIAL_PROGRAM else 1


def run_table(pool: Pool, table: Table, threads: int) -> None:
    """Carry the lines out, on up to so many threads: on one where that has been faster."""
    if len(table.program) <= 1:
        return
    if threads_for(table, threads) == 1:
        pool.run(table.program_address, 1)
        return
    pace = table.pace
    wanted = threads if pace.next_together() else 1
    start = perf_counter_ns()
    given = pool.run(table.program_address, wanted)
    pace.note(given > 1, perf_counter_ns() - start)


class Binding:
    """The program for one set of sizes and up to so many threads, with memory of its own."""

    def __init__(
        self,
        program: Program,
        constants: Mapping[Room, int],
        sizes: Sizes,
        threads: int,
        code: Code,
        pool: Pool,
    ) -> None:
        self._program, self._constants, self._pool = program, constants, pool
        plan = plan_arena(program, sizes)
        self.arena = reserve(max(1, plan.bytes))
        self._offsets = plan.offsets
        self.table = make_table(program.lines, self.place_of, sizes, code, threads)
        self.prepared: object = None
        """Keeps alive the memory of kept rooms that the table refers to."""
        self._outputs = [(r.name, tuple(evaluated(d, sizes) for d in r.shape), r.dtype) for r in program.results]
        external = [home for home in self.table.places if isinstance(home, External)]
        self._moving = [home for home in external if home.kind != "param"]
        self._params = [home for home in external if home.kind == "param"]
        self._param_names = [home.name for home in self._params]
        self._arrays: list[Array] = []
        self._ids: list[int] = []
        self._shapes = [tuple(evaluated(d, sizes) for d in copy.shape) for copy in program.copies]

    def place_of(self, room: Room) -> int | Home:
        """The address of a room where it is known, else the home it depends on."""
        if isinstance(room.home, External):
            return room.home
        if room.home == CONSTANT:
            return self._constants[room]
        return room if room.home == KEPT else self.arena.ctypes.data + self._offsets[room]

    def run(
        self,
        inputs: Mapping[str, Array],
        params: Mapping[str, Array],
        threads: int,
        carry_out: Callable[[Pool, Table, int], None] = run_table,
    ) -> dict[str, Array]:
        """One call; kept rooms have been placed before. A profile has a way of its own to `carry_out` lines."""
        outputs = {name: np.empty(shape, dtype) for name, shape, dtype in self._outputs}
        given = {"input": inputs, "param": params, "output": outputs}
        for home in self._moving:
            self.table.place(home, address_of(given[home.kind][home.name]))
        # Params are usually the same arrays as in the last call, and asking for an address takes its time.
        if list(map(id, map(params.__getitem__, self._param_names))) != self._ids:
            self._place_params(params)
        carry_out(self._pool, self.table, threads)
        if self._program.copies:
            self._copy(given)
        return outputs

    def _place_params(self, params: Mapping[str, Array]) -> None:
        """Keeps the arrays, so that their ids are nobody else's."""
        self._arrays = [params[name] for name in self._param_names]
        self._ids = list(map(id, self._arrays))
        for home, array in zip(self._params, self._arrays, strict=True):
            self.table.place(home, address_of(array))

    def _copy(self, given: Mapping[str, Mapping[str, Array]]) -> None:
        """All is read before anything is written: parameters may change places."""
        copies = self._program.copies
        sources = [self._array(c, shape, given) for c, shape in zip(copies, self._shapes, strict=True)]
        for copy, source in zip(copies, sources, strict=True):
            target = given[copy.target.kind][copy.target.name]
            np.copyto(target, source.reshape(target.shape))

    def _array(self, copy: Copied, shape: tuple[int, ...], given: Mapping[str, Mapping[str, Array]]) -> Array:
        """The elements of what is copied, after the last line."""
        place = self.place_of(copy.source)
        if isinstance(place, External):
            array = given[place.kind][place.name]
            return array.copy() if place.kind == "param" else array
        return array_at(place if isinstance(place, int) else self.table.known[place], shape, copy.dtype)


INTERFACE_KEYS = ("data", "descr", "shape", "strides", "typestr", "version")
"""What `__array_interface__` has. Kept here because Python takes each of these words into its table of interned ones
when it is asked for, and out of it where nobody keeps it: the table was rebuilt every few thousand calls, and memory
grew."""


def address_of(array: Array) -> int:
    """The address of an array's first element."""
    address: int = array.__array_interface__["data"][0] if array.dtype.kind != "V" else array.ctypes.data
    return address


def array_at(address: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """The memory at an address as an array, which does not keep it alive."""
    count = prod(shape) * dtype.itemsize
    memory = (ctypes.c_uint8 * count).from_address(address)
    return np.ctypeslib.as_array(memory).view(dtype).reshape(shape)
