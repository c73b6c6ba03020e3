"""Graphs inside a graph, such as the body of a Scan, as blocks of the file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from netlang.frontend import ast
from netlang.interchange.importing import writing as w
from netlang.interchange.importing.flat import living, read
from netlang.interchange.importing.items import Anything, Items
from netlang.interchange.importing.known import Known
from netlang.interchange.importing.sheet import Line, Refused, Sheet, Tensor, Weight
from netlang.ir import dims
from netlang.ir.types import TensorType


@dataclass(frozen=True)
class Cell:
    """A block of the file. `layer` is the block with what it reads from outside, `weights` are those of its parameters,
    by their names in it."""

    layer: ast.Expression
    weights: Mapping[str, Weight]


class Draft:
    """A block as it is written. `sheet` holds its statements, `results` are those of the graph, as tensors there."""

    def __init__(self, outer: Sheet, hint: str) -> None:
        self.outer, self.hint = outer, hint
        self.sheet = outer.inner(hint)
        self.results: Sequence[Anything] = ()
        self._parameters: list[str] = []
        self._outside: dict[str, Any] = {}

    def argument(self, hint: str, type: TensorType) -> Tensor:
        """A tensor that the block is applied to."""
        tensor = self._stand_in(hint, type)
        self._parameters.append(tensor.name)
        return tensor

    def outside(self, value: Anything, hint: str) -> Anything:
        """Something around the graph, as it is seen inside."""
        if isinstance(value, Items):
            return Items(tuple(self.outside(item, hint) for item in value.items))
        if not isinstance(value, Tensor):
            return value
        tensor = self._stand_in(hint, value.value.type)
        self._outside[tensor.name] = value
        return tensor

    def _stand_in(self, hint: str, type: TensorType) -> Tensor:
        for name in sorted({name for dim in type.shape for name in dims.names(dim)}):
            if name not in self._outside:
                self.sheet.bind_size(name)
                self._outside[name] = dims.sym(name)
        return self.sheet.stand_in(hint, type)

    def finish(self, results: Sequence[Anything], last: int = 0) -> Cell:
        """The block that returns these, declared in the file; the first `last` arguments come after the others. Raises
        Refused where a result is no tensor."""
        tensors = []
        for result in results:
            if not isinstance(result, Tensor | Known):
                raise Refused("what a graph inside makes must be tensors here")
            tensors.append(self.sheet.tensor(result))
        value = w.expression(tuple(tensors) if len(tensors) > 1 else tensors[0])
        lines = living([*self.sheet.lines, Line(ast.Return(w.SPAN, value))])
        names = {name for line in lines for name in read(line.statement)}
        outside = {name: found for name, found in self._outside.items() if name in names}
        given = self._parameters[last:] + self._parameters[:last]
        parameters = tuple(ast.Parameter(w.SPAN, w.word(name), None) for name in (*given, *outside))
        name = self.outer.block_name(self.hint)
        body = tuple(line.statement for line in lines)
        self.outer.declare(ast.Block(w.SPAN, w.word(name), parameters, body))
        params, kept = iter(self.sheet.parameter_names()), {id(line) for line in lines}
        weights = {}
        for line in self.sheet.lines:
            for weight in line.weights:
                key = next(params)
                if id(line) in kept:
                    weights[key] = weight
        return Cell(w.call(name, **outside) if outside else w.name(name), weights)
