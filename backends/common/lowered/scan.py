"""Lowering of scans: the steps of the body, carried out once for every step of the sequence by the walker.

What a step of the scan reads of a sequence, and where it puts what it emits, are places that move from round to round;
nothing is copied. A state goes to and fro between its result and a second buffer, so that the step that reads it never
writes over it; a state that is emitted too lives in the stack: the next round reads what the last one put there. What
depends on constants alone, such as packing weights, is done before the loop.
"""

from __future__ import annotations

from dataclasses import replace

from netlang.backends.common.context import Context, storage, storage_bytes
from netlang.backends.common.lowerings import AnyLowerings
from netlang.backends.common.moved import moved
from netlang.backends.common.moves import copy_steps
from netlang.backends.common.steady import steady_first
from netlang.backends.common.steps import At, Buffer, Loop, Moving, Place, Scratch, Sizes, Step, evaluated
from netlang.ir import scan as parts
from netlang.ir.dims import Dim
from netlang.ir.graph import Node, Value
from netlang.passes.memory import VIEWS

_LEAVES = frozenset({"input", "param", "const"})


def scan(context: Context, node: Node) -> list[Step]:
    """What happens once, the rounds, and the states that end up somewhere else than in their results."""
    return _Scan(context, node).steps()


class _Scan:
    def __init__(self, context: Context, node: Node) -> None:
        assert node.body is not None
        self.context, self.body = context, node.body
        self.parts = parts.Loop.of(node)
        self.finals, self.stacks = parts.finals(node), parts.stacks(node)
        self.length = self.parts.length
        self.loop = Loop(self.length)
        self.where: dict[Buffer, Place] = {}
        self.late: list[tuple[Value, Place]] = []
        """Values of the body that must be copied at the end of a round, and where to."""
        self.after: list[Step] = []

    def steps(self) -> list[Step]:
        for inside, outside in zip(self.parts.shared, self.parts.constants, strict=True):
            self.where[inside] = self.context.aliases[inside] = self.context.buffer(outside)
        for inside, sequence in zip(self.parts.slices, self.parts.sequences, strict=True):
            self.where[inside] = self._slice(inside, sequence)
        for value, stack in zip(self.parts.emitted, self.stacks, strict=True):
            self._put(value, self._slice(value, stack))
        for i in range(len(self.finals)):
            self._state(i)
        rounds = [replace(moved(s, self.where), loops=(self.loop, *s.loops)) for s in self._body()]
        return [*steady_first(rounds), *self.after]

    def _body(self) -> list[Step]:
        """The steps of one round, in terms of the body's values."""
        found: list[Step] = []
        for node in self.body.nodes:
            if node.op in VIEWS or node.op in _LEAVES:
                continue
            for value in node.results:
                if value not in self.where:
                    self.where[value] = self.context.scratch(self.context.storage_bytes(value.type))
            found += self.context.lower(node)
        for value, place in self.late:
            target = Scratch(0)
            self.where[target] = place
            found += copy_steps(self.context, value, target)
        return found

    def _put(self, value: Value, place: Place) -> None:
        """Have a value that the body makes at a place: computed there, or copied at the end of a round."""
        root = storage(value)
        if root.node.op in _LEAVES or root in self.where:
            self.late.append((value, place))
        else:
            self.where[root] = place

    def _slice(self, inside: Value, stack: Value) -> Moving:
        """The part of a sequence or a stack that belongs to the step of a round."""
        bytes = self._bytes(inside)
        first, step = self._first(bytes), -bytes if self.parts.reverse else bytes
        at = tuple(At(stack, first + step * t) for t in range(3))
        return Moving(self.loop, (at[0], at[1], at[2]), 2 * step, bytes)

    def _first(self, bytes: Dim) -> Dim:
        """Where in a stack the first round is."""
        return (self.length - 1) * bytes if self.parts.reverse else 0

    def _bytes(self, value: Value) -> Dim:
        return storage_bytes(value.type)

    # ---- states

    def _state(self, i: int) -> None:
        """Where a state is read and where the next one is put."""
        inside, value = self.parts.states[i], self.parts.following[i]
        initial, final = self.parts.initial[i], self.finals[i]
        root, bytes = storage(value), self._bytes(inside)
        if root == inside:  # it never changes
            self.where[inside] = self.context.buffer(initial)
            self.after.append(self.context.copy_bytes(initial, final, bytes))
            return
        emitted = self.where.get(root) if root.node.op not in _LEAVES else None
        if isinstance(emitted, Moving) and emitted.stride != 0:
            self._from_stack(i, emitted)
            return
        if isinstance(self.length, int):
            last, other = final, self.context.scratch(bytes)
            first, second = (last, other) if self.length % 2 else (other, last)
        else:
            first, second = final, self.context.scratch(bytes)
            # The last round puts it into the second buffer where rounds are even.
            self._finish(second, final, bytes, even=True)
        self.where[inside] = Moving(self.loop, (initial, first, second), 0, bytes)
        self._put(value, Moving(self.loop, (first, second, first), 0, bytes))
        self._finish_without_rounds(initial, final, bytes)

    def _from_stack(self, i: int, emitted: Moving) -> None:
        """A state that is emitted too: every round reads what the one before has emitted."""
        inside, initial, final = self.parts.states[i], self.parts.initial[i], self.finals[i]
        bytes = self._bytes(inside)
        before = (initial, emitted.at[0], emitted.at[1])
        self.where[inside] = Moving(self.loop, before, emitted.stride, bytes)
        stack = emitted.at[0]
        assert isinstance(stack, At)
        last = 0 if self.parts.reverse else (self.length - 1) * bytes
        self._finish(At(stack.buffer, last), final, bytes)
        self._finish_without_rounds(initial, final, bytes)

    def _finish(self, source: Place, final: Value, bytes: Dim, even: bool = False) -> None:
        """After the last round, if there was one (and where rounds are `even`): copy a state to its result."""

        def count(sizes: Sizes) -> int:
            rounds = evaluated(self.length, sizes)
            return evaluated(bytes, sizes) if rounds and not (even and rounds % 2) else 0

        if self.length != 0:
            self.after.append(self.context.copy_bytes(source, final, count))

    def _finish_without_rounds(self, initial: Value, final: Value, bytes: Dim) -> None:
        """Where there is no round, the state after the last one is the initial one."""

        def count(sizes: Sizes) -> int:
            return 0 if evaluated(self.length, sizes) else evaluated(bytes, sizes)

        if not isinstance(self.length, int) or self.length == 0:
            self.after.append(self.context.copy_bytes(initial, final, count))


def register(table: AnyLowerings) -> None:
    """Loops over the steps of a sequence."""
    table.lowering("scan")(scan)
