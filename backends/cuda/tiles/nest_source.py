"""From the structure of a nest to the source of its kernel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from netlang.backends.common.sweeps import frontier, plan_sweeps
from netlang.backends.cuda.nest_shape import NestShape
from netlang.backends.cuda.tiles.combine import Combined, accumulated, identity
from netlang.backends.cuda.tiles.nest_values import Scope, Values
from netlang.backends.cuda.tiles.writer import Term, Writer


def nest_source(shape: NestShape) -> str:
    """The kernel of a nest; its parameters are `shape.parameters()`."""
    return NestSource(shape).text()


def shared_bytes(shape: NestShape) -> int:
    """Bytes of shared memory that a block of the kernel needs to combine what its threads have found."""
    return Combined.of(shape).bytes


class NestSource:
    """Writes one kernel."""

    def __init__(self, shape: NestShape) -> None:
        self.shape, self.code, self.tiling = shape, shape.code, shape.tiling
        # Memory is slower than any function: nothing is kept there to be read back.
        self.plan = plan_sweeps(shape.code, expensive=())
        self.w = Writer([name for name, _ in shape.parameters()])
        self.values = Values(shape, self.w, "unit")
        self.combined = Combined.of(shape)

    def text(self) -> str:
        if self.shape.reduced:
            self._reduction()
        else:
            self._elements()
        return self.w.text

    # ---- nothing reduced

    def _elements(self) -> None:
        w = self.w
        w.line(f"unit = u32(u32(block_x()) * u32({self.tiling.threads}) + u32(thread()))")
        with w.block("if unit < u32(units)"):
            scope = Scope(self._divided("unit", self.shape.kept))
            self.values.store(range(len(self.code.stores)), scope)

    def _divided(self, number: str, axes: Sequence[int]) -> dict[int, str]:
        """The positions that are asked for along axes of which the last one runs fastest, i32, from a number (u32) that
        counts all."""
        places: dict[int, str] = {}
        asked = [axis for axis in axes if self._is_asked(axis)]
        for axis in reversed(axes[1:]):
            if axis < min(asked, default=axis + 1):
                break
            above = self.w.let(f"quotient_u32({number}, u32(factor{axis}), u32(shift{axis}))", "q")
            if axis in asked:
                places[axis] = self.w.let(f"i32({number} - {above} * u32(size{axis}))", "at")
            number = above
        if axes and axes[0] in asked:
            places[axes[0]] = self.w.let(f"i32({number})", "at")
        return places

    def _is_asked(self, axis: int) -> bool:
        """Whether anything needs the position along an axis: not where all operands lie in the order of units."""
        if any(x.op == "iota" and x.attr("axis") == axis for x in self.code.instructions):
            return True
        patterns = set(self.shape.patterns) - set(self.shape.linear)
        return any(self.shape.marks(pattern)[axis] != "0" for pattern in patterns)

    # ---- reductions

    def _reduction(self) -> None:
        w, tiling = self.w, self.tiling
        self._threads()
        if tiling.units > 1:
            w.line(f"unit = u32(u32(block_x()) * u32({tiling.units}) + u32(group))")
            w.line("active = unit < u32(units)")
            # Threads without a unit take the last one's fixed values and none of its elements: all must get to the end.
            w.line("unit = unit if active else u32(u32(units) - u32(1))")
        else:
            w.line("unit = u32(block_x())")
        self._span()
        scope = Scope(self._divided("unit", self.shape.kept))
        self.values.prepare(scope)
        for sweep in range(self.plan.sweeps):
            self._sweep(sweep, scope)
        self._final(scope)

    def _threads(self) -> None:
        """`group`: which unit of the block; `part`: which of the threads that share it."""
        w, tiling = self.w, self.tiling
        if tiling.reducers == 1:
            w.line("group = thread()")
            w.line("part = i32(0)")
        elif tiling.units == 1:
            w.line("part = thread()")
        elif self.shape.standing:
            w.line(f"group = i32(thread() & {tiling.units - 1})")
            w.line(f"part = i32(thread() >> {tiling.units.bit_length() - 1})")
        else:
            w.line(f"group = i32(thread() >> {tiling.reducers.bit_length() - 1})")
            w.line(f"part = i32(thread() & {tiling.reducers - 1})")

    def _span(self) -> None:
        """The elements of a unit that its threads go over: `begin` to `end`."""
        w, stop = self.w, "length"
        if self.code.split:
            w.line("begin = i32(block_y() * chunk)")
            w.line("stop = min_i32(i32(begin + chunk), length)")
            self.values.store_shift = w.let(f"i32(block_y() * units * {self._width()})", "shift")
            stop = "stop"
        w.line(f"end = {stop} if active else i32(0)" if self.tiling.units > 1 else f"end = {stop}")

    def _width(self) -> int:
        """Elements of a unit that is counted."""
        return self.tiling.lanes if self.shape.standing else 1

    def _sweep(self, sweep: int, unit: Scope) -> None:
        w, plan, values = self.w, self.plan, self.values
        lanes = range(self.tiling.lanes)
        for position in frontier(self.code, plan, sweep):
            for lane in lanes:
                values.value(position, lane, unit)
        reductions = plan.reductions[sweep]
        sums = {r: [w.let(identity(self.code.instructions[r]), "sum") for _ in lanes] for r in reductions}
        w.line("j = i32(begin + part)" if self.code.split else "j = part")
        # Several elements at a time, so that several loads are under way; then what is left.
        together = plan.unroll if self.tiling.lanes == 1 else max(1, plan.unroll // 2)
        for count in dict.fromkeys((together, 1)):
            ahead = (count - 1) * self.tiling.reducers
            with w.block(f"while j < {f'i32(end - {ahead})' if ahead else 'end'}"):
                self._steps(sweep, unit, sums, count)
                w.line(f"j = i32(j + {count * self.tiling.reducers})")
        for r, totals in self.combined.write(w, sums).items():
            for lane, total in enumerate(totals):
                unit.known[values.slot(r, lane)] = total

    def _steps(self, sweep: int, unit: Scope, sums: Mapping[int, Sequence[str]], count: int) -> None:
        """One round of a sweep's loop: so many elements of this thread's, `reducers` apart."""
        values, instructions = self.values, self.code.instructions
        places = ["j"] + [self.w.let(f"i32(j + {i * self.tiling.reducers})", "j") for i in range(1, count)]
        scopes = [unit.inner(self._reduced_places(place)) for place in places]
        found = [
            (r, name, values.value(instructions[r].inputs[0], lane, scope))
            for scope in scopes
            for r, names in sums.items()
            for lane, name in enumerate(names)
        ]
        for r, name, value in found:
            self.w.line(f"{name} = {accumulated(instructions[r], Term(name, value.dtype), value)}")
        for scope in scopes:
            values.store(self.plan.stores[sweep], scope)

    def _reduced_places(self, number: str) -> dict[int, str]:
        reduced = self.shape.reduced
        if len(reduced) == 1:
            return {reduced[0]: number}
        return self._divided(self.w.let(f"u32({number})"), reduced)

    def _final(self, unit: Scope) -> None:
        """Results of units, each written by one thread."""
        if not self.plan.final:
            return
        conditions = ["active"] * (self.tiling.units > 1) + ["part == 0"] * (self.tiling.reducers > 1)
        if conditions:
            with self.w.block(f"if {' and '.join(conditions)}"):
                self.values.store(self.plan.final, unit)
        else:
            self.values.store(self.plan.final, unit)
