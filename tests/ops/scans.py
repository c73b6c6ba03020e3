"""Scans to test with: functions that build one in float64, and the arrays that go with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import netlang.ops  # noqa: F401
from netlang.ir.build import Builder
from netlang.ir.graph import Node, Value
from netlang.ir.scan import Loop
from netlang.ir.types import DType, TensorType

Array = NDArray[Any]
B = Builder()
Step = Callable[[Sequence[Value], Sequence[Value], Sequence[Value]], tuple[Sequence[Value], Sequence[Value]]]
"""(states, slices, constants) -> (next states, emitted)."""


def f64(*shape: int) -> TensorType:
    return TensorType(DType.F64, shape)


@dataclass(frozen=True)
class Example:
    """A scan: the shapes of its initial states, slices and constants, and what a step does."""

    states: tuple[tuple[int, ...], ...]
    slices: tuple[tuple[int, ...], ...]
    constants: tuple[tuple[int, ...], ...]
    step: Step

    def build(self, length: int, **options: Any) -> Node:
        """The node; its inputs are graph inputs."""
        shapes = (*self.states, *((length, *s) for s in self.slices), *self.constants)
        given = [B.input(f"i{i}", f64(*s)) for i, s in enumerate(shapes)]
        first, second = len(self.states), len(self.states) + len(self.slices)
        return self.over(given[:first], given[first:second], given[second:], length, **options)

    def over(
        self,
        initial: Sequence[Value],
        sequences: Sequence[Value],
        constants: Sequence[Value],
        length: Any,
        **options: Any,
    ) -> Node:
        """The node over given values."""
        inside = [
            [B.input(f"{kind}{i}", f64(*s)) for i, s in enumerate(shapes)]
            for kind, shapes in (("s", self.states), ("x", self.slices), ("c", self.constants))
        ]
        following, emitted = self.step(*inside)
        return Loop(
            tuple(initial),
            tuple(sequences),
            tuple(constants),
            *map(tuple, inside),
            tuple(following),
            tuple(emitted),
            length,
            **options,
        ).build(B)

    def arrays(self, length: int, seed: int = 0) -> list[Array]:
        rng = np.random.default_rng(seed)
        shapes = (*self.states, *((length, *s) for s in self.slices), *self.constants)
        return [np.asarray(0.7 * rng.standard_normal(s)) for s in shapes]


def _rnn(states: Sequence[Value], slices: Sequence[Value], constants: Sequence[Value]) -> Any:
    (h,), (x,), (w, u, b) = states, slices, constants
    z = B.add(B.add(B.op("matmul", x, w, transpose_b=True), B.op("matmul", h, u, transpose_b=True)), b)
    after = B.op("tanh", z)
    return [after], [after]


def _lstm(states: Sequence[Value], slices: Sequence[Value], constants: Sequence[Value]) -> Any:
    (h, c), (x,), (w, u, b) = states, slices, constants
    z = B.add(B.add(B.op("matmul", x, w, transpose_b=True), B.op("matmul", h, u, transpose_b=True)), b)
    i, f, g, o = (B.op("slice", z, axis=1, start=3 * k, stop=3 * k + 3) for k in range(4))
    memory = B.add(B.mul(B.op("sigmoid", f), c), B.mul(B.op("sigmoid", i), B.op("tanh", g)))
    out = B.mul(B.op("sigmoid", o), B.op("tanh", memory))
    return [out, memory], [out]


def _odd(states: Sequence[Value], slices: Sequence[Value], constants: Sequence[Value]) -> Any:
    """A state that changes nothing else, one that stays as it is, a product of slices, powers of constants."""
    (a, b, still), (x, y), (k, m) = states, slices, constants
    after = B.add(B.mul(a, B.op("sigmoid", k)), B.op("tanh", B.mul(x, still)))
    total = B.add(b, B.sum(B.mul(after, y), (0, 1)))
    return [after, total, still], [B.op("matmul", y, m), B.mul(k, x), x, B.op("exp", m)]


RNN = Example(((2, 3),), ((2, 4),), ((3, 4), (3, 3), (3,)), _rnn)
LSTM = Example(((2, 3), (2, 3)), ((2, 4),), ((12, 4), (12, 3), (12,)), _lstm)
ODD = Example(((2, 3), (), (2, 3)), ((2, 3), (2, 3)), ((2, 1), (3, 2)), _odd)


def _nested(states: Sequence[Value], slices: Sequence[Value], constants: Sequence[Value]) -> Any:
    """A scan over the rows of a slice, whose last state goes on to the next one."""
    (h,), (rows,), (w, u, b) = states, slices, constants
    inner = RNN.over([h], [rows], [w, u, b], rows.shape[0])
    return [inner.results[0]], [inner.results[1], B.mul(h, inner.results[0])]


NESTED = Example(((2, 3),), ((3, 2, 4),), ((3, 4), (3, 3), (3,)), _nested)
ALL = {"rnn": RNN, "lstm": LSTM, "odd": ODD, "nested": NESTED}
