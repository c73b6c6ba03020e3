"""The values of a nest's instructions in one thread: places along the axes, loads, stores, expressions.

Values are memoised per scope and lane. A scope is what a loop body knows: a copy of what the unit knows. Where a value
is the same for all lanes it is computed once, under the lane -1.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from netlang.backends.common.element import BYTES, register_name
from netlang.backends.common.nest import Instruction
from netlang.backends.cuda.nest_shape import VECTORS, NestShape
from netlang.backends.cuda.tiles.expressions import EXPRESSIONS, random_from
from netlang.backends.cuda.tiles.integers import wrapped
from netlang.backends.cuda.tiles.random_numbers import philox_block
from netlang.backends.cuda.tiles.writer import FLOATS, Term, Writer, literal

ALL = -1
"""The lane under which values stand that are the same in all of them."""


@dataclass
class Scope:
    """What is known at a point of the kernel.

    places      axes that this scope adds to the outer one: the variable with the position, i32; along the last axis in
                lanes
    known       (instruction, lane) -> value
    offsets     pattern -> variable with the elements from an operand's address to lane 0
    loaded      operand -> the variables of a 16-byte load
    words       random words of a block of four, by what they are drawn with
    """

    places: dict[int, str]
    outer: Scope | None = None
    known: dict[tuple[int, int], Term] = field(default_factory=dict)
    offsets: dict[int, str] = field(default_factory=dict)
    loaded: dict[int, list[str]] = field(default_factory=dict)
    words: dict[tuple[int, ...], list[str]] = field(default_factory=dict)

    def inner(self, places: dict[int, str]) -> Scope:
        """A scope inside this one, at further places; what moves with them is not known there."""
        return Scope(places, self, dict(self.known))

    def place(self, axis: int) -> str:
        if axis in self.places:
            return self.places[axis]
        assert self.outer is not None
        return self.outer.place(axis)


class Values:
    """Writes the values of one nest."""

    def __init__(self, shape: NestShape, writer: Writer, unit: str) -> None:
        """`unit`: the variable with the number of the unit, in lanes."""
        self.shape, self.w, self.unit = shape, writer, unit
        self.code = shape.code
        self.lanes = shape.tiling.lanes
        self.store_shift = ""
        """Elements by which all stores are shifted; nothing where they are not."""
        self.varies = self._varying()

    def _varying(self) -> list[bool]:
        """Per instruction: whether lanes have different values."""
        found: list[bool] = []
        for x in self.code.instructions:
            if x.op in ("load", "index"):
                found.append(self.code.loads[x.attr("operand")].strides[-1] != "0")
            elif x.op == "iota":
                found.append(x.attr("axis") == self.shape.last)
            elif x.op.startswith("reduce_"):
                found.append(self.shape.standing and found[x.inputs[0]])
            else:
                found.append(any(found[i] for i in x.inputs))
        return [v and self.lanes > 1 for v in found]

    def slot(self, position: int, lane: int) -> tuple[int, int]:
        return position, lane if self.varies[position] else ALL

    # ---- values

    def value(self, position: int, lane: int, scope: Scope) -> Term:
        """The value of an instruction in a lane, written where it is not known yet."""
        stack = [position]
        while stack:
            current = stack[-1]
            x, slot = self.code.instructions[current], self.slot(current, lane)
            if slot in scope.known:
                pass
            elif missing := [i for i in reversed(x.inputs) if self.slot(i, lane) not in scope.known]:
                stack += missing
                continue
            else:
                scope.known[slot] = self._computed(x, lane, scope)
            stack.pop()
        return scope.known[self.slot(position, lane)]

    def _computed(self, x: Instruction, lane: int, scope: Scope) -> Term:
        kind = register_name(x.dtype)
        if x.op == "load":
            return self._load(x.attr("operand"), lane, scope)
        if x.op == "constant":
            return Term(literal(kind, x.attr("value")), kind)
        if x.op == "number":
            number = f"n{x.attr('number')}"
            return Term(self.w.let(f"{kind}({number})" if kind in FLOATS else wrapped(kind, number)), kind)
        if x.op == "iota":
            return Term(self.w.let(f"i64({self._position(x.attr('axis'), lane, scope)})"), "i64")
        if x.op == "index":
            return Term(self.w.let(f"i64({self._offset(x.attr('operand'), lane, scope)})"), "i64")
        if x.op in ("uniform", "normal") and self._is_block(x):
            return self._random(x, lane, scope)
        inputs = [scope.known[self.slot(i, lane)] for i in x.inputs]
        return Term(self.w.let(EXPRESSIONS[x.op](self.w, dict(x.attrs), inputs), "v"), kind)

    def _is_block(self, x: Instruction) -> bool:
        """Whether the lanes' random numbers are those of one block of four words."""
        index = self.code.instructions[x.inputs[0]]
        still = not any(self.varies[i] for i in x.inputs[1:])
        return index.op == "index" and index.attr("operand") in self.shape.vectors and still

    def _random(self, x: Instruction, lane: int, scope: Scope) -> Term:
        _, seed, step, stream = (scope.known[self.slot(i, 0)] for i in x.inputs)
        operand = self.code.instructions[x.inputs[0]].attr("operand")
        key = x.inputs
        if key not in scope.words:
            block = self.w.let(f"i64({self._offset(operand, 0, scope)}) >> 2")
            scope.words[key] = philox_block(self.w, block, seed, step, stream)
        number = random_from(x.op, self.w, dict(x.attrs), scope.words[key][lane])
        return Term(self.w.let(number), register_name(x.dtype))

    # ---- places

    def _position(self, axis: int, lane: int, scope: Scope) -> str:
        place = scope.place(axis)
        if axis != self.shape.last or self.lanes == 1:
            return place
        return f"i32({place} * {self.lanes} + {lane})" if lane > 0 else f"i32({place} * {self.lanes})"

    def prepare(self, scope: Scope) -> None:
        """Write the offsets of all patterns, so that loops inside have what they start from."""
        for pattern in range(len(set(self.shape.patterns))):
            self._first(pattern, scope)

    def _offset(self, operand: int, lane: int, scope: Scope) -> str:
        """Elements from an operand's address to a lane, i32."""
        pattern = self.shape.patterns[operand]
        first, mark = self._first(pattern, scope), self.shape.marks(pattern)[-1]
        if lane <= 0 or mark == "0":
            return first
        step = lane if pattern in self.shape.linear or mark == "1" else f"{lane} * s{pattern}_{self.shape.last}"
        return f"i32({first} + {step})"

    def _first(self, pattern: int, scope: Scope) -> str:
        """The same to lane 0, as far as the places of a scope say."""
        if pattern in scope.offsets:
            return scope.offsets[pattern]
        terms = [] if scope.outer is None else [self._first(pattern, scope.outer)]
        if pattern not in self.shape.linear:
            for axis, mark in enumerate(self.shape.marks(pattern)):
                if mark != "0" and axis in scope.places:
                    place = self._position(axis, 0, scope)
                    terms.append(place if mark == "1" else f"{place} * s{pattern}_{axis}")
        elif scope.outer is None:
            terms.append(f"{self.unit} * {self.lanes}" if self.shape.standing and self.lanes > 1 else self.unit)
        found = terms[0] if scope.outer and len(terms) == 1 else self.w.let(f"i32({' + '.join(terms) or 0})", "o")
        scope.offsets[pattern] = found
        return found

    # ---- memory

    def _bytes(self, operand: int, lane: int, scope: Scope, shift: str = "") -> str:
        width = BYTES[self._operand(operand)]
        offset = self._offset(operand, lane, scope)
        if shift:
            offset = f"i32({offset} + {shift})"
        return f"i64({offset}) * {width}" if width > 1 else f"i64({offset})"

    def _operand(self, operand: int) -> str:
        """The element type of an operand."""
        loads = self.code.loads
        return (loads[operand] if operand < len(loads) else self.code.stores[operand - len(loads)][0]).dtype

    def _load(self, operand: int, lane: int, scope: Scope) -> Term:
        dtype = self._operand(operand)
        kind = register_name(dtype)
        if operand not in self.shape.vectors:
            return Term(self.w.let(f"load_{dtype}(a{operand}, {self._bytes(operand, lane, scope)})", "x"), kind)
        if operand not in scope.loaded:
            names = [self.w.fresh("x") for _ in range(self.lanes)]
            offset = self._bytes(operand, 0, scope)
            self.w.line(f"{', '.join(names)} = load{VECTORS[dtype]}(a{operand}, {offset})")
            scope.loaded[operand] = names
        return Term(scope.loaded[operand][max(lane, 0)], kind)

    def store(self, which: Iterable[int], scope: Scope) -> None:
        """Write some of the nest's stores. All are computed before any is written: a result may be written over what
        another one is computed from."""
        ready = []
        for store in which:
            operand, position = len(self.code.loads) + store, self.code.stores[store][1]
            lanes = range(self.lanes if self._strides(operand)[-1] != "0" else 1)
            values = [self.value(position, lane, scope) for lane in lanes]
            ready.append((operand, values, [self._bytes(operand, i, scope, self.store_shift) for i in lanes]))
        for operand, values, offsets in ready:
            dtype, address = self._operand(operand), f"a{operand}"
            if operand in self.shape.vectors:
                self.w.line(f"store{VECTORS[dtype]}({address}, {offsets[0]}, ({', '.join(map(str, values))}))")
            else:
                for value, offset in zip(values, offsets, strict=True):
                    self.w.line(f"store_{dtype}({address}, {offset}, {value})")

    def _strides(self, operand: int) -> str:
        return self.shape.marks(self.shape.patterns[operand])
