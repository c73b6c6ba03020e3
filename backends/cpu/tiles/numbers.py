"""Integer arithmetic and control flow for emitted kernels, written as in Python.

A `Number` is an i64 of the emitted code; operators emit instructions, and comparisons give a `Condition`. Addresses are
numbers too. `//` and `%` are unsigned: use them on numbers that are not negative, by positive ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Any

from llvmlite import ir

_I64 = ir.IntType(64)


class Number:
    """An i64 value of the code that `builder` writes."""

    __slots__ = ("builder", "value")

    def __init__(self, builder: Any, value: Any) -> None:
        self.builder, self.value = builder, value

    def _with(self, instruction: str, other: Number | int, swapped: bool = False) -> Number:
        left, right = self.value, raw(other)
        if swapped:
            left, right = right, left
        return Number(self.builder, getattr(self.builder, instruction)(left, right))

    def __add__(self, other: Number | int) -> Number:
        return self if is_int(other, 0) else self._with("add", other)

    def __radd__(self, other: int) -> Number:
        return self + other

    def __sub__(self, other: Number | int) -> Number:
        return self if is_int(other, 0) else self._with("sub", other)

    def __rsub__(self, other: int) -> Number:
        return self._with("sub", other, swapped=True)

    def __mul__(self, other: Number | int) -> Number:
        return self if is_int(other, 1) else self._with("mul", other)

    def __rmul__(self, other: int) -> Number:
        return self * other

    def __neg__(self) -> Number:
        return 0 - self

    def __floordiv__(self, other: Number | int) -> Number:
        return self if is_int(other, 1) else self._with("udiv", other)

    def __mod__(self, other: Number | int) -> Number:
        return self._with("urem", other)

    def _compare(self, relation: str, other: Number | int) -> Condition:
        return Condition(self.builder, self.builder.icmp_signed(relation, self.value, raw(other)))

    def __lt__(self, other: Number | int) -> Condition:
        return self._compare("<", other)

    def __le__(self, other: Number | int) -> Condition:
        return self._compare("<=", other)

    def __gt__(self, other: Number | int) -> Condition:
        return self._compare(">", other)

    def __ge__(self, other: Number | int) -> Condition:
        return self._compare(">=", other)

    def equals(self, other: Number | int) -> Condition:
        return self._compare("==", other)

    def at_least(self, other: Number | int) -> Number:
        """The larger of two numbers."""
        return (self > other).choose(self, other)

    def at_most(self, other: Number | int) -> Number:
        """The smaller of two numbers."""
        return (self < other).choose(self, other)


class Condition:
    """An i1 value."""

    __slots__ = ("builder", "value")

    def __init__(self, builder: Any, value: Any) -> None:
        self.builder, self.value = builder, value

    def __and__(self, other: Condition) -> Condition:
        return Condition(self.builder, self.builder.and_(self.value, other.value))

    def __or__(self, other: Condition) -> Condition:
        return Condition(self.builder, self.builder.or_(self.value, other.value))

    def __invert__(self) -> Condition:
        return Condition(self.builder, self.builder.not_(self.value))

    def choose(self, then: Number | int, otherwise: Number | int) -> Number:
        return Number(self.builder, self.builder.select(self.value, raw(then), raw(otherwise)))


def raw(number: Number | int) -> Any:
    """The IR value."""
    return number.value if isinstance(number, Number) else _I64(int(number))


def is_int(number: Number | int, value: int) -> bool:
    return isinstance(number, int) and number == value


class Frame:
    """What a kernel's body is written with: its arguments, loops and conditions."""

    def __init__(self, builder: Any, args: Any, tid: Any, threads: Any) -> None:
        self.builder = builder
        self.tid, self.threads = Number(builder, tid), Number(builder, threads)
        self._table = builder.inttoptr(args, _I64.as_pointer())

    def __getitem__(self, entry: int | IntEnum) -> Number:
        """An entry of the argument table."""
        return Number(self.builder, self.builder.load(self.builder.gep(self._table, [_I64(int(entry))])))

    @contextmanager
    def each(self, start: Number | int, stop: Number | int) -> Iterator[Number]:
        """`for i in range(start, stop)`."""
        b = self.builder
        before = b.block
        inside, after = b.append_basic_block("each"), b.append_basic_block("done")
        b.cbranch(b.icmp_signed("<", raw(start), raw(stop)), inside, after)
        b.position_at_end(inside)
        index = b.phi(_I64)
        yield Number(b, index)
        following = b.add(index, _I64(1))
        b.cbranch(b.icmp_signed("<", following, raw(stop)), inside, after)
        index.add_incoming(raw(start), before)
        index.add_incoming(following, b.block)
        b.position_at_end(after)

    def share(self, count: Number, workers: Number | None = None) -> tuple[Number, Number]:
        """This thread's part of `count` units: (first, last + 1). Threads beyond `workers` get nothing."""
        if workers is None:
            return count * self.tid // self.threads, count * (self.tid + 1) // self.threads
        used = workers.at_most(self.threads)
        tid = self.tid.at_most(used)
        return count * tid // used, count * (tid + 1).at_most(used) // used

    @contextmanager
    def when(self, condition: Condition) -> Iterator[None]:
        """`if condition:`."""
        with self.builder.if_then(condition.value):
            yield

    @contextmanager
    def either(self, condition: Condition) -> Iterator[tuple[Any, Any]]:
        """`if condition: ... else: ...`, as two context managers."""
        with self.builder.if_else(condition.value) as branches:
            yield branches
