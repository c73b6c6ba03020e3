"""A net as a sequence of items, in which repeated pieces are looked for.

An item is what a line does: a pattern, the values that it reads, the values that it makes. A sequence is the body of
the net or of a block. What a block is applied to differs from place to place: a case is one of these places, counted
over all of the net, and everything that may differ is known for each case.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count

from netlang.frontend import ast
from netlang.interchange.importing.sheet import Line
from netlang.interchange.importing.structure.constants import Constant
from netlang.ir.types import TensorType

_numbers = count()


@dataclass(eq=False)
class Value:
    """A tensor of a sequence. `types` are those of all cases, None where it is not known; `name` is for the net."""

    types: list[TensorType | None]
    name: str = ""


@dataclass(eq=False)
class Item:
    """What a line does.

    key       items of one key differ in operands and constants alone
    pattern   the expression, or the type of a declaration; None for a block that is applied
    holes     for each constant of the pattern its values in all cases
    roles     what these constants are called
    weights   for each case the identities of the arrays that its layers keep; equal ones are shared
    words     how many constants one would write, those that are defaults left out
    lines     the line of the flat net in each case
    names     what its results are called in each case, "" for what has no name
    role      of a declaration: `param`, `frozen` or `buffer`
    callee    the block that is applied, and which of its cases are those of this item
    """

    key: str
    pattern: ast.Expression | ast.Type | None
    operands: tuple[Value, ...]
    results: tuple[Value, ...]
    holes: list[tuple[Constant, ...]] = field(default_factory=list)
    roles: tuple[str, ...] = ()
    weights: list[tuple[int, ...]] = field(default_factory=list)
    words: int = 0
    lines: list[Line] = field(default_factory=list)
    names: list[tuple[str, ...]] = field(default_factory=list)
    role: str = ""
    callee: Block | None = None
    callee_cases: list[int] = field(default_factory=list)

    @property
    def weighted(self) -> bool:
        """Whether it creates parameters."""
        return any(self.weights)


@dataclass(eq=False)
class Body:
    """A body: what it is given, what it does in order, what it results in."""

    inputs: list[Value]
    items: list[Item]
    results: list[Value]
    cases: int

    def readers(self) -> dict[Value, list[int]]:
        """The places of the items that read each value, once for each mention; results are read at the end."""
        found: dict[Value, list[int]] = {}
        for place, item in enumerate(self.items):
            for operand in item.operands:
                found.setdefault(operand, []).append(place)
        for value in self.results:
            found.setdefault(value, []).append(len(self.items))
        return found


@dataclass(eq=False)
class Block:
    """A piece that occurs more than once. `number` tells blocks apart, in the order in which they were found."""

    body: Body
    number: int = field(default_factory=lambda: next(_numbers))
    name: str = ""

    @property
    def key(self) -> str:
        return f"block {self.number}"


def cost(items: Sequence[Item]) -> int:
    """How much there is to read, in words: a layer and each of its arguments is one, what is only done again is two."""
    total = 0
    for before, item in zip((None, *items), items, strict=False):
        again = before is not None and item.callee is not None and item.key == before.key
        total += 2 if again else len(item.operands) + 1 + item.words
    return total
