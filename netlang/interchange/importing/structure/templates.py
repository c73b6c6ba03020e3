"""A line of a net as a pattern: what it does, with places for its tensors and for its arguments.

    h = x -> conv(64, 3, pad = 1, bias = false)

is the pattern `$ -> conv(_, _, stride = _, pad = _, ...)` on the tensor `x` with the constants 64, 3, 1, 1, ... Two
lines of one pattern differ in tensors and constants alone. Layers of the standard library are given all their
arguments, also those that have their default value, so that a stride of 1 and one of 2 are one pattern.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, fields, replace
from typing import Any

from netlang.frontend import ast
from netlang.frontend.expression_text import flat
from netlang.interchange.importing import writing as w
from netlang.interchange.importing.structure.constants import Constant, constant
from netlang.interchange.importing.structure.layers import completed, piped, roles, shortened

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
        given = zip(e.arguments, roles(e, tensors), strict=True)
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
