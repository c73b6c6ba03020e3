"""Numbers, sizes and words that stand as arguments in a line: read from syntax trees, compared, written again."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from netlang.frontend import ast
from netlang.interchange.importing import writing as w
from netlang.ir.dims import Sym, sym


@dataclass(frozen=True)
class Constant:
    """An argument. `kind` keeps 1, 1.0 and true apart; words and texts are theirs as written."""

    kind: str
    value: Any

    @property
    def is_size(self) -> bool:
        """Whether one can calculate with it: a whole number or a size."""
        return self.kind == "size"

    @property
    def is_plain(self) -> bool:
        """Whether it means the same everywhere: the names of sizes are known only to the net."""
        return not isinstance(self.value, Sym)

    @property
    def expression(self) -> ast.Expression:
        if self.kind == "text":
            return ast.String(w.SPAN, w.word(self.value))
        return w.expression(self.value)


def constant(e: ast.Expression, sizes: Collection[str]) -> Constant | None:
    """What an expression is that holds no tensor and calls nothing; None for any other. `sizes` are names of sizes."""
    match e:
        case ast.Truth():
            return Constant("truth", e.literal.text == "true")
        case ast.String():
            return Constant("text", e.literal.text)
        case ast.Name():
            return Constant("size", sym(e.id.text)) if e.id.text in sizes else Constant("word", e.id.text)
        case ast.Number():
            return _number(e.literal.text)
        case ast.Unary() if e.operator.text == "-":
            inner = constant(e.operand, sizes)
            if inner is not None and inner.kind in ("size", "float"):
                return Constant(inner.kind, -inner.value)
        case ast.Binary() if e.operator.text in ("+", "-", "*", "//"):
            return _calculated(e, sizes)
    return None


def _number(text: str) -> Constant:
    return Constant("size", int(text)) if text.isdigit() else Constant("float", float(text))


def _calculated(e: ast.Binary, sizes: Collection[str]) -> Constant | None:
    left, right = constant(e.left, sizes), constant(e.right, sizes)
    if left is None or right is None or not left.is_size or not right.is_size:
        return None
    a, b = left.value, right.value
    match e.operator.text:
        case "+":
            return Constant("size", a + b)
        case "-":
            return Constant("size", a - b)
        case "*":
            return Constant("size", a * b)
    return Constant("size", a // b) if isinstance(b, int) and b > 0 else None
