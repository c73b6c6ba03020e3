"""Layers of the standard library in lines: what their arguments are called, and which of them go without saying."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import fields
from functools import cache
from typing import Any

from netlang.frontend import ast
from netlang.frontend.builtins import library
from netlang.frontend.expression_text import flat
from netlang.frontend.values import BlockFunction, Primitive
from netlang.interchange.importing import writing as w
from netlang.interchange.importing.flat import read
from netlang.interchange.importing.structure.constants import constant


@cache
def function_of(name: str) -> BlockFunction | Primitive | None:
    entry = library().find(name)
    value = None if entry is None else entry.value
    return value if isinstance(value, BlockFunction | Primitive) else None


def roles(e: ast.Call, tensors: int) -> list[str]:
    """What each argument of a call is called, "" where that is not known. `tensors` parameters come by the arrow."""
    function = function_of(e.function.id.text) if isinstance(e.function, ast.Name) else None
    names = () if function is None else function.signature.names[tensors:]
    found = [a.name.text if a.name is not None else "" for a in e.arguments]
    return [name or (names[place] if place < len(names) else "") for place, name in enumerate(found)]


def piped(e: ast.Expression, tensors: Collection[str]) -> ast.Expression:
    """`mean(x, axis = 1)` as `x -> mean(axis = 1)`: operations on one tensor are written like layers."""
    if not isinstance(e, ast.Call) or not isinstance(e.function, ast.Name) or not e.arguments:
        return e
    function, first = function_of(e.function.id.text), e.arguments[0]
    one = isinstance(function, Primitive) and function.tensors == 1 and not function.at_once
    if not one or first.name is not None or not isinstance(first.value, ast.Name) or first.value.id.text not in tensors:
        return e
    rest = e.arguments[1:]
    if any(name in tensors for a in rest for name in read(a.value)):
        return e
    return ast.Pipe(w.SPAN, (first.value, ast.Call(w.SPAN, e.function, rest) if rest else e.function))


def completed(e: ast.Expression) -> ast.Expression:
    """A chain whose layers of the standard library have all arguments that are numbers or words."""
    if not isinstance(e, ast.Pipe):
        return e
    first, *stages = e.stages
    count = len(first.items) if isinstance(first, ast.Tuple) else 1
    return ast.Pipe(w.SPAN, (first, *(_completed(s, count if i == 0 else 1) for i, s in enumerate(stages))))


def _completed(stage: ast.Expression, tensors: int) -> ast.Expression:
    name = stage.function if isinstance(stage, ast.Call) else stage
    function = function_of(name.id.text) if isinstance(name, ast.Name) else None
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
    function = function_of(stage.function.id.text)
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
    function = function_of(name.id.text) if isinstance(name, ast.Name) else None
    return isinstance(function, Primitive) or (function is not None and isinstance(layer, ast.Name))


def makes_parameters(pattern: Any, cells: Collection[str]) -> bool:
    """Whether a pattern has a layer that may create parameters: one of the standard library, or a cell."""
    if isinstance(pattern, ast.Name):
        return pattern.id.text in cells or isinstance(function_of(pattern.id.text), BlockFunction)
    if isinstance(pattern, tuple):
        return any(makes_parameters(part, cells) for part in pattern)
    if not isinstance(pattern, ast.Node) or isinstance(pattern, ast.Word):
        return False
    return any(makes_parameters(getattr(pattern, f.name), cells) for f in fields(pattern) if f.name != "span")
