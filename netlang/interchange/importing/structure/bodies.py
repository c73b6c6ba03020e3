"""A sequence of items as statements: chains, nested expressions, names for the rest.

    t1 = x -> conv(8, 3)
    t2 = t1 -> relu                  h = x -> conv(8, 3) -> relu
    t3 = h -> conv(8, 1)      ->     return relu(h + (h -> conv(8, 1)))
    t4 = h + t3
    return t4 -> relu

What is read once is written where it is read, as long as that stays readable and parameters are created in the order of
the items: an expression that creates some is moved only past such as create none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from netlang.frontend import ast
from netlang.frontend.expression_text import flat
from netlang.interchange.importing import writing as w
from netlang.interchange.importing.structure.items import Body, Item, Value
from netlang.interchange.importing.structure.layers import is_operation
from netlang.interchange.importing.structure.sharing import SharedLayers
from netlang.interchange.importing.structure.templates import TENSOR, filled

_CHAIN = 400
"""Columns of a chain that still grows; what is said again does not count."""
_NESTED = {"tuple": 44, "infix": 44, "call": 30}
"""Columns of a chain inside of something else."""
_INSIDE = 60
"""Columns of a sum or a call inside of something else."""
_ACTIVATED = 80
"""Columns of a sum inside of an activation."""


@dataclass(frozen=True)
class _Pending:
    """An expression that is not written yet."""

    expression: ast.Expression
    weighted: bool
    length: int


class BodyWriter:
    """Writes a sequence.

    name       a name for a value
    arguments  the constants of an item, as they are written in this body
    called     the layer that an item of a block is: its name, with arguments
    outputs    of the net: which value is which output, in order
    """

    def __init__(
        self, body: Body, names: dict[Value, str], name: Callable[[Value], str],
        arguments: Callable[[Item], list[ast.Expression]], called: Callable[[Item], ast.Expression],
        layer_name: Callable[[Item], str], outputs: list[tuple[str, Value]] | None = None,
    ) -> None:  # fmt: skip
        self.body, self.names, self.name = body, names, name
        self.arguments, self.called, self.layer_name = arguments, called, layer_name
        self.outputs = outputs or []
        self.readers = body.readers()
        self.statements: list[ast.Statement] = []
        self.pending: dict[Value, _Pending] = {}
        self.layers = SharedLayers(body)
        self.followers: set[Item] = self.layers.followers

    def write(self) -> list[ast.Expression]:
        """Write all items. Returns the expressions of the results; of the net everything is in `statements` then."""
        for item in self.body.items:
            self._item(item)
        if self.outputs:
            for name, value in self.outputs[self._written_outputs() :]:
                self._output(name, value)
            return []
        last = [v for v in self.body.results if v in self.pending]
        self._flush_but(last)
        return [self.pending[v].expression if v in self.pending else w.name(self.names[v]) for v in self.body.results]

    # ---- items

    def _item(self, item: Item) -> None:
        if item.role:
            self._flush_weighted()
            assert isinstance(item.pattern, ast.Type)
            dims = tuple(self.arguments(item))
            word = w.word(self._bind(item.results[0]))
            type = ast.Type(w.SPAN, item.pattern.dtype, dims)
            self.statements.append(ast.Declaration(w.SPAN, w.word(item.role), word, type, w.call("zeros")))
            return
        inlined = self._absorbed(item)
        weighted = item.weighted or any(self.pending[v].weighted for v in inlined)
        lengths = [self.pending[v].length for v in inlined]
        operands = [self.pending[v].expression if v in inlined else w.name(self.names[v]) for v in item.operands]
        for value in inlined:
            del self.pending[value]
        expression = self._expression(item, operands)
        if len(item.results) == 1 and len(self.readers.get(item.results[0], ())) == 1:
            self.pending[item.results[0]] = _Pending(expression, weighted, _columns(expression, lengths))
            return
        if weighted:
            self._flush_weighted()
        names = [self._bind(v) for v in item.results]
        self.statements.append(w.binding(names, expression))

    def _absorbed(self, item: Item) -> list[Value]:
        """The operands of an item that are written inside of it; all others have names then."""
        places = list(operand_places(item))
        fitting = [
            v for v, p in zip(item.operands, places, strict=True) if v in self.pending and self._fits(item, v, p)
        ]
        apart = [v for v in item.operands if v in self.pending and v not in fitting]
        self._emit(apart)
        fitting = [v for v in fitting if v in self.pending]
        weighted = [v for v in fitting if self.pending[v].weighted]
        waiting = [v for v, p in self.pending.items() if p.weighted]
        if weighted and weighted != waiting[len(waiting) - len(weighted) :]:
            self._flush_weighted()
        fitting = [v for v in fitting if v in self.pending]
        if places and places[0] != "pipe" and sum(self.pending[v].length for v in fitting) > 2 * _INSIDE:
            self._emit(fitting)
            return []
        return fitting

    def _fits(self, item: Item, value: Value, place: str) -> bool:
        e = self.pending[value].expression
        length = self.pending[value].length
        if place == "pipe":
            if isinstance(e, ast.Pipe):
                return length <= _CHAIN
            if isinstance(e, ast.Call):
                return length <= 2 * _INSIDE
            return length <= _ACTIVATED and item.callee is None and is_operation(item.pattern)
        return length <= (_NESTED[place] if isinstance(e, ast.Pipe) else _INSIDE)

    def _expression(self, item: Item, operands: list[ast.Expression]) -> ast.Expression:
        if item.callee is not None:
            first = operands[0] if len(operands) == 1 else ast.Tuple(w.SPAN, tuple(operands))
            found: ast.Expression = ast.Pipe(w.SPAN, (first, self.called(item)))
        else:
            assert isinstance(item.pattern, ast.Expression)
            found = filled(item.pattern, operands, self.arguments(item))
        found = self._with_shared_layer(item, found)
        return joined(found)

    def _with_shared_layer(self, item: Item, e: ast.Expression) -> ast.Expression:
        """The layer of a chain of one is written once, where it is applied several times."""
        if item not in self.layers.members or not isinstance(e, ast.Pipe) or len(e.stages) != 2:
            return e
        first = self.layers.members[item]
        if first is item:
            name = self.layer_name(item)
            self.layers.names[item] = name
            layer = e.stages[1]
            self.statements.append(w.binding([name], w.call(layer) if isinstance(layer, ast.Name) else layer))
        return ast.Pipe(w.SPAN, (e.stages[0], w.name(self.layers.names[first])))

    # ---- names and statements

    def _bind(self, value: Value) -> str:
        self.names[value] = self.name(value)
        return self.names[value]

    def _emit(self, values: list[Value]) -> None:
        """Write pending expressions, after all that creates parameters before them."""
        last = max((i for i, v in enumerate(self.pending) if v in values and self.pending[v].weighted), default=-1)
        chosen = [v for i, v in enumerate(self.pending) if v in values or (i < last and self.pending[v].weighted)]
        for value in chosen:
            self._statement(value)

    def _flush_weighted(self) -> None:
        self._emit([v for v, p in self.pending.items() if p.weighted])

    def _flush_but(self, kept: list[Value]) -> None:
        self._emit([v for v in self.pending if v not in kept])
        weighted = [v for v in self.pending if self.pending[v].weighted]
        if weighted != [v for v in kept if v in weighted]:
            self._emit(kept)

    def _statement(self, value: Value) -> None:
        done = self._written_outputs()
        expression = self.pending.pop(value).expression
        if (
            done < len(self.outputs)
            and self.outputs[done][1] is value
            and self.readers[value] == [len(self.body.items)]
        ):
            self.names[value] = name = self.outputs[done][0]
            self.statements.append(ast.Output(w.SPAN, w.word(name), expression))
        else:
            self.statements.append(w.binding([self._bind(value)], expression))

    def _written_outputs(self) -> int:
        return sum(isinstance(s, ast.Output) for s in self.statements)

    def _output(self, name: str, value: Value) -> None:
        if value in self.pending:
            self._emit([value])
            if isinstance(self.statements[-1], ast.Output) and self.statements[-1].name.text == name:
                return
        known = self.names[value]
        self.statements.append(ast.Output(w.SPAN, w.word(name), None if known == name else w.name(known)))


def _columns(e: ast.Expression, inside: list[int]) -> int:
    """About how wide an expression is; `inside`: the widths of what it was made of. A chain grows by its last layer."""
    if not isinstance(e, ast.Pipe) or len(e.stages) < 3 or len(inside) != 1:
        return len(flat(e))
    last = flat(e.stages[-1])
    return inside[0] if flat(e.stages[-2]) == last else inside[0] + len(last) + len(" -> ")


def joined(e: ast.Expression) -> ast.Expression:
    """A chain that begins with a chain as one; an operation on a sum as a call."""
    if not isinstance(e, ast.Pipe):
        return e
    first, *stages = e.stages
    if isinstance(first, ast.Pipe):
        return ast.Pipe(w.SPAN, (*first.stages, *stages))
    if isinstance(first, ast.Binary | ast.Unary):
        layer = stages[0]
        rest = layer.arguments if isinstance(layer, ast.Call) else ()
        function = layer.function if isinstance(layer, ast.Call) else layer
        call = ast.Call(w.SPAN, function, (ast.Argument(w.SPAN, None, first), *rest))
        return ast.Pipe(w.SPAN, (call, *stages[1:])) if len(stages) > 1 else call
    return e


def operand_places(item: Item) -> Iterator[str]:
    """Where each operand of an item stands: at the start of a chain, in a tuple there, beside a sign, in a call."""
    if item.callee is not None or item.pattern is None:
        yield from ["pipe"] if len(item.operands) == 1 else ["tuple"] * len(item.operands)
    elif isinstance(item.pattern, ast.Expression):
        yield from _places(item.pattern, "infix")


def _places(e: ast.Expression, place: str) -> Iterator[str]:
    match e:
        case ast.Name():
            if e.id.text == TENSOR:
                yield place
        case ast.Pipe():
            yield from _places(e.stages[0], "pipe")
            for stage in e.stages[1:]:
                yield from _places(stage, "call")
        case ast.Call():
            for argument in e.arguments:
                yield from _places(argument.value, "call")
        case ast.Tuple() | ast.List():
            for part in e.items:
                yield from _places(part, "tuple")
        case ast.Binary():
            yield from _places(e.left, "infix")
            yield from _places(e.right, "infix")
        case ast.Unary():
            yield from _places(e.operand, "infix")
        case ast.Attribute() | ast.Index():
            yield from _places(e.of, "call")
