"""A line of a net as a pattern: what it does, with places for its tensors and for its arguments.

    h = x -> conv(64, 3, pad = 1, bias = false)

is the pattern `$ -> conv(_, _, stride = _, pad = _, ...)` on the tensor `x` with the constants 64, 3, 1, 1, ... Two
lines of one pattern differ in tensors and constants alone. Layers of the standard library are given all their
arguments, also those that have their default value, so that a stride of 1 and one of 2 are one pattern.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Any

from netlang.frontend import ast
from netlang.frontend.builtins import library
from netlang.frontend.expression_text import flat
from netlang.frontend.values import BlockFunction, Primitive
from netlang.interchange.importing import writing as w
from netlang.interchange.importing.structure.constants import Constant, constant

TENSOR, _CONSTANT = "$", "_"


@dataclass(frozen=True)
class Hole:
    """A constant of a pattern, and what it is called where it stands: the name of a parameter, or ""."""

    role: str
    value: Constant


@dataclass(frozen=True)
class Template:
    """A pattern. `key` is its text, `expression` has names `$` and `_` at its places. `words`: constants as written."""

    key: str
    expression: ast.Expression | ast.Type
    operands: tuple[str, ...]
    holes: tuple[Hole, ...]
    words: int


class _Reader:
    """Takes tensors and constants out of an expression, or puts others in."""

    def __init__(
        self,
        tensors: Collection[str],
        sizes: Collection[str],
        on_tensor: Callable[[str], ast.Expression],
        on_hole: Callable[[str, Constant], ast.Expression],
    ) -> None:
        self.tensors, self.sizes, self.on_tensor, self.on_hole = tensors, sizes, on_tensor, on_hole

    def read(self, e: ast.Expression, role: str = "") -> ast.Expression:
        if isinstance(e, ast.Name) and e.id.text in self.tensors:
            return self.on_tensor(e.id.text)
        found = None if _has_tensor(e, self.tensors) else constant(e, self.sizes)
        if found is not None:
            return self.on_hole(role, found)
        return self._inside(e, role)

    def _inside(self, e: ast.Expression, role: str) -> ast.Expression:
        match e:
            case ast.Pipe():
                first, *stages = e.stages
                count = len(first.items) if isinstance(first, ast.Tuple) else 1
                later = (self._stage(s, 1 if i else count) for i, s in enumerate(stages))
                return ast.Pipe(w.SPAN, (self.read(first), *later))
            case ast.Call():
                applied = bool(e.arguments) and _has_tensor(e.arguments[0].value, self.tensors)
                return self._stage(e, 0 if applied else 1)
            case ast.List() | ast.Tuple():
                return type(e)(w.SPAN, tuple(self.read(item, role) for item in e.items))
        parts: dict[str, Any] = {f.name: getattr(e, f.name) for f in fields(e)}
        changed: dict[str, Any] = {n: self.read(p) for n, p in parts.items() if isinstance(p, ast.Expression)}
        return replace(e, **changed)

    def _stage(self, e: ast.Expression, tensors: int) -> ast.Expression:
        """A layer to which so many tensors come by the arrow: its name stays what it is."""
        if not isinstance(e, ast.Call):
            return e if isinstance(e, ast.Name) else self.read(e)
        function = e.function if isinstance(e.function, ast.Name) else self.read(e.function)
        given = zip(e.arguments, _roles(e, tensors), strict=True)
        return ast.Call(w.SPAN, function, tuple(ast.Argument(w.SPAN, a.name, self.read(a.value, r)) for a, r in given))


def template(e: ast.Expression, tensors: Collection[str], sizes: Collection[str]) -> Template:
    """The pattern of an expression in which `tensors` are names of tensors and `sizes` of sizes."""
    operands: list[str] = []
    holes: list[Hole] = []

    def on_tensor(name: str) -> ast.Expression:
        operands.append(name)
        return w.name(TENSOR)

    def on_hole(role: str, value: Constant) -> ast.Expression:
        holes.append(Hole(role, value))
        return w.name(_CONSTANT)

    reader = _Reader(tensors, sizes, on_tensor, on_hole)
    written = piped(e, tensors)
    reader.read(written)
    words = len(holes)
    operands.clear()
    holes.clear()
    pattern = reader.read(completed(written))
    return Template(flat(pattern), pattern, tuple(operands), tuple(holes), words)


def type_template(type: ast.Type, sizes: Collection[str]) -> Template:
    """The pattern of a type: its sizes are constants."""
    found = [constant(d, sizes) for d in type.dims]
    assert None not in found
    dims = tuple(w.name(_CONSTANT) for _ in type.dims)
    pattern = ast.Type(w.SPAN, type.dtype, dims)
    return Template(flat(pattern), pattern, (), tuple(Hole("size", c) for c in found if c is not None), len(dims))


def filled(pattern: ast.Expression, operands: list[ast.Expression], holes: list[ast.Expression]) -> ast.Expression:
    """The expression with these tensors and constants at its places; arguments that are their defaults are left out."""
    tensors, constants = iter(operands), iter(holes)
    marks = _Reader(
        (TENSOR,),
        (),
        lambda _: next(tensors),
        lambda _, mark: next(constants) if mark.value == _CONSTANT else mark.expression,
    )
    return shortened(marks.read(pattern))


def _has_tensor(e: ast.Expression, tensors: Collection[str]) -> bool:
    match e:
        case ast.Name():
            return e.id.text in tensors
        case ast.Binary():
            return _has_tensor(e.left, tensors) or _has_tensor(e.right, tensors)
        case ast.Unary():
            return _has_tensor(e.operand, tensors)
    return False


# ---- layers of the standard library


@cache
def _function(name: str) -> BlockFunction | Primitive | None:
    entry = library().find(name)
    value = None if entry is None else entry.value
    return value if isinstance(value, BlockFunction | Primitive) else None


def _roles(e: ast.Call, tensors: int) -> list[str]:
    """What each argument of a call is called, "" where that is not known. `tensors` parameters come by the arrow."""
    function = _function(e.function.id.text) if isinstance(e.function, ast.Name) else None
    names = () if function is None else function.signature.names[tensors:]
    found = [a.name.text if a.name is not None else "" for a in e.arguments]
    return [name or (names[place] if place < len(names) else "") for place, name in enumerate(found)]


def piped(e: ast.Expression, tensors: Collection[str]) -> ast.Expression:
    """`mean(x, axis = 1)` as `x -> mean(axis = 1)`: operations on one tensor are written like layers."""
    if not isinstance(e, ast.Call) or not isinstance(e.function, ast.Name) or not e.arguments:
        return e
    function, first = _function(e.function.id.text), e.arguments[0]
    one = isinstance(function, Primitive) and function.tensors == 1 and not function.at_once
    if not one or first.name is not None or not isinstance(first.value, ast.Name) or first.value.id.text not in tensors:
        return e
    rest = e.arguments[1:]
    if any(_mentions(a.value, tensors) for a in rest):
        return e
    return ast.Pipe(w.SPAN, (first.value, ast.Call(w.SPAN, e.function, rest) if rest else e.function))


def _mentions(e: Any, tensors: Collection[str]) -> bool:
    found = False

    def on_tensor(name: str) -> ast.Expression:
        nonlocal found
        found = True
        return w.name(name)

    _Reader(tensors, (), on_tensor, lambda _, value: value.expression).read(e)
    return found


def completed(e: ast.Expression) -> ast.Expression:
    """A chain whose layers of the standard library have all arguments that are numbers or words."""
    if not isinstance(e, ast.Pipe):
        return e
    first, *stages = e.stages
    count = len(first.items) if isinstance(first, ast.Tuple) else 1
    return ast.Pipe(w.SPAN, (first, *(_completed(s, count if i == 0 else 1) for i, s in enumerate(stages))))


def _completed(stage: ast.Expression, tensors: int) -> ast.Expression:
    name = stage.function if isinstance(stage, ast.Call) else stage
    function = _function(name.id.text) if isinstance(name, ast.Name) else None
    if not isinstance(function, BlockFunction):
        return stage
    given: dict[str, ast.Expression] = {}
    parameters = function.parameters[tensors:]
    for place, argument in enumerate(stage.arguments if isinstance(stage, ast.Call) else ()):
        if argument.name is None and place >= len(parameters):
            return stage
        given[parameters[place].name.text if argument.name is None else argument.name.text] = argument.value
    positional, keyword = [], []
    for parameter in parameters:
        value = given.pop(parameter.name.text, None)
        if parameter.default is None:
            if value is None:
                return stage
            positional.append(ast.Argument(w.SPAN, None, value))
        elif value is not None or constant(parameter.default, ()) is not None:
            keyword.append(ast.Argument(w.SPAN, parameter.name, value or _plain_default(parameter)))
    if given or not (positional or keyword):
        return stage
    return ast.Call(w.SPAN, name, (*positional, *keyword))


def _plain_default(parameter: ast.Parameter) -> ast.Expression:
    """The default of a parameter; `pad = valid` is a padding of 0."""
    assert parameter.default is not None
    no_pad = parameter.name.text == "pad" and flat(parameter.default) == "valid"
    return w.number(0) if no_pad else parameter.default


def shortened(e: ast.Expression) -> ast.Expression:
    """A chain whose layers have only the arguments that are not their defaults."""
    if not isinstance(e, ast.Pipe):
        return e
    return ast.Pipe(w.SPAN, (e.stages[0], *map(_shortened, e.stages[1:])))


def _shortened(stage: ast.Expression) -> ast.Expression:
    if not isinstance(stage, ast.Call) or not isinstance(stage.function, ast.Name):
        return stage
    function = _function(stage.function.id.text)
    if not isinstance(function, BlockFunction):
        return stage
    defaults = {p.name.text: p for p in function.parameters if p.default is not None}
    kept = []
    for argument in stage.arguments:
        default = None if argument.name is None else defaults.get(argument.name.text)
        if default is None or not _same(argument.value, default):
            kept.append(argument)
    return ast.Call(w.SPAN, stage.function, tuple(kept)) if kept else stage.function


def _same(value: ast.Expression, parameter: ast.Parameter) -> bool:
    """Whether an argument is the parameter's default."""
    found = constant(value, ())
    return found is not None and found == constant(_plain_default(parameter), ())


def is_operation(pattern: ast.Expression | ast.Type | None) -> bool:
    """Whether a pattern is an operation on one tensor, which may as well be written as a call: `relu(a + b)`."""
    if not isinstance(pattern, ast.Pipe) or len(pattern.stages) != 2 or not isinstance(pattern.stages[0], ast.Name):
        return False
    layer = pattern.stages[1]
    name = layer.function if isinstance(layer, ast.Call) else layer
    function = _function(name.id.text) if isinstance(name, ast.Name) else None
    return isinstance(function, Primitive) or (function is not None and isinstance(layer, ast.Name))


def makes_parameters(pattern: Any, cells: Collection[str]) -> bool:
    """Whether a pattern has a layer that may create parameters: one of the standard library, or a cell."""
    if isinstance(pattern, ast.Name):
        return pattern.id.text in cells or isinstance(_function(pattern.id.text), BlockFunction)
    if isinstance(pattern, tuple):
        return any(makes_parameters(part, cells) for part in pattern)
    if not isinstance(pattern, ast.Node) or isinstance(pattern, ast.Word):
        return False
    return any(makes_parameters(getattr(pattern, f.name), cells) for f in fields(pattern) if f.name != "span")
