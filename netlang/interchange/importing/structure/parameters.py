"""What a block must be told: arguments that differ from case to case and do not follow from shapes or other arguments.

x -> conv(64, 3, pad = 1) ... x -> conv(64, 1)           block unit(x, kernel) {
y -> conv(32, 1) ... y -> conv(32, 5, pad = 2)     ->      return x -> conv(x.shape[1], kernel, pad = kernel // 2)
(of 64 and of 32 channels)                               }
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache

from netlang.frontend import ast
from netlang.frontend.builtins import library
from netlang.interchange.importing import writing as w
from netlang.interchange.importing.structure.constants import Constant
from netlang.interchange.importing.structure.items import Block, Item, Value
from netlang.ir.dims import Sym

Vector = tuple[Constant, ...]
"""What an argument is in each case."""

INPUT_NAMES = ("x", "y", "z", "u", "v")
_RATIOS = ((1, False), *((factor, divides) for factor in (2, 3, 4, 5, 6, 8, 16) for divides in (False, True)))
"""(factor, whether it divides)"""
_OFTEN = ("stride", "pad", "dilation", "groups", "bias", "eps", "momentum", "ceil_mode", "slope")
"""What has a default where most agree."""
_FEATURES = ("channels", "units", "groups")
"""What follows from no size but that of the features: the last axis of vectors, otherwise the one after the batch."""


@dataclass(frozen=True)
class Parameter:
    """A parameter of a block: its value in each case, and its default."""

    name: str
    vector: Vector
    default: Constant | None


@dataclass
class Signature:
    """Parameters of a block, those without defaults first, and what its items are given."""

    parameters: list[Parameter] = field(default_factory=list)
    arguments: dict[Item, list[ast.Expression | None]] = field(default_factory=dict)


@cache
def taken_names() -> frozenset[str]:
    """Names that mean something already."""
    return frozenset(library().names())


def signature(block: Block, known: dict[Block, Signature]) -> Signature:
    """The parameters of a block; those of the blocks that it applies are `known`."""
    return _Solver(block, known).solved()


def item_vectors(item: Item, known: dict[Block, Signature]) -> list[tuple[str, Vector, Constant | None]]:
    """(role, value in each case, default) of what an item is given."""
    if item.callee is None:
        return [(role, vector, None) for role, vector in zip(item.roles, item.holes, strict=True)]
    given = known[item.callee].parameters
    return [(p.name, tuple(p.vector[c] for c in item.callee_cases), p.default) for p in given]


class _Solver:
    def __init__(self, block: Block, known: dict[Block, Signature]) -> None:
        self.body, self.known = block.body, known
        self.bases: list[tuple[str, Vector]] = []
        """What had to become a parameter: role, value in each case."""
        self.shapes = list(_shapes(self.body.inputs))
        self.found: dict[tuple[str, Vector], ast.Expression | None] = {}

    def solved(self) -> Signature:
        slots = [(i, s) for i in self.body.items for s in item_vectors(i, self.known)]
        for _, (role, vector, default) in slots:
            if self._free(role, vector, default) is None and not self._from_bases(role, vector):
                self.bases.append((role, vector))
        names = self._names()
        parameters = [
            Parameter(name, vector, _default(role, vector))
            for name, (role, vector) in zip(names, self.bases, strict=True)
        ]
        found = Signature(sorted(parameters, key=lambda p: p.default is not None))
        for item in self.body.items:
            found.arguments[item] = [self._expression(*slot, names) for slot in item_vectors(item, self.known)]
        return found

    def _free(self, role: str, vector: Vector, default: Constant | None) -> ast.Expression | None:
        """What needs no parameter: the same everywhere, or what follows from a shape."""
        first = vector[0]
        if first.is_plain and vector.count(first) == len(vector):
            return first.expression
        if (role, vector) not in self.found:
            self.found[role, vector] = self._from_shapes(role, vector)
        return self.found[role, vector]

    def _from_shapes(self, role: str, vector: Vector) -> ast.Expression | None:
        """What follows from the shape of an input."""
        if not all(c.is_size for c in vector):
            return None
        for factor, divides in _RATIOS:
            for axis, is_features, name, sizes in self.shapes:
                if (is_features or role not in _FEATURES) and _follows(vector, sizes, factor, divides):
                    shape = ast.Attribute(w.SPAN, w.name(name), w.word("shape"))
                    return _scaled(ast.Index(w.SPAN, shape, w.number(axis)), factor, divides)
        return None

    def _from_bases(self, role: str, vector: Vector) -> tuple[int, int, bool] | None:
        """(place of a parameter, factor, whether it divides) where an argument follows from one."""
        for place, (_, base) in enumerate(self.bases):
            if base == vector:
                return place, 1, False
        if not all(c.is_size for c in vector):
            return None
        for factor, divides in _RATIOS:
            for place, (_, base) in enumerate(self.bases):
                if all(c.is_size for c in base) and _follows(vector, [c.value for c in base], factor, divides):
                    return place, factor, divides
        return None

    def _expression(
        self, role: str, vector: Vector, default: Constant | None, names: list[str]
    ) -> ast.Expression | None:
        """How an argument is written; None where it is the default."""
        if default is not None and all(c == default for c in vector):
            return None
        free = self._free(role, vector, default)
        if free is not None:
            return free
        found = self._from_bases(role, vector)
        assert found is not None
        place, factor, divides = found
        return _scaled(w.name(names[place]), factor, divides)

    def _names(self) -> list[str]:
        """Names after roles, numbered where several have one."""
        roles = [_plain(role) for role, _ in self.bases]
        counts = Counter(roles)
        seen: Counter[str] = Counter()
        out = []
        for role in roles:
            seen[role] += 1
            out.append(f"{role}{seen[role]}" if counts[role] > 1 else role)
        return out


def _plain(role: str) -> str:
    """A name for a parameter of a role."""
    plain = role.rstrip("0123456789") or "value"
    plain = {"pad": "padding", "shape": "size"}.get(plain, plain)
    return f"{plain}_given" if plain in taken_names() or plain in INPUT_NAMES else plain


def _default(role: str, vector: Vector) -> Constant | None:
    """What an argument is in most cases, where one would not always write it."""
    most, count = Counter(vector).most_common(1)[0]
    return most if role in _OFTEN and most.is_plain and 2 * count > len(vector) else None


def _shapes(inputs: list[Value]) -> Iterator[tuple[int, bool, str, list[object]]]:
    """(axis, whether it is that of features, input, its size in each case): features first, the batch last."""
    for name, value in zip(INPUT_NAMES, inputs, strict=False):
        shapes = [t.shape for t in value.types if t is not None]
        if len(shapes) != len(value.types) or len({len(s) for s in shapes}) != 1 or not shapes[0]:
            continue
        rank = len(shapes[0])
        features = 2 if rank == 3 else min(1, rank - 1)
        for axis in dict.fromkeys([features, *range(1, rank), 0]):
            yield axis, axis == features, name, [s[axis] for s in shapes]


def _follows(vector: Vector, source: list[object], factor: int, divides: bool) -> bool:
    """Whether the vector is the source, multiplied or divided."""
    if isinstance(vector[0].value, Sym) != isinstance(source[0], Sym):
        return False
    change: Callable[[object], object] = (lambda s: s // factor) if divides else (lambda s: s * factor)  # type: ignore[operator]
    return all(c.value == change(s) for c, s in zip(vector, source, strict=True))


def _scaled(e: ast.Expression, factor: int, divides: bool) -> ast.Expression:
    if factor == 1:
        return e
    return w.infix(e, "//", w.number(factor)) if divides else w.infix(w.number(factor), "*", e)
