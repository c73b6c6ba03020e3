"""From symbolic places to device addresses, and from steps to launches: loops are written out round by round."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby

import numpy as np

from netlang.backends.base import Array
from netlang.backends.common.context import Context
from netlang.backends.common.homes import External, Homes
from netlang.backends.common.planning import scratch_places
from netlang.backends.common.steps import (
    Arg,
    At,
    Buffer,
    Loop,
    Moving,
    Place,
    Scratch,
    Sizes,
    Step,
    bases,
    evaluated,
    places,
)
from netlang.backends.cuda.device import Extent, Launched
from netlang.backends.cuda.steps import Launch
from netlang.ir.graph import Value
from netlang.passes.memory import MemoryPlan

Rounds = Mapping[Loop, int]


class Addresses:
    """Where buffers are, for one set of sizes. `known` holds what is outside of the arena: constants, hoisted results,
    stand-ins; `external` the arrays of the caller."""

    def __init__(
        self,
        context: Context,
        homes: Homes,
        known: Mapping[Buffer, int],
        external: Mapping[External, int],
        sizes: Sizes,
        plan: MemoryPlan | None = None,
        arena: int = 0,
        table: Callable[[Array], int] | None = None,
    ) -> None:
        """`table` puts the rows of a launch into the memory of the device, int64, and returns their address."""
        self._context, self._homes, self._known, self._external = context, homes, known, external
        self._sizes, self._plan, self._arena, self._table = sizes, plan, arena, table
        self._scratch: dict[Scratch, int] = {}
        for node in context.scratches:
            if plan is None:
                break
            offset, _ = plan.scratch.get(node, (0, 0))  # none where there is nothing to hold for these sizes
            found, _ = scratch_places(context, homes, node, sizes)
            self._scratch.update({scratch: arena + offset + place for scratch, place in found.items()})

    def launches(self, steps: Sequence[Step]) -> list[Launched]:
        """The launches of some steps in order; those with nothing to do are left out."""
        return list(self._members(steps, {}))

    def of(self, buffer: Buffer) -> int:
        """The address of a buffer's first element."""
        if isinstance(buffer, Scratch):
            return self._known[buffer] if buffer in self._known else self._scratch[buffer]
        root = self._context.storage(buffer)
        start = evaluated(self._context.start(buffer), self._sizes)
        return self._root(root) + start

    def _root(self, root: Value) -> int:
        if root in self._known:
            return self._known[root]
        home = self._homes.of(root)
        if isinstance(home, External):
            return self._external[home]
        assert home is None and self._plan is not None
        return self._arena + self._plan.offsets[root]

    # ---- loops

    def _members(self, steps: Sequence[Step], rounds: Rounds) -> Iterator[Launched]:
        depth = len(rounds)
        for loop, own in groupby(steps, lambda s: s.loops[depth] if len(s.loops) > depth else None):
            members = list(own)
            if loop is None:
                yield from (made for s in members if (made := self._launched(s, rounds)) is not None)
                continue
            for i in range(evaluated(loop.rounds, self._sizes)):
                yield from self._members(members, {**rounds, loop: i})

    def _launched(self, step: Step, rounds: Rounds) -> Launched | None:
        assert isinstance(step, Launch)
        if not step.is_taken(self._sizes):
            return None
        x, y, z = (evaluated(n, self._sizes) for n in step.grid)
        if x * y * z == 0:
            return None
        arguments, extents = tuple(self._argument(a, rounds) for a in step.args), self._extents(step)
        if step.rows:
            assert self._table is not None
            rows = np.array([[self._argument(a, rounds) for a in row] for row in step.rows], np.int64)
            place = self._table(rows)
            arguments, extents = (*arguments, place), (*extents, Extent(place, rows.nbytes, False))
        return Launched(step.kernel, arguments, (x, y, z), extents)

    def _extents(self, step: Step) -> tuple[Extent, ...]:
        """Where the buffers of a step are; of slices, the whole that they lie in."""
        written = set(map(self._storage, step.writes))
        found = dict.fromkeys(self._storage(b) for place in places(step) for b in bases(place))
        return tuple(Extent(self.of(b), self._bytes(b), b in written) for b in found)

    def _storage(self, buffer: Buffer) -> Buffer:
        return self._context.storage(buffer) if isinstance(buffer, Value) else buffer

    def _bytes(self, buffer: Buffer) -> int:
        bytes = self._context.storage_bytes(buffer.type) if isinstance(buffer, Value) else buffer.bytes
        return evaluated(bytes, self._sizes)

    def _argument(self, arg: Arg, rounds: Rounds) -> int:
        if isinstance(arg, Value | Scratch | At | Moving):
            return self._place(arg, rounds)
        return evaluated(arg, self._sizes)

    def _place(self, place: Place, rounds: Rounds) -> int:
        if isinstance(place, At):
            return self.of(place.buffer) + evaluated(place.offset, self._sizes)
        if isinstance(place, Moving):
            i = rounds[place.loop]
            which = i if i < 3 else 2 - i % 2
            return self._place(place.at[which], rounds) + (i - which) // 2 * evaluated(place.stride, self._sizes)
        return self.of(place)
