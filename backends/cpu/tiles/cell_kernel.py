"""The kernel of a cell: a product whose sums go through everything that follows before anything is stored.

A task is a group of units, all gates of them, and some rows. The weights of a group are read in order, once for each
block of rows; rows of A are read as they are, element by element in all lanes. The sums of a tile go to memory that
stays in the first-level cache, from where what follows takes them row by row: so its code is there once, and takes no
registers from the tile.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from netlang.backends.common.element import BYTES
from netlang.backends.common.nest import Instruction
from netlang.backends.cpu import emit, integers
from netlang.backends.cpu.emit import REGISTER
from netlang.backends.cpu.expressions import expression
from netlang.backends.cpu.tiles.cell_table import CellStructure
from netlang.backends.cpu.tiles.cell_table import CellTable as T
from netlang.backends.cpu.tiles.emitter import FLOAT_BYTES, Emitter
from netlang.backends.cpu.tiles.numbers import Frame, Number

_UNROLL = 4
"""Inner indices at a time."""
_ROWS_AT_ONCE = 2
_LATENCY_SUMS = 8
"""Sums that are under way at once at least: one after the other, an FMA would wait for the one before."""


class CellKernel:
    """Writes the kernel; its table is `CellTable`."""

    def __init__(self, structure: CellStructure, builder: Any, args: Any, tid: Any, threads: Any) -> None:
        self.structure, self.code = structure, structure.code
        self.b, self.f = builder, Frame(builder, args, tid, threads)
        self.e, self.values = Emitter(builder, structure.lanes), emit.Emitter(builder, structure.lanes)
        self.width = structure.vectors * structure.lanes
        self.sums = self._room() if self.code.sums else None
        self.places = self._read_places()

    def _room(self) -> Any:
        """Memory for the sums of a tile, as a byte pointer."""
        count = self.structure.rows * self.structure.columns
        room = self.b.alloca(self.e.vector, count)
        room.align = self.e.line
        return self.b.bitcast(room, ir.IntType(8).as_pointer())

    def _read_places(self) -> list[tuple[Number, Number | None]]:
        """Address and distance of rows of every operand."""
        found: list[tuple[Number, Number | None]] = []
        entry = T.COUNT + self.structure.numbers
        for operand in (*self.code.loads, *(o for o, _ in self.code.stores)):
            found.append((self.f[entry], self.f[entry + 1] if operand.rows else None))
            entry += 1 + operand.rows
        return found

    def emit(self) -> None:
        f = self.f
        groups = (f[T.UNITS] + (self.width - 1)) // self.width
        blocks = (f[T.ROWS] + (self.structure.rows - 1)) // self.structure.rows
        begin, end = f.share(groups * blocks)
        with f.each(begin, end) as task:
            group, block = task // blocks, task % blocks
            first = f[T.ROWS] * block // blocks
            count = f[T.ROWS] * (block + 1) // blocks - first
            if self.sums is not None:
                self._ask_ahead(group, first, count)
                self._product(group, first, count)
            for vector in range(self.structure.vectors):
                unit = group * self.width + vector * self.structure.lanes
                mask = self.values.first_lanes((f[T.UNITS] - unit).value) if self.structure.masked else None
                pairs = count // _ROWS_AT_ONCE
                with f.each(0, pairs) as pair:
                    held = [pair * _ROWS_AT_ONCE + i for i in range(_ROWS_AT_ONCE)]
                    self._rows(first, held, vector, unit, mask)
                with f.each(pairs * _ROWS_AT_ONCE, count) as row:
                    self._rows(first, [row], vector, unit, mask)

    def _ask_ahead(self, group: Number, first: Number, count: Number) -> None:
        """Have what follows the product find its operands, which lie far apart and come from afar, in the cache."""
        written = len(self.code.loads)
        operands = (*self.code.loads, *(o for o, _ in self.code.stores))
        with self.f.each(0, count) as row:
            for vector in range(self.structure.vectors):
                unit = group * self.width + vector * self.structure.lanes
                for i, operand in enumerate(operands):
                    if operand.rows and operand.units:
                        (place,) = self.e.pointers(self._place(i, first + row, unit))
                        self.e.prefetch(place, write=i >= written)

    # ---- the product

    def _product(self, group: Number, first: Number, count: Number) -> None:
        """The sums of a tile, whatever its height."""
        for rows in range(1, self.structure.rows + 1):
            with self.f.when(count.equals(rows)):
                self._tile(rows, group, first)

    def _tile(self, rows: int, group: Number, first: Number) -> None:
        f, e = self.f, self.e
        columns = self.structure.columns
        parts = -(-_LATENCY_SUMS // (rows * columns)) if rows == 1 else 1
        a, w = e.pointers((f[T.A] + first * f[T.A_ROW]).value, (f[T.W] + group * f[T.INNER] * (columns * e.line)).value)
        offsets = [(f[T.A_ROW] * r).value for r in range(rows)]
        unroll = max(_UNROLL, parts)
        sums = [e.zero] * (parts * rows * columns)

        def several(pointers: list[Any], held: list[Any]) -> list[Any]:
            out = list(held)
            for k in range(unroll):
                place = k % parts * rows * columns
                out[place : place + rows * columns] = self._step(
                    pointers, k, offsets, out[place : place + rows * columns]
                )
            return out

        def single(pointers: list[Any], held: list[Any]) -> list[Any]:
            return self._step(pointers, 0, offsets, held)

        whole = f[T.INNER] // unroll
        strides = [FLOAT_BYTES, columns * e.line]
        sums = e.loop(whole.value, [a, w], [s * unroll for s in strides], sums, several, guarded=True)
        while parts > 1:
            half = -(-parts // 2) * rows * columns
            sums = [self.b.fadd(x, y) for x, y in zip(sums, sums[half:], strict=False)] + sums[len(sums) - half : half]
            parts = -(-parts // 2)
        done = whole * unroll
        a, w = e.at(a, (done * FLOAT_BYTES).value), e.at(w, (done * (columns * e.line)).value)
        sums = e.loop((f[T.INNER] - done).value, [a, w], strides, sums, single, guarded=True)
        for i, value in enumerate(sums):
            e.store(value, self.sums, i * e.line)

    def _step(self, pointers: list[Any], k: int, offsets: list[Any], sums: list[Any]) -> list[Any]:
        """One inner index: every weight vector times the element of every row."""
        e, columns = self.e, self.structure.columns
        a, w = pointers
        if len(offsets) > 1:
            e.fence()
        weights = [e.load(w, (k * columns + c) * e.line) for c in range(columns)]
        out = list(sums)
        for r, offset in enumerate(offsets):
            value = e.broadcast(e.at(a, offset) if r else a, k * FLOAT_BYTES)
            for c in range(columns):
                out[r * columns + c] = e.fma(value, weights[c], out[r * columns + c])
        return out

    # ---- what follows

    def _rows(self, first: Number, held: list[Number], vector: int, unit: Number, mask: Any) -> None:
        """One vector of units of some rows of a tile, side by side: each has long chains to wait for."""
        rows = [first + row for row in held]
        found: list[list[Any]] = [[] for _ in rows]
        for instruction in self.code.instructions:
            for row, place, values in zip(rows, held, found, strict=True):
                values.append(self._value(instruction, row, place, vector, unit, mask, values))
        for i, (operand, position) in enumerate(self.code.stores):
            for row, values in zip(rows, found, strict=True):
                place = self._place(len(self.code.loads) + i, row, unit)
                self.values.store(operand.dtype, values[position], place, mask)

    def _value(
        self, instruction: Instruction, row: Number, held: Number, vector: int, unit: Number, mask: Any, found: Any
    ) -> Any:
        """What an instruction makes; `found` are the values of those before it."""
        if instruction.op == "sum":
            place = held * self.structure.columns + (instruction.attr("gate") * self.structure.vectors + vector)
            return self.e.load(self.sums, (place * self.e.line).value)
        if instruction.op == "load":
            return self._load(instruction.attr("operand"), row, unit, mask)
        if instruction.op == "constant":
            return self.values.constant(REGISTER[instruction.dtype], instruction.attr("value"))
        if instruction.op == "number":
            number = self.values.splat(self.f[T.COUNT + instruction.attr("number")].value)
            return integers.converted(self.values, number, "i64", instruction.dtype)
        inputs = [found[i] for i in instruction.inputs]
        dtypes = [self.code.instructions[i].dtype for i in instruction.inputs]
        return expression(self.values, instruction.op, dict(instruction.attrs), dtypes, inputs)

    def _place(self, operand: int, row: Number, unit: Number) -> Any:
        kinds = (*self.code.loads, *(o for o, _ in self.code.stores))
        address, pitch = self.places[operand]
        if pitch is not None:
            address = address + row * pitch
        if kinds[operand].units:
            address = address + unit * BYTES[kinds[operand].dtype]
        return address.value

    def _load(self, operand: int, row: Number, unit: Number, mask: Any) -> Any:
        kind, place = self.code.loads[operand], self._place(operand, row, unit)
        return self.values.load(kind.dtype, place, mask) if kind.units else self.values.scalar(kind.dtype, place)


def emit_cell(structure: CellStructure, builder: Any, args: Any, tid: Any, threads: Any) -> None:
    """The body of the kernel, for `kernel.emitted`."""
    CellKernel(structure, builder, args, tid, threads).emit()
