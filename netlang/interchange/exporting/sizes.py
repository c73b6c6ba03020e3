"""Sizes that are known only when a net runs, as ONNX values: read from the shapes of the inputs, then arithmetic."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from netlang.interchange.exporting.sheet import Sheet
from netlang.ir.dims import Atom, Dim, Floor, Shape, evaluate, names, sym


class Sizes:
    """Sizes as values i64[1], on the outermost sheet. `inputs` are names and shapes of what their symbols come from."""

    def __init__(self, sheet: Sheet, inputs: Iterable[tuple[str, Shape]]) -> None:
        self.sheet = sheet
        self.inputs = tuple(inputs)
        self._known: dict[Dim, str] = {}

    def vector(self, shape: Sequence[Dim]) -> str:
        """Several sizes as i64[n]."""
        if all(isinstance(dim, int) for dim in shape):
            return self._numbers(shape)
        parts: list[list[Dim]] = []
        for dim in shape:
            if isinstance(dim, int) and parts and isinstance(parts[-1][0], int):
                parts[-1].append(dim)
            else:
                parts.append([dim])
        found = [self.one(part[0]) if len(part) == 1 else self._numbers(part) for part in parts]
        return found[0] if len(found) == 1 else self._op("Concat", *found, axis=0)

    def one(self, dim: Dim) -> str:
        """A size as i64[1]."""
        if isinstance(dim, int):
            return self._numbers([dim])
        if dim not in self._known:
            self._known[dim] = self._computed(dim)
        return self._known[dim]

    def scalar(self, dim: Dim) -> str:
        """A size as i64[]."""
        if isinstance(dim, int):
            return self.sheet.constant(np.array(dim, np.int64), "/size")
        return self._op("Squeeze", self.one(dim))

    def _computed(self, dim: Dim) -> str:
        assert not isinstance(dim, int)
        total = ""
        for monomial, coefficient in dim.terms:
            factors = [self._atom(atom) for atom in monomial]
            if coefficient != 1 or not factors:
                factors.append(self._numbers([coefficient]))
            term = self._all("Mul", factors)
            total = self._op("Add", total, term) if total else term
        return total

    def _atom(self, atom: Atom) -> str:
        if isinstance(atom, Floor):
            return self._quotient(atom)
        known = sym(atom)
        if known not in self._known:
            self._known[known] = self._read(atom)
        return self._known[known]

    def _quotient(self, atom: Floor) -> str:
        """ONNX divides whole numbers towards zero and not downwards: what is over is taken off before."""
        numerator, divisor = self.one(atom.numerator), self._numbers([atom.denominator])
        if any(c < 0 for _, c in atom.numerator.terms):
            numerator = self._op("Sub", numerator, self._op("Mod", numerator, divisor))
        return self._op("Div", numerator, divisor)

    def _read(self, symbol: str) -> str:
        """A symbol from the first input that has it: as a dimension, or as the only unknown of a linear one."""
        wanted = sym(symbol)
        for exact in (True, False):
            for name, shape in self.inputs:
                for axis, dim in enumerate(shape):
                    if dim == wanted if exact else _is_linear(dim, symbol):
                        return self._solved(self._op("Shape", name, start=axis, end=axis + 1), dim, symbol)
        raise KeyError(symbol)

    def _solved(self, size: str, dim: Dim, symbol: str) -> str:
        offset = evaluate(dim, {symbol: 0})
        slope = evaluate(dim, {symbol: 1}) - offset
        if offset:
            size = self._op("Sub", size, self._numbers([offset]))
        return self._op("Div", size, self._numbers([slope])) if slope != 1 else size

    def _all(self, kind: str, values: Sequence[str]) -> str:
        total = values[0]
        for value in values[1:]:
            total = self._op(kind, total, value)
        return total

    def _numbers(self, values: Sequence[Dim]) -> str:
        return self.sheet.constant(np.array(values, np.int64), "/sizes")

    def _op(self, kind: str, *inputs: str, **attrs: Any) -> str:
        return self.sheet.op(kind, *inputs, path="/sizes", **attrs)[0]


def _is_linear(dim: Dim, symbol: str) -> bool:
    """Whether a dim is `a * symbol + b`."""
    if isinstance(dim, int) or names(dim) != {symbol}:
        return False
    offset = evaluate(dim, {symbol: 0})
    return dim == sym(symbol) * (evaluate(dim, {symbol: 1}) - offset) + offset
