"""Strategies that draw a node of every op: random shapes, broadcasting, axes, windows, indices, symbolic dims.

A `Recipe` takes the shape of its main input and draws the rest around it: other inputs, attributes. So the same
recipes serve for single nodes, whose main shape is drawn first, and for chains, where it is what came out before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any, TypeVar

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from netlang.ir.dims import Dim, Shape, evaluate, sym
from netlang.ir.types import DType, TensorType

Array = NDArray[Any]
Fill = Callable[[np.random.Generator, tuple[int, ...], "Made"], Array]
"""(generator, shape, what is there already) -> the numbers of an input."""
T = TypeVar("T")

N = sym("N")
SIZES = (3, 17, 1, 4, 2, 5, 8, 16, 33)
LIMIT = 3000
"""Elements of the main input at most: NumPy must be quick too."""


@dataclass(frozen=True)
class Made:
    """The size of `N`, and the other inputs of the node that come before."""

    batch: int
    arrays: Sequence[Array]


@dataclass(frozen=True)
class Operand:
    """An input of a node, or what one is made from."""

    type: TensorType
    fill: Fill


@dataclass(frozen=True)
class Case:
    """A node to build. `main` is the operand that takes what came before in a chain."""

    operands: tuple[Operand, ...]
    attrs: Mapping[str, Any] = field(default_factory=dict)
    main: int = 0


class Draw:
    """What recipes draw with. `batch` is the size that the symbolic dim `N` stands for; the main input of a node has
    `limit` elements at most."""

    def __init__(self, draw: Callable[[st.SearchStrategy[Any]], Any], limit: int = LIMIT) -> None:
        self._draw, self._limit = draw, limit
        self.batch = self.pick(3, 1, 2, 7, 17)

    def pick(self, *options: T) -> T:
        found: T = self._draw(st.sampled_from(options))
        return found

    def whole(self, low: int, high: int) -> int:
        found: int = self._draw(st.integers(low, high))
        return found

    def flag(self) -> bool:
        return self.pick(False, True)

    def size(self, most: int = SIZES[-1]) -> int:
        return self.pick(*(s for s in SIZES if s <= most))

    def actual(self, dim: Dim) -> int:
        return evaluate(dim, {"N": self.batch})

    def count(self, shape: Shape) -> int:
        """The number of elements."""
        return prod(map(self.actual, shape))

    def shape(self, low: int, high: int) -> Shape:
        """A shape of `low` to `high` dims of at most `limit` elements, often with `N` as its first dim or its last."""
        rank, room = self.whole(low, high), self._limit
        symbolic = self.pick(0, None, 0, None, rank - 1)
        dims: list[Dim] = []
        for axis in range(rank):
            dim: Dim = N if axis == symbolic and self.batch <= room else self.size(room)
            room //= self.actual(dim)
            dims.append(dim)
        return tuple(dims)

    def some(self, items: Sequence[T]) -> tuple[T, ...]:
        """A part of the items, in order."""
        return tuple(item for item in items if self.flag())

    def axis(self, shape: Shape) -> int:
        return self.whole(0, len(shape) - 1)

    def partner(self, shape: Shape) -> Shape:
        """A shape that broadcasts with `shape`, in either direction."""
        kind = self.pick("suffix", "same", "mixed", "channels", "scalar", "wider")
        if kind in ("same", "scalar"):
            return shape if kind == "same" else ()
        if kind == "channels" and len(shape) > 1 and isinstance(shape[1], int):
            return (shape[1], *(1 for _ in shape[2:]))
        if kind == "suffix":
            return shape[self.whole(min(1, len(shape)), len(shape)) :]
        stretched = (self.size(5) if d == 1 and self.flag() else 1 if self.flag() else d for d in shape)
        lead = (self.size(4),) if kind == "wider" and len(shape) < 5 else ()
        return (*lead, *stretched)


@dataclass(frozen=True)
class Recipe:
    """How to draw a node of one op around a main input whose rank is in `ranks` and which `accepts` approves."""

    make: Callable[[Draw, Shape], Case]
    ranks: tuple[int, int] = (0, 5)
    accepts: Callable[[Shape], bool] = lambda shape: True

    def suits(self, shape: Shape) -> bool:
        return self.ranks[0] <= len(shape) <= self.ranks[1] and self.accepts(shape)

    def case(self, d: Draw) -> Case:
        """A node alone."""
        shape = d.shape(*self.ranks)
        return self.make(d, shape if self.accepts(shape) else tuple(map(d.actual, shape)))


# ---- numbers


def mixed(rng: np.random.Generator, shape: tuple[int, ...], made: Made) -> Array:
    """Normal numbers, half of them whole: zeros and ties occur."""
    x = np.asarray(rng.normal(0, 1, shape))
    return np.where(rng.random(shape) < 0.5, np.round(x), x)


def normal(rng: np.random.Generator, shape: tuple[int, ...], made: Made) -> Array:
    return np.asarray(rng.normal(0, 1, shape))


def positive(rng: np.random.Generator, shape: tuple[int, ...], made: Made) -> Array:
    return np.asarray(rng.uniform(0.3, 2.3, shape))


def nonzero(rng: np.random.Generator, shape: tuple[int, ...], made: Made) -> Array:
    return rng.uniform(0.3, 2.3, shape) * np.where(rng.random(shape) < 0.5, -1, 1)


def inside(rng: np.random.Generator, shape: tuple[int, ...], made: Made) -> Array:
    """What has an angle of which it is the sine."""
    return np.asarray(rng.uniform(-0.9, 0.9, shape))


def above_one(rng: np.random.Generator, shape: tuple[int, ...], made: Made) -> Array:
    return np.asarray(rng.uniform(1.2, 4, shape))


def whole(rng: np.random.Generator, shape: tuple[int, ...], made: Made) -> Array:
    """Whole numbers of both signs; zeros occur."""
    return np.asarray(rng.integers(-40, 80, shape) * (rng.random(shape) < 0.9))


def truths(rng: np.random.Generator, shape: tuple[int, ...], made: Made) -> Array:
    return np.asarray(rng.random(shape) < 0.5)


def below(limit: Dim) -> Fill:
    """Indices below a limit."""
    return lambda rng, shape, made: np.asarray(rng.integers(0, evaluate(limit, {"N": made.batch}), shape))


def tensor(shape: Shape, fill: Fill = mixed, dtype: DType = DType.F32) -> Operand:
    return Operand(TensorType(dtype, tuple(shape)), fill)


def filled(operand: Operand, made: Made, seed: int) -> Array:
    """The numbers of an operand: the same for the same seed."""
    shape = operand.type.concrete({"N": made.batch})
    numbers = operand.fill(np.random.default_rng(seed), shape, made)
    return np.array(numbers.astype(operand.type.dtype.numpy), order="C")
