"""A program bound to sizes: the arena, the argument tables, the table of steps. One call at a time may use it."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter_ns
from typing import Any

import numpy as np

from netlang.backends.base import Array
from netlang.backends.common.homes import External, Home, Homes
from netlang.backends.common.planning import plan_memory, scratch_places
from netlang.backends.common.steps import Buffer, Scratch, Sizes, Step
from netlang.backends.cpu.lower import LoweringContext
from netlang.backends.cpu.pages import reserve
from netlang.backends.cpu.program import Table, make_table
from netlang.backends.cpu.threads import pool
from netlang.ir.graph import Value
from netlang.passes.memory import MemoryPlan

SERIAL_PROGRAM = 400_000
"""Programs of less work than this run on the calling thread alone: waking another may cost 60 microseconds."""


class Layout:
    """Addresses of buffers: a number where it is known when the program is bound, else the home it depends on."""

    def __init__(
        self,
        homes: Homes,
        constants: Mapping[Value, int],
        plan: MemoryPlan | None,
        arena: int,
        context: LoweringContext,
    ) -> None:
        self.homes, self.constants, self.plan, self.arena = homes, constants, plan, arena
        self.context = context
        self.scratch: dict[Scratch, int] = {}

    def place_scratch(self, sizes: Sizes) -> None:
        """Give the scratch buffers of each node their places inside the node's working memory."""
        assert self.plan is not None
        for node, (offset, _) in self.plan.scratch.items():
            found, _ = scratch_places(self.context, self.homes, node, sizes)
            self.scratch.update({scratch: self.arena + offset + place for scratch, place in found.items()})

    def of(self, buffer: Buffer) -> int | Home:
        """The place of a buffer's storage; the buffer may start some bytes after it."""
        if isinstance(buffer, Scratch):
            return self.scratch.get(buffer, buffer)
        root = self.context.storage(buffer)
        if root in self.constants:
            return self.constants[root]
        home = self.homes.of(root)
        if home is not None:
            return home
        assert self.plan is not None
        return self.arena + self.plan.offsets[root]


def threads_for(table: Table, threads: int) -> int:
    """How many of `threads` may carry the steps out."""
    return threads if table.work >= SERIAL_PROGRAM else 1


def run_table(table: Table, threads: int) -> None:
    """Carry the steps out, on up to so many threads: on one where that has been faster."""
    if len(table.program) <= 1:
        return
    if threads_for(table, threads) == 1:
        pool().run(table.program_address, 1)
        return
    pace = table.pace
    wanted = threads if pace.next_together() else 1
    start = perf_counter_ns()
    given = pool().run(table.program_address, wanted)
    pace.note(given > 1, perf_counter_ns() - start)


class Binding:
    """The program for one set of sizes and up to so many threads, with memory of its own."""

    def __init__(
        self,
        context: LoweringContext,
        homes: Homes,
        steps: Sequence[Step],
        constants: Mapping[Value, int],
        sizes: Sizes,
        threads: int,
    ) -> None:
        graph = context.graph
        self.plan = plan_memory(context, homes, sizes)
        self.arena = reserve(max(1, self.plan.peak))
        self._layout = Layout(homes, constants, self.plan, self.arena.ctypes.data, context)
        self._layout.place_scratch(sizes)
        self.table = make_table(steps, self._layout, sizes, threads)
        self.prepared: object = None
        """Keeps alive the memory of hoisted buffers that the table refers to."""
        self._homes = homes
        self._outputs = [(name, v.type.concrete(sizes), v.dtype.numpy) for name, v in graph.outputs]
        external = [home for home in self.table.places if isinstance(home, External)]
        self._moving = [home for home in external if home.kind != "param"]
        self._params = [home for home in external if home.kind == "param"]
        self._param_names = [home.name for home in self._params]
        self._arrays: list[Array] = []
        self._ids: list[int] = []
        self._shapes = {c.source: c.source.type.concrete(sizes) for c in homes.copies}

    def run(
        self,
        inputs: Mapping[str, Array],
        params: Mapping[str, Array],
        threads: int,
        carry_out: Callable[[Table, int], None] = run_table,
    ) -> dict[str, Array]:
        """One call; hoisted buffers have been placed before. A profile has a way of its own to `carry_out` steps."""
        outputs = {name: np.empty(shape, dtype) for name, shape, dtype in self._outputs}
        given = {"input": inputs, "param": params, "output": outputs}
        for home in self._moving:
            self.table.place(home, address_of(given[home.kind][home.name]))
        # Params are usually the same arrays as in the last call, and asking for an address takes its time.
        if list(map(id, map(params.__getitem__, self._param_names))) != self._ids:
            self._place_params(params)
        carry_out(self.table, threads)
        if self._homes.copies:
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
        sources = [self._array(copy.source, given) for copy in self._homes.copies]
        for copy, source in zip(self._homes.copies, sources, strict=True):
            target = given[copy.target.kind][copy.target.name]
            np.copyto(target, source.reshape(target.shape))

    def _array(self, value: Value, given: Mapping[str, Mapping[str, Array]]) -> Array:
        """The elements of a value after the last step."""
        root = self._layout.context.storage(value)
        if root.node.op == "const":
            return np.asarray(root.node.attrs["value"])
        home = self._layout.of(root)
        if isinstance(home, External):
            array = given[home.kind][home.name]
            return array.copy() if home.kind == "param" else array
        address = self.table.known[home] if not isinstance(home, int) else home
        return array_at(address, self._shapes[value], value.dtype.numpy)


def address_of(array: Array) -> int:
    """The address of an array's first element."""
    address: int = array.__array_interface__["data"][0] if array.dtype.kind != "V" else array.ctypes.data
    return address


def array_at(address: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """The memory at an address as an array, which does not keep it alive."""
    count = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    memory = (ctypes.c_uint8 * count).from_address(address)
    return np.ctypeslib.as_array(memory).view(dtype).reshape(shape)
