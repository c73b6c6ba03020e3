"""From a lowered graph to a program: tensors and working memory become rooms, steps become lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from netlang.backends.common import steps as symbolic
from netlang.backends.common.context import Context, storage, stored_shape
from netlang.backends.common.homes import Copy, External, Homes, buffers
from netlang.backends.common.numbers import Number
from netlang.backends.common.planning import plan_lives
from netlang.backends.common.steps import At, Buffer, Place, Scratch, Step
from netlang.backends.cpu.program import (
    ARENA,
    CONSTANT,
    KEPT,
    Arg,
    Claim,
    Copied,
    Line,
    Loop,
    Moving,
    Program,
    Result,
    Room,
    Spot,
    Use,
)
from netlang.ir.dims import names, size
from netlang.ir.graph import Node, Value


class Translation:
    """The program of a lowered graph; `room` says where its tensors and scratches are in it."""

    def __init__(self, context: Context, homes: Homes, steps: Sequence[Step]) -> None:
        self._context, self._homes = context, homes
        self._rooms: dict[Buffer, Room] = {}
        self._known_uses: dict[tuple[Buffer, bool], Use] = {}
        self._loops: dict[symbolic.Loop, Loop] = {}
        self.constants: dict[Room, np.ndarray[Any, Any]] = {}
        graph = context.graph
        self.program = Program(
            prologue=[self.line(step) for step in homes.prologue],
            lines=[self.line(step) for step in steps],
            copies=[self._copied(copy) for copy in homes.copies],
            claims=self._claims(),
            constants=self.constants,
            kept=[self.room(b) for b in _in_order(homes)],
            results=[Result(name, v.shape, v.dtype.numpy) for name, v in graph.outputs],
            symbolic=[v.node.name for v in graph.inputs if any(map(names, v.shape))],
            changes=bool(graph.updates),
        )

    def room(self, buffer: Buffer) -> Room:
        """The room that a buffer's storage is."""
        root = self._context.storage(buffer) if isinstance(buffer, Value) else buffer
        if root not in self._rooms:
            self._rooms[root] = self._made(root)
        return self._rooms[root]

    def line(self, step: Step) -> Line:
        """A step in terms of rooms."""
        return Line(
            step.kernel,
            tuple(self._arg(arg) for arg in step.args),
            self._uses(step),
            step.work,
            step.parallel,
            tuple(self._loop(loop) for loop in step.loops),
        )

    def _made(self, root: Buffer) -> Room:
        if root in self._homes.hoisted:
            return Room(KEPT, self._bytes(root))
        if isinstance(root, Scratch):
            return Room(ARENA, root.bytes)
        if root.node.op == "const":
            room = Room(CONSTANT, self._bytes(root))
            self.constants[room] = np.ascontiguousarray(root.node.attrs["value"])
            return room
        home = self._homes.of(root)
        return Room(home if isinstance(home, External) else ARENA, self._bytes(root))

    def _bytes(self, root: Buffer) -> Number:
        return root.bytes if isinstance(root, Scratch) else self._context.storage_bytes(root.type)

    # ---- lines

    def _arg(self, arg: symbolic.Arg) -> Arg:
        return self._place(arg) if isinstance(arg, Value | Scratch | At | symbolic.Moving) else arg

    def _place(self, place: Place) -> Spot | Moving:
        if isinstance(place, symbolic.Moving):
            first, second, third = (self._place(p) for p in place.at)
            return Moving(self._loop(place.loop), (first, second, third), place.stride)
        found = place if isinstance(place, At) else At(place, 0)
        return Spot(self.room(found.buffer), found.further(self._context.start(found.buffer)).offset)

    def _loop(self, loop: symbolic.Loop) -> Loop:
        return self._loops.setdefault(loop, Loop(loop.rounds))

    def _uses(self, step: Step) -> tuple[Use, ...]:
        """What a step reads and writes; a buffer that it does both with is written."""
        written = {storage(b) if isinstance(b, Value) else b for b in step.writes}
        found = dict.fromkeys(buffers(step))
        return tuple(self._use(b, b in written) for b in found)

    def _use(self, buffer: Buffer, written: bool) -> Use:
        key = (buffer, written)
        if key not in self._known_uses:
            self._known_uses[key] = Use(self.room(buffer), written, self._part(buffer))
        return self._known_uses[key]

    def _part(self, buffer: Buffer) -> tuple[Number, Number] | None:
        """Where a slice is in each image of its whole, in elements."""
        found = self._context.slices.get(buffer) if isinstance(buffer, Value) else None
        if found is None or isinstance(buffer, Scratch):
            return None
        return found.start, found.start + size(stored_shape(buffer.type)[1:])

    def _copied(self, copy: Copy) -> Copied:
        value = copy.source
        return Copied(self.room(value), value.shape, value.dtype.numpy, copy.target)

    # ---- memory

    def _claims(self) -> list[Claim]:
        """One for each storage in the arena, with all that is computed in its place, and one for each node's working
        memory."""
        plan = plan_lives(self._context, self._homes)
        members: dict[Value, list[Value]] = {}
        for value, root in plan.storage.items():
            members.setdefault(root, [root]).append(value)
        made = []
        for owner, start, end in plan.lives:
            if isinstance(owner, Node):
                made.append(self._working(owner, start, end))
            else:
                rooms = dict.fromkeys(self.room(v) for v in members[owner])
                made.append(Claim(start, end, tuple(rooms)))
        return made

    def _working(self, node: Node, start: int, end: int) -> Claim:
        """Scratches lie side by side, but for those of which it is known when they are needed."""
        context = self._context
        found = [s for s in context.scratches.get(node, ()) if s not in self._homes.hoisted]
        return Claim(start, end, tuple(map(self.room, found)), tuple(context.lives.get(s) for s in found))


def _in_order(homes: Homes) -> list[Buffer]:
    """The buffers that calls need of the prologue's, in the order in which they are written."""
    written = dict.fromkeys(storage(b) if isinstance(b, Value) else b for s in homes.prologue for b in s.writes)
    return [b for b in written if b in homes.kept]
