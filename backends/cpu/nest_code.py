"""Nests to LLVM IR.

The kept axes but the last loop are units of work that threads share; the last axis is the one that vectors lie along.

walking   the last axis is reduced, or nothing is: a unit walks along the last axis, vector by vector. Reductions have
          accumulators in vectors, combined across lanes at the end in a fixed order.
standing  the last axis is kept and others are reduced: a unit is a few vectors of the last axis that stand still
          while the reduced loops run; the accumulators are the results. Where the last axis is one vector, the lanes
          of blocked channels, and nothing is reduced, pixels are what a unit goes along.

Reductions make sweeps: sweep s computes those whose input depends on reductions of earlier sweeps only; element
results are stored in the first sweep that can. What a later sweep needs is computed again from memory, except where
an expensive value has been stored: then it is read back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from netlang.backends.common.element import BYTES
from netlang.backends.common.nest import SOURCES, Instruction, NestCode, OperandCode
from netlang.backends.common.sweeps import Plan, frontier, plan_sweeps
from netlang.backends.cpu import integers
from netlang.backends.cpu.emit import F32, F64, I64, REGISTER, Emitter
from netlang.backends.cpu.expressions import expression, is_float


def emit_nest(code: NestCode, lanes: int) -> Callable[..., None]:
    """The kernel's body for `kernel.emitted`."""

    def emit(builder: Any, args: Any, tid: Any, threads: Any) -> None:
        NestEmitter(code, Emitter(builder, lanes), args).emit(tid, threads)

    return emit


class _Slot:
    """One vector position along the last axis: where it is, which lanes count, what has been computed for it."""

    def __init__(self, offset: Any, mask: Any) -> None:
        self.offset = offset
        self.mask = mask


class NestEmitter:
    """Emits one nest. Values are memoised per scope: the unit's own, then each loop body's."""

    def __init__(self, code: NestCode, emitter: Emitter, args: Any) -> None:
        self.code, self.e, self.b = code, emitter, emitter.b
        self.plan: Plan = plan_sweeps(code)
        self.last = len(code.axes) - 1
        self.along = code.axes.find("l") if "l" in code.axes else self.last
        self.span: tuple[Any, Any] = (I64(0), I64(0))
        self.walking = self.plan.walking
        self.sweep = 0
        self._read_arguments(args)

    def _read_arguments(self, args: Any) -> None:
        position = 0

        def following() -> Any:
            nonlocal position
            position += 1
            return self.e.number(args, position - 1)

        self.sizes = [following() for _ in self.code.axes]
        self.chunk = following()
        self.numbers = [following() for _ in range(self.code.numbers)]
        self.operands = [*self.code.loads, *(o for o, _ in self.code.stores)]
        self.bases: list[Any] = []
        self.strides: list[list[Any]] = []
        for operand in self.operands:
            self.bases.append(following())
            width = I64(BYTES[operand.dtype])
            self.strides.append(
                [None if mark == "0" else width if mark == "1" else following() for mark in operand.strides]
            )

    # ---- units

    def emit(self, tid: Any, threads: Any) -> None:
        """The share of one thread."""
        b = self.b
        outer = [a for a in range(self.last) if self.code.axes[a] == "k"]
        total: Any = I64(1)
        for axis in outer:
            total = b.mul(total, self.sizes[axis])
        step = self._unit_length()
        blocks = None
        if step is not None:
            blocks = b.udiv(b.add(self.sizes[self.along], b.sub(step, I64(1))), step)
            total = b.mul(total, blocks)
        first = b.udiv(b.mul(total, tid), threads)
        stop = b.udiv(b.mul(total, b.add(tid, I64(1))), threads)

        def unit(index: Any, carried: list[Any]) -> list[Any]:
            self._unit(index, outer, blocks, step)
            return []

        self.e.loop(first, stop, 1, [], unit)

    def _unit_length(self) -> Any:
        """How far along its axis one unit goes; None: all of it, as it is reduced or one vector."""
        if "l" in self.code.axes:
            return self.chunk
        if not self.walking:
            return None if self.code.axes[-1] == "v" else I64(self.plan.unroll * self.e.lanes)
        return self.chunk if self.code.axes[-1] == "k" or self.code.split else None

    def _unit(self, index: Any, outer: Sequence[int], blocks: Any, step: Any) -> None:
        b = self.b
        number = index
        start, stop = I64(0), self.sizes[self.along]
        if blocks is not None:
            start = b.mul(b.urem(index, blocks), step)
            stop = self.e.smaller(b.add(start, step), stop)
            index = b.udiv(index, blocks)
        places: dict[int, Any] = {}
        for axis in reversed(outer):
            places[axis] = b.urem(index, self.sizes[axis])
            index = b.udiv(index, self.sizes[axis])
        self.places = places
        self.bases_of_unit = [self._moved(i, base, places) for i, base in enumerate(self.bases)]
        if self.code.split:
            for i in range(len(self.code.loads), len(self.operands)):
                width = I64(BYTES[self.operands[i].dtype])
                self.bases_of_unit[i] = b.add(self.bases_of_unit[i], b.mul(number, width))
        if self.walking:
            self._walk(start, stop)
        elif self.code.axes[-1] == "v":
            self.span = start, stop
            self._stand_on([_Slot(I64(0), None)])
        else:
            self._stand(start, stop)

    def _moved(self, operand: int, address: Any, places: dict[int, Any]) -> Any:
        for axis, place in places.items():
            stride = self.strides[operand][axis]
            if stride is not None:
                address = self.b.add(address, self.b.mul(place, stride))
        return address

    # ---- walking along the last axis

    def _walk(self, start: Any, stop: Any) -> None:
        unit: dict[int, Any] = {}
        for sweep in range(self.plan.sweeps):
            self._enter(sweep, None, unit)
            reductions = self.plan.reductions[sweep]
            unroll = self.plan.unroll if reductions and not self.plan.stores[sweep] else 1
            start_values = [self._identity(r) for r in reductions for _ in range(unroll)]

            def row(places: dict[int, Any], carried: list[Any], sweep: int = sweep, unroll: int = unroll) -> list[Any]:
                return self._row(sweep, unroll, places, carried, (start, stop), unit)

            sums = self._reduced_loops(start_values, row)
            for k, position in enumerate(reductions):
                combine = self._combiner(position)
                lanes = sums[k * unroll : (k + 1) * unroll]
                while len(lanes) > 1:
                    lanes = [combine(*lanes[i : i + 2]) for i in range(0, len(lanes), 2)]
                unit[position] = self.e.across(lanes[0], combine)
        stores = self._stores(self.plan.final)
        # All are read before any is written: a result may be written over what another one is computed from.
        values = [self._value(position, unit, None, self.places) for _, position in stores]
        for (operand, _), value in zip(stores, values, strict=True):
            self.e.store_first(self.operands[operand].dtype, value, self.bases_of_unit[operand])

    def _row(
        self, sweep: int, unroll: int, places: dict[int, Any], carried: list[Any], span: tuple[Any, Any], unit: Any
    ) -> list[Any]:
        """One pass along the last axis: whole vectors, several at a time, then vectors with a mask."""
        lanes = self.e.lanes

        def whole(index: Any, sums: list[Any]) -> list[Any]:
            slots = [_Slot(self.b.add(index, I64(u * lanes)), None) for u in range(unroll)]
            return self._sweep_body(sweep, slots, places, sums, unit)

        *carried, index = self.e.loop(span[0], span[1], unroll * lanes, carried, whole)

        def rest(offset: Any, sums: list[Any]) -> list[Any]:
            left = self.b.sub(span[1], offset)
            slot = _Slot(offset, self.e.first_lanes(left))
            firsts = sums[::unroll]
            made = self._sweep_body(sweep, [slot], places, firsts, unit)
            return [made[i // unroll] if i % unroll == 0 else s for i, s in enumerate(sums)]

        end = self.b.add(span[1], I64(lanes - 1))
        return self.e.loop(index, end, lanes, carried, rest)[:-1]

    # ---- standing still on the last axis

    def _stand(self, start: Any, stop: Any) -> None:
        b, lanes, unroll = self.b, self.e.lanes, self.plan.unroll
        whole = b.icmp_signed("==", b.sub(stop, start), I64(unroll * lanes))
        with b.if_else(whole) as (then, otherwise):
            with then:
                self._stand_on([_Slot(b.add(start, I64(u * lanes)), None) for u in range(unroll)])
            with otherwise:

                def part(offset: Any, carried: list[Any]) -> list[Any]:
                    self._stand_on([_Slot(offset, self.e.first_lanes(b.sub(stop, offset)))])
                    return []

                self.e.loop(start, b.add(stop, I64(lanes - 1)), lanes, [], part)

    def _stand_on(self, slots: list[_Slot]) -> None:
        units: list[dict[int, Any]] = [{} for _ in slots]
        for sweep in range(self.plan.sweeps):
            for slot, unit in zip(slots, units, strict=True):
                self._enter(sweep, slot, unit)
            reductions = self.plan.reductions[sweep]
            start_values = [self._identity(r) for r in reductions for _ in slots]

            def body(places: dict[int, Any], sums: list[Any], sweep: int = sweep) -> list[Any]:
                return self._sweep_body(sweep, slots, places, sums, units)

            sums = self._reduced_loops(start_values, body)
            for k, position in enumerate(reductions):
                for u, unit in enumerate(units):
                    unit[position] = sums[k * len(slots) + u]
        for slot, unit in zip(slots, units, strict=True):
            stores = self._stores(self.plan.final)
            values = [self._value(position, unit, slot, self.places) for _, position in stores]
            for (operand, _), value in zip(stores, values, strict=True):
                self._store(operand, value, slot, self.places)

    # ---- one sweep

    def _enter(self, sweep: int, slot: _Slot | None, unit: dict[int, Any]) -> None:
        """Compute the fixed values that a sweep needs, once for the unit."""
        self.sweep = sweep
        for position in frontier(self.code, self.plan, sweep):
            self._value(position, unit, slot, self.places)

    def _reduced_loops(self, carried: list[Any], body: Callable[[dict[int, Any], list[Any]], list[Any]]) -> list[Any]:
        """Loops over the axes inside a unit (but the last, if that is walked along) around `body(places, carried)`."""
        axes = [a for a in range(self.last + (not self.walking)) if self.code.axes[a] in "rl"]

        def nested(depth: int, places: dict[int, Any], held: list[Any]) -> list[Any]:
            if depth == len(axes):
                return body(places, held)
            axis = axes[depth]
            start, stop = self.span if self.code.axes[axis] == "l" else (I64(0), self.sizes[axis])
            return self.e.loop(start, stop, 1, held, lambda i, inner: nested(depth + 1, {**places, axis: i}, inner))[
                :-1
            ]

        return nested(0, dict(self.places), carried)

    def _sweep_body(
        self, sweep: int, slots: list[_Slot], places: dict[int, Any], sums: Sequence[Any], unit: Any
    ) -> list[Any]:
        """Accumulate the sweep's reductions and store its results, slot by slot. `sums`: by reduction, then slot."""
        out = list(sums)
        for u, slot in enumerate(slots):
            known = dict(unit if isinstance(unit, dict) else unit[u])
            for k, position in enumerate(self.plan.reductions[sweep]):
                value = self._value(self.code.instructions[position].inputs[0], known, slot, places)
                out[k * len(slots) + u] = self._accumulate(position, out[k * len(slots) + u], value, slot)
            stores = self._stores(self.plan.stores[sweep])
            stores += [(len(self.code.loads) + s, position) for s, position in self.plan.spills[sweep]]
            values = [self._value(position, known, slot, places) for _, position in stores]
            for (operand, _), value in zip(stores, values, strict=True):
                self._store(operand, value, slot, places)
        return out

    def _accumulate(self, position: int, total: Any, value: Any, slot: _Slot) -> Any:
        if slot.mask is not None and self.walking:
            value = self.b.select(slot.mask, value, self._identity(position))
        return self._combiner(position)(total, value)

    def _combiner(self, position: int) -> Callable[[Any, Any], Any]:
        instruction = self.code.instructions[position]
        op, dtype = instruction.op, instruction.dtype
        if op == "reduce_sum":
            return lambda x, y: self.b.fadd(x, y) if is_float(x) else self.b.add(x, y)
        return lambda x, y: expression(self.e, op.removeprefix("reduce_"), {}, (dtype, dtype), (x, y))

    def _identity(self, position: int) -> Any:
        instruction = self.code.instructions[position]
        kind = REGISTER[instruction.dtype]
        if kind not in (F32, F64):
            return self.e.constant(kind, integers.identity(instruction.op, instruction.dtype))
        start = {"reduce_sum": 0.0, "reduce_max": float("-inf"), "reduce_min": float("inf")}
        return self.e.constant(kind, start[instruction.op])

    # ---- values

    def _value(self, position: int, known: dict[int, Any], slot: _Slot | None, places: dict[int, Any]) -> Any:
        """The vector of an instruction; `known`: those of this scope. No slot: along the whole last axis."""
        stack = [position]
        while stack:
            current = stack[-1]
            instruction = self.code.instructions[current]
            stored = self.plan.stored.get(current)
            if current in known:
                pass
            elif stored is not None and stored[0] < self.sweep:
                known[current] = self._load(len(self.code.loads) + stored[1], slot, places)
            elif instruction.op in SOURCES:
                known[current] = self._source(instruction, slot, places)
            elif missing := [i for i in reversed(instruction.inputs) if i not in known]:
                stack += missing
                continue
            else:
                inputs = [known[i] for i in instruction.inputs]
                dtypes = [self.code.instructions[i].dtype for i in instruction.inputs]
                known[current] = expression(self.e, instruction.op, dict(instruction.attrs), dtypes, inputs)
            stack.pop()
        return known[position]

    def _source(self, instruction: Instruction, slot: _Slot | None, places: dict[int, Any]) -> Any:
        if instruction.op == "load":
            return self._load(instruction.attr("operand"), slot, places)
        if instruction.op == "constant":
            return self.e.constant(REGISTER[instruction.dtype], instruction.attr("value"))
        if instruction.op == "number":
            return self._number(instruction.attr("number"), instruction.dtype)
        if instruction.op == "index":
            return self._index(instruction.attr("operand"), slot, places)
        return self._iota(instruction.attr("axis"), slot, places)

    def _number(self, index: int, dtype: str) -> Any:
        kind = REGISTER[dtype]
        scalar = self.numbers[index]
        if kind in (F32, F64):
            return self.e.splat(self.b.sitofp(scalar, kind))
        return self.e.splat(scalar if kind == I64 else self.b.trunc(scalar, kind))

    def _iota(self, axis: int, slot: _Slot | None, places: dict[int, Any]) -> Any:
        if axis in places:
            return self.e.splat(places[axis])
        assert slot is not None
        return self.b.add(self.e.splat(slot.offset), self.e.ramp())

    def _index(self, operand: int, slot: _Slot | None, places: dict[int, Any]) -> Any:
        """Operands of which the index is asked have elements of one byte, so that distances are counts."""
        moved = self.e.splat(self.b.sub(self._address(operand, slot, places), self.bases[operand]))
        stride = self.strides[operand][self.last]
        if slot is None or stride is None:
            return moved
        return self.b.add(moved, self.b.mul(self.e.ramp(), self.e.splat(stride)))

    def _address(self, operand: int, slot: _Slot | None, places: dict[int, Any]) -> Any:
        moving = {a: p for a, p in places.items() if a not in self.places}
        address = self._moved(operand, self.bases_of_unit[operand], moving)
        stride = self.strides[operand][self.last]
        if slot is not None and stride is not None:
            address = self.b.add(address, self.b.mul(slot.offset, stride))
        return address

    def _load(self, operand: int, slot: _Slot | None, places: dict[int, Any]) -> Any:
        code: OperandCode = self.operands[operand]
        address = self._address(operand, slot, places)
        mark = code.strides[self.last]
        if mark == "0" or slot is None:
            return self.e.scalar(code.dtype, address)
        if mark == "1":
            return self.e.load(code.dtype, address, slot.mask)
        return self.e.gather(code.dtype, address, self.strides[operand][self.last], slot.mask)

    def _store(self, operand: int, value: Any, slot: _Slot, places: dict[int, Any]) -> None:
        code = self.operands[operand]
        address = self._address(operand, slot, places)
        if code.strides[self.last] == "1":
            self.e.store(code.dtype, value, address, slot.mask)
        else:
            self.e.scatter(code.dtype, value, address, self.strides[operand][self.last], slot.mask)

    def _stores(self, which: Sequence[int]) -> list[tuple[int, int]]:
        """(operand number, instruction) of some of the nest's stores."""
        return [(len(self.code.loads) + s, self.code.stores[s][1]) for s in which]
