"""Reductions: what a thread adds up, and how threads combine what they have found, always in the same order.

walking     the threads of a unit are neighbours: up to 32 by shuffles, whole warps through shared memory
standing    they are `threads // reducers` apart: through shared memory

All of them get the result. Each reduction has shared memory of its own, so that none waits before it writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from netlang.backends.common.element import BYTES, INTEGERS, bounds, register_name
from netlang.backends.common.nest import REDUCTIONS, Instruction
from netlang.backends.cuda.kernel import WARP
from netlang.backends.cuda.nest_shape import NestShape
from netlang.backends.cuda.tiles.expressions import added, extreme
from netlang.backends.cuda.tiles.integers import register
from netlang.backends.cuda.tiles.writer import FLOATS, Term, Writer, literal


def identity(x: Instruction) -> str:
    """What a reduction starts from."""
    kind = register_name(x.dtype)
    if x.op == "reduce_sum":
        return literal(kind, 0)
    low, high = (float("-inf"), float("inf")) if kind in FLOATS else bounds(kind)
    return literal(kind, low if x.op == "reduce_max" else high)


def accumulated(x: Instruction, one: Term, other: Term) -> str:
    """Two parts of a reduction as one."""
    return added(one, other) if x.op == "reduce_sum" else extreme(x.op.removeprefix("reduce_"), one, other)


@dataclass(frozen=True)
class Combined:
    """Where in shared memory the reductions of a kernel are: bytes from its start, by position."""

    shape: NestShape
    places: Mapping[int, int]
    bytes: int

    @staticmethod
    def of(shape: NestShape) -> Combined:
        places, end = dict[int, int](), 0
        for i, x in enumerate(shape.code.instructions):
            if x.op in REDUCTIONS:
                places[i] = end
                end += _slots(shape) * _width(x)
        return Combined(shape, places, end)

    def write(self, w: Writer, sums: Mapping[int, list[str]]) -> dict[int, list[Term]]:
        """The totals of all threads from every thread's sums, per lane; one per reduction where it is walked along."""
        if not sums:
            return {}
        kinds = {r: register_name(self._instruction(r).dtype) for r in sums}
        lanes = {r: [Term(name, kinds[r]) for name in names] for r, names in sums.items()}
        if self.shape.standing:
            return self._apart(w, lanes) if self.shape.tiling.reducers > 1 else lanes
        return {r: [total] for r, total in self._neighbours(w, lanes).items()}

    def _instruction(self, position: int) -> Instruction:
        return self.shape.code.instructions[position]

    # ---- neighbours

    def _neighbours(self, w: Writer, sums: Mapping[int, list[Term]]) -> dict[int, Term]:
        reducers = self.shape.tiling.reducers
        found = {r: self._shuffled(w, r, self._joined(w, r, lanes), min(reducers, WARP)) for r, lanes in sums.items()}
        if reducers <= WARP:
            return found
        warps = reducers // WARP
        with w.block("if lane() == 0"):
            for r, total in found.items():
                w.line(f"store_shared_{_memory(total.dtype)}(shared_base(), i32({self._at(r, 'warp()')}), {total})")
        w.line("sync()")
        for r, total in found.items():
            own = (
                f"lane() & {warps - 1}" if self.shape.tiling.units == 1 else f"group * {warps} + (lane() & {warps - 1})"
            )
            at = self._at(r, own)
            read = w.let(f"load_shared_{_memory(total.dtype)}(shared_base(), i32({at}))")
            found[r] = self._shuffled(w, r, Term(read, total.dtype), warps)
        return found

    def _joined(self, w: Writer, position: int, lanes: list[Term]) -> Term:
        """The sums of one thread as one, pairwise."""
        x = self._instruction(position)
        while len(lanes) > 1:
            pairs = zip(lanes[::2], lanes[1::2], strict=True)
            lanes = [Term(w.let(accumulated(x, *pair), "sum"), pair[0].dtype) for pair in pairs]
        return lanes[0]

    def _shuffled(self, w: Writer, position: int, total: Term, count: int) -> Term:
        """The total of so many neighbouring threads, in all of them."""
        x, kind = self._instruction(position), _memory(total.dtype)
        while count > 1:
            count //= 2
            other = Term(w.let(f"shuffle_xor_{kind}({total}, {count})"), total.dtype)
            total = Term(w.let(accumulated(x, total, other), "sum"), total.dtype)
        return total

    # ---- apart

    def _apart(self, w: Writer, sums: Mapping[int, list[Term]]) -> dict[int, list[Term]]:
        threads = self.shape.tiling.threads
        for r, lanes in sums.items():
            for lane, total in enumerate(lanes):
                at = self._at(r, f"{lane * threads} + thread()")
                w.line(f"store_shared_{_memory(total.dtype)}(shared_base(), i32({at}), {total})")
        w.line("sync()")
        return {
            r: [self._total(w, r, lane * threads, own.dtype) for lane, own in enumerate(lanes)]
            for r, lanes in sums.items()
        }

    def _total(self, w: Writer, position: int, start: int, dtype: str) -> Term:
        """The sum of what the threads of a unit have left behind a place."""
        total: Term | None = None
        units = self.shape.tiling.units
        for part in range(self.shape.tiling.reducers):
            at = self._at(position, f"{start + part * units} + {'group' if units > 1 else 0}")
            found = Term(w.let(f"load_shared_{_memory(dtype)}(shared_base(), i32({at}))"), dtype)
            x = self._instruction(position)
            total = found if total is None else Term(w.let(accumulated(x, total, found), "sum"), dtype)
        assert total is not None
        return total

    def _at(self, position: int, slot: str) -> str:
        """Bytes from the start of shared memory to a reduction's value."""
        return f"{self.places[position]} + ({slot}) * {_width(self._instruction(position))}"


def _slots(shape: NestShape) -> int:
    """Values that the threads of a block exchange through shared memory for one reduction."""
    tiling = shape.tiling
    if shape.standing:
        return tiling.threads * tiling.lanes if tiling.reducers > 1 else 0
    return tiling.threads // WARP if tiling.reducers > WARP else 0


def _width(x: Instruction) -> int:
    return max(4, BYTES[register_name(x.dtype)])


def _memory(dtype: str) -> str:
    """The type under which a value is exchanged."""
    return register(dtype) if dtype in INTEGERS else dtype
