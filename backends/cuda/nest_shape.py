"""What the kernel of a nest is compiled for: its structure, and how threads share its work.

Without a reduced axis every thread makes one element, or four neighbours of the last axis (`lanes`). With reduced axes
a unit of work is what is kept: `reducers` threads of a block share a unit, each takes every `reducers`-th element of
it, and what they have found is combined in a fixed order. Where the last axis is reduced (walking) these threads are
neighbours; where it is kept (standing), neighbours have neighbouring units instead, and lanes are units too.

Positions are 32 bits wide: no operand may reach over 2**31 elements.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from netlang.backends.common.element import BYTES
from netlang.backends.common.nest import Nest, NestCode, Operand, code_of
from netlang.backends.common.steps import Arg, At, Number, Sizes, evaluated
from netlang.backends.cuda.division import divisor_arguments
from netlang.backends.cuda.kernel import MOST_THREADS, WARP
from netlang.diagnostics import error
from netlang.ir.dims import Dim, size

VECTORS = {"f32": "4_f32", "i32": "4_i32", "u32": "4_u32", "raw4": "_raw16"}
"""Element types of which four are accessed at once, and what that is called: `load4_f32`."""
MOST_ELEMENTS = (1 << 31) - (1 << 12)
"""Of a tensor: so that a loop that ends at 2**31 - 1 does not step beyond."""


@dataclass(frozen=True)
class Tiling:
    """How threads share a nest.

    lanes       neighbours along the last axis that one thread handles at a time: 4 or 1
    reducers    threads that reduce a unit together, a power of two; 1 where nothing is reduced
    threads     of a block, a power of two; `threads // reducers` is how many units it has
    """

    lanes: int = 1
    reducers: int = 1
    threads: int = 256

    def __post_init__(self) -> None:
        assert self.lanes in (1, 4) and 0 < self.reducers <= self.threads and WARP <= self.threads <= MOST_THREADS
        assert self.reducers.bit_count() == self.threads.bit_count() == 1

    @property
    def units(self) -> int:
        """Units that a block has, or elements where nothing is reduced."""
        return self.threads // self.reducers


@dataclass(frozen=True)
class NestShape:
    """The structure of a nest's kernel, which its key says all of.

    patterns    per operand, loads before stores: which of the different tuples of strides it has
    linear      patterns whose elements lie one after the other in the order of the kept axes
    vectors     operands of which all lanes are one access of 16 bytes
    """

    code: NestCode
    tiling: Tiling
    patterns: tuple[int, ...]
    linear: tuple[int, ...]
    vectors: tuple[int, ...]

    @property
    def kept(self) -> list[int]:
        return [i for i, kind in enumerate(self.code.axes) if kind == "k"]

    @property
    def reduced(self) -> list[int]:
        return [i for i, kind in enumerate(self.code.axes) if kind == "r"]

    @property
    def last(self) -> int:
        return len(self.code.axes) - 1

    @property
    def standing(self) -> bool:
        """Whether lanes and neighbouring threads are units, not parts of one."""
        return self.code.axes[-1] == "k"

    def marks(self, pattern: int) -> str:
        """Per axis `0`, `1` or `s`, as in `OperandCode`."""
        operands = [*self.code.loads, *(o for o, _ in self.code.stores)]
        return operands[self.patterns.index(pattern)].strides

    def divided(self) -> list[int]:
        """Axes by whose sizes the number of a unit or of an element of it is divided, in the order of the arguments."""
        return [*self.kept[1:], *self.reduced[1:]]

    def stepping(self, pattern: int) -> list[int]:
        """Axes along which a pattern has a stride that the kernel is told."""
        if pattern in self.linear:
            return []
        return [axis for axis, mark in enumerate(self.marks(pattern)) if mark == "s"]

    def parameters(self) -> list[tuple[str, str]]:
        """Name and kind of every argument, in the order of `arguments`."""
        found = [("units", "i")]
        if self.reduced:
            found += [("length", "i")]
        if self.code.split:
            found += [("chunk", "i")]
        for axis in self.divided():
            found += [(f"{part}{axis}", "i") for part in ("size", "factor", "shift")]
        found += [(f"n{i}", "l") for i in range(self.code.numbers)]
        for pattern in range(len(set(self.patterns))):
            found += [(f"s{pattern}_{axis}", "i") for axis in self.stepping(pattern)]
        return found + [(f"a{i}", "p") for i in range(len(self.patterns))]


def shape_of(nest: Nest, tiling: Tiling, vectors: Sequence[int], split: bool = False) -> NestShape:
    """The structure of a collapsed nest whose operands `vectors` can be accessed 16 bytes at a time."""
    different = list(dict.fromkeys(o.strides for o in nest.operands))
    plain = _kept_in_order(nest)
    return NestShape(
        code_of(nest, split),
        tiling,
        tuple(different.index(o.strides) for o in nest.operands),
        tuple(i for i, strides in enumerate(different) if strides == plain),
        tuple(vectors) if tiling.lanes > 1 else (),
    )


def _kept_in_order(nest: Nest) -> tuple[Dim, ...]:
    """The strides of a tensor that has nothing but the kept axes, in their order."""
    out: list[Dim] = []
    step: Dim = 1
    for axis in reversed(nest.axes):
        out.append(0 if axis.reduced else step)
        step = step if axis.reduced else step * axis.size
    return tuple(reversed(out))


def units_of(nest: Nest, tiling: Tiling) -> Dim:
    """How many units there are, or elements where nothing is reduced, in lanes if these are such."""
    sizes = _in_lanes(nest, tiling)
    return size(n for n, axis in zip(sizes, nest.axes, strict=True) if not axis.reduced)


def length_of(nest: Nest, tiling: Tiling) -> Dim:
    """How many elements a unit has, in lanes if these are such."""
    sizes = _in_lanes(nest, tiling)
    return size(n for n, axis in zip(sizes, nest.axes, strict=True) if axis.reduced)


def _in_lanes(nest: Nest, tiling: Tiling) -> list[Dim]:
    """The sizes of the axes, the last one in lanes."""
    *outer, last = (a.size for a in nest.axes)
    return [*outer, last // tiling.lanes]


def arguments(nest: Nest, shape: NestShape, chunks: int = 1) -> list[Arg]:
    """What the kernel is launched with: see `NestShape.parameters`. Strides are in elements, sizes along the last axis
    in lanes. `chunks`: into how many units are cut."""
    sizes = _in_lanes(nest, shape.tiling)
    args: list[Arg] = [_addressable(nest, units_of(nest, shape.tiling))]
    if shape.reduced:
        args.append(length_of(nest, shape.tiling))
    if shape.code.split:
        args.append((length_of(nest, shape.tiling) + (chunks - 1)) // chunks)
    for axis in shape.divided():
        args += divisor_arguments(sizes[axis])
    args += nest.numbers
    strides = list(dict.fromkeys(o.strides for o in nest.operands))
    for pattern, own in enumerate(strides):
        args += [own[axis] for axis in shape.stepping(pattern)]
    args += [_address(o) for o in nest.operands]
    assert len(args) == len(shape.parameters())
    return args


def _addressable(nest: Nest, units: Dim) -> Number:
    """`units`, where all positions have their place in 32 bits. Raises NetError otherwise."""
    different = list(dict.fromkeys(o.strides for o in nest.operands))
    sizes = [a.size for a in nest.axes]

    def checked(known: Sizes) -> int:
        counts = [evaluated(n, known) for n in sizes]
        steps = [[abs(evaluated(s, known)) for s in own] for own in different]
        reach = max(1 + sum(s * (n - 1) for s, n in zip(own, counts, strict=True)) for own in steps)
        if max(reach, prod(counts)) > MOST_ELEMENTS:
            raise error(
                f"a loop reaches over {max(reach, prod(counts)):,} elements of a tensor, and the cuda backend counts "
                f"{MOST_ELEMENTS:,} at most",
                hint="take a smaller batch",
            )
        return evaluated(units, known)

    return checked


def _address(operand: Operand) -> Arg:
    return operand.buffer if operand.offset == 0 else At(operand.buffer, operand.offset * BYTES[operand.dtype])
