"""Loop nests: what a fused chain of elementwise ops and reductions is before it becomes code.

A nest goes over axes, some of them reduced. Operands are read and written at `offset + sum(index * stride)`; a
stride of zero broadcasts. Instructions are in single-assignment form, each names earlier ones by position. Example,
softmax of x [N, C] over C:

    axes      N kept, C reduced
    0 load x      1 reduce_max 0      2 sub 0 1      3 exp 2      4 reduce_sum 3      5 div 3 4      store 5

`code_of` takes the structure of a nest (`NestCode`), which is what kernels are compiled for; sizes are their arguments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from netlang.backends.common.steps import Buffer
from netlang.ir.dims import Dim, size

REDUCTIONS = frozenset({"reduce_sum", "reduce_max", "reduce_min"})
SOURCES = frozenset({"load", "constant", "number", "iota", "index"})
"""Instructions that compute nothing: see `Instruction`."""


@dataclass(frozen=True)
class Operand:
    """A tensor read or written by a nest: strides and offset in elements, one stride per axis."""

    buffer: Buffer
    dtype: str
    strides: tuple[Dim, ...]
    offset: Dim = 0


@dataclass(frozen=True)
class Instruction:
    """One value of a nest, of register type `dtype`. Besides the names in `EXPRESSIONS` and `REDUCTIONS`, `op` is

    load      operand number attrs["operand"]
    constant  attrs["value"]
    number    the run-time size attrs["number"], converted
    iota      the index along the axis attrs["axis"], as i64
    index     how many elements operand attrs["operand"], which is not read, has moved from its start, as i64
    """

    op: str
    dtype: str
    inputs: tuple[int, ...] = ()
    attrs: tuple[tuple[str, Any], ...] = ()

    def attr(self, name: str) -> Any:
        return dict(self.attrs)[name]


@dataclass(frozen=True)
class Axis:
    """One loop: how often, whether reductions go over it, whether it is the `lanes` of blocked channels."""

    size: Dim
    reduced: bool
    lanes: bool = False


@dataclass
class Nest:
    """A whole nest; `stores` are (target, position of the instruction)."""

    axes: list[Axis]
    loads: list[Operand] = field(default_factory=list)
    instructions: list[Instruction] = field(default_factory=list)
    stores: list[tuple[Operand, int]] = field(default_factory=list)
    numbers: list[Dim] = field(default_factory=list)

    def add(self, op: str, dtype: str, inputs: Sequence[int] = (), /, **attrs: Any) -> int:
        """Append an instruction (or find the same one) and return its position."""
        made = Instruction(op, dtype, tuple(inputs), tuple(sorted(attrs.items())))
        if made in self.instructions:
            return self.instructions.index(made)
        self.instructions.append(made)
        return len(self.instructions) - 1

    def load(self, operand: Operand) -> int:
        if operand not in self.loads:
            self.loads.append(operand)
        return self.add("load", operand.dtype, operand=self.loads.index(operand))

    def index(self, operand: Operand) -> int:
        if operand not in self.loads:
            self.loads.append(operand)
        return self.add("index", "i64", operand=self.loads.index(operand))

    def number(self, value: Dim, dtype: str) -> int:
        if value not in self.numbers:
            self.numbers.append(value)
        return self.add("number", dtype, number=self.numbers.index(value))

    @property
    def operands(self) -> list[Operand]:
        return [*self.loads, *(o for o, _ in self.stores)]

    @property
    def work(self) -> Dim:
        """About how many elementary operations."""
        weight = sum(_WEIGHTS.get(i.op, 1) for i in self.instructions)
        return size(a.size for a in self.axes) * max(1, weight)


_WEIGHTS = {
    "exp": 8,
    "log": 8,
    "tanh": 12,
    "erf": 12,
    "sigmoid": 10,
    "gelu": 14,
    "softplus": 20,
    "elu": 10,
    "pow": 40,
    "uniform": 60,
    "normal": 160,
}


def collapsed(nest: Nest) -> Nest:
    """The same nest with fewer, longer loops: axes of size 1 dropped, neighbours joined that all operands walk as one.

    An axis of which an instruction asks the index stays as it is.
    """
    indexed = {i.attr("axis") for i in nest.instructions if i.op == "iota"}
    kept: list[list[int]] = []
    for axis, info in enumerate(nest.axes):
        if info.size == 1 and axis not in indexed:
            continue
        last = kept[-1][-1] if kept else None
        if last is not None and not {last, axis} & indexed and _joins(nest, last, axis):
            kept[-1].append(axis)
        else:
            kept.append([axis])
    axes = [
        Axis(size(nest.axes[a].size for a in g), nest.axes[g[0]].reduced, len(g) == 1 and nest.axes[g[0]].lanes)
        for g in kept
    ]
    place = {group[0]: i for i, group in enumerate(kept)}
    inner = [group[-1] for group in kept]

    def moved(operand: Operand) -> Operand:
        return replace(operand, strides=tuple(operand.strides[a] for a in inner))

    instructions = [
        replace(i, attrs=(("axis", place[i.attr("axis")]),)) if i.op == "iota" else i for i in nest.instructions
    ]
    stores = [(moved(o), at) for o, at in nest.stores]
    return _at_least_one_axis(Nest(axes, [moved(o) for o in nest.loads], instructions, stores, nest.numbers))


def _joins(nest: Nest, outer: int, inner: int) -> bool:
    if nest.axes[outer].reduced != nest.axes[inner].reduced:
        return False
    length = nest.axes[inner].size
    return all(o.strides[outer] == o.strides[inner] * length for o in nest.operands)


def _at_least_one_axis(nest: Nest) -> Nest:
    if nest.axes:
        return nest
    widened = [replace(o, strides=(0,)) for o in nest.loads]
    stores = [(replace(o, strides=(1,)), at) for o, at in nest.stores]
    return Nest([Axis(1, False)], widened, nest.instructions, stores, nest.numbers)


# ---- structure and sizes


@dataclass(frozen=True)
class OperandCode:
    """The structure of an operand: per axis `0`: does not move, `1`: consecutive (last axis only), `s`: a stride."""

    dtype: str
    strides: str


@dataclass(frozen=True)
class NestCode:
    """The structure of a nest, which is what its kernel is compiled for.

    axes    per axis `k` (kept), `r` (reduced), `l` (kept, and gone along inside a unit of work) or, for a last axis
            that is kept and one vector long, `v`
    split   the only axis is reduced in chunks, each with results of its own
    """

    axes: str
    loads: tuple[OperandCode, ...]
    instructions: tuple[Instruction, ...]
    stores: tuple[tuple[OperandCode, int], ...]
    numbers: int
    split: bool = False


def code_of(nest: Nest, split: bool = False) -> NestCode:
    """The structure of a (collapsed) nest."""

    def operand(o: Operand) -> OperandCode:
        last = len(o.strides) - 1
        marks = ["0" if s == 0 else "1" if i == last and s == 1 else "s" for i, s in enumerate(o.strides)]
        return OperandCode(o.dtype, "".join(marks))

    return NestCode(
        axis_kinds(nest),
        tuple(map(operand, nest.loads)),
        tuple(nest.instructions),
        tuple((operand(o), at) for o, at in nest.stores),
        len(nest.numbers),
        split,
    )


def axis_kinds(nest: Nest) -> str:
    """The structure of the axes. Single vectors of lanes are too little for a unit of work: pixels are taken along."""
    kinds = ["r" if a.reduced else "k" for a in nest.axes]
    if nest.axes[-1].lanes and kinds[-1] == "k":
        kinds[-1] = "v"
        if "r" not in kinds and len(kinds) > 1:
            kinds[-2] = "l"
    return "".join(kinds)
