"""Expressions of a kernel's text as LLVM values."""

from __future__ import annotations

import ast
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Any

from netlang.backends.cuda.intrinsics import CONSTANTS, WORDS
from netlang.backends.cuda.intrinsics.emission import Emission
from netlang.backends.cuda.language.arithmetic import binary, compared, negated
from netlang.backends.cuda.language.values import KINDS, Typed, converted, item, literal, tupled

_PURE = (
    *(ast.Name, ast.Constant, ast.Compare, ast.BinOp, ast.UnaryOp, ast.BoolOp),
    *(ast.operator, ast.unaryop, ast.cmpop, ast.boolop, ast.expr_context),
)


class Expressions(ABC):
    """Writes the code of expressions where `builder` is. What a name stands for says a subclass."""

    def __init__(self, builder: Any, architecture: str) -> None:
        self.builder, self.architecture = builder, architecture

    @abstractmethod
    def read(self, name: str) -> Typed | None:
        """The value of a variable; None where there is none of that name."""

    def expression(self, node: ast.expr) -> Typed:
        """The value of an expression. Raises TypeError or NameError for what has no meaning."""
        found: Callable[[Any], Typed] | None = getattr(self, f"_{type(node).__name__.lower()}", None)
        if found is None:
            raise TypeError(f"{type(node).__name__} is not in the language of kernels")
        return found(node)

    def truth(self, node: ast.expr) -> Any:
        """An expression as LLVM's i1."""
        return converted(self.builder, self.expression(node), "bool").value

    def call(self, node: ast.Call) -> Typed | None:
        """A conversion or a word; None for a word without a result."""
        if not isinstance(node.func, ast.Name) or node.keywords:
            raise TypeError("only names are called, without keywords")
        name, given = node.func.id, [self.expression(argument) for argument in node.args]
        if name in KINDS:
            (value,) = given
            return converted(self.builder, value, name)
        word = WORDS.get(name)
        if word is None or not word.runs_on(self.architecture):
            raise NameError(f"sm_{self.architecture} has no word {name}")
        if len(given) != len(word.parameters):
            raise TypeError(f"{name} takes {len(word.parameters)} arguments, not {len(given)}")
        pairs = zip(given, word.parameters, strict=True)
        values = [converted(self.builder, value, kind).value for value, kind in pairs]
        made = word.emit(Emission(self.builder, self.architecture), *values)
        return None if word.result == "none" else Typed(word.result, made)

    def _call(self, node: ast.Call) -> Typed:
        found = self.call(node)
        if found is None:
            raise TypeError(f"{ast.unparse(node.func)} has no result")
        return found

    def _name(self, node: ast.Name) -> Typed:
        found = self.read(node.id)
        if found is None and node.id in CONSTANTS:
            return literal(CONSTANTS[node.id])
        if found is None:
            raise NameError(f"{node.id} is not set, or is of several types, on some way here")
        return found

    def _constant(self, node: ast.Constant) -> Typed:
        return literal(node.value)

    def _binop(self, node: ast.BinOp) -> Typed:
        return binary(self.builder, node.op, self.expression(node.left), self.expression(node.right))

    def _unaryop(self, node: ast.UnaryOp) -> Typed:
        if isinstance(node.op, ast.Not):
            return Typed("bool", self.builder.not_(self.truth(node.operand)))
        if isinstance(node.op, ast.USub):
            return negated(self.builder, self.expression(node.operand))
        raise TypeError(f"{type(node.op).__name__} is not in the language of kernels")

    def _compare(self, node: ast.Compare) -> Typed:
        if len(node.ops) != 1:
            raise TypeError("a comparison has two sides")
        return compared(self.builder, node.ops[0], self.expression(node.left), self.expression(node.comparators[0]))

    def _subscript(self, node: ast.Subscript) -> Typed:
        if not isinstance(node.slice, ast.Constant) or not isinstance(node.slice.value, int):
            raise TypeError("an index is a constant")
        return item(self.builder, self.expression(node.value), node.slice.value)

    def _tuple(self, node: ast.Tuple) -> Typed:
        return tupled(self.builder, [self.expression(element) for element in node.elts])

    # ---- what is not computed unless it is needed

    def _boolop(self, node: ast.BoolOp) -> Typed:
        """Short-circuit, by branches where a part does more than to compute."""
        both, b = isinstance(node.op, ast.And), self.builder
        value = self.truth(node.values[0])
        for part in node.values[1:]:
            if _is_pure(part):
                value = (b.and_ if both else b.or_)(value, self.truth(part))
                continue
            known, rest = partial(Typed, "bool", value), partial(self._truth, part)
            value = self._chosen(value, *((rest, known) if both else (known, rest))).value
        return Typed("bool", value)

    def _truth(self, node: ast.expr) -> Typed:
        return Typed("bool", self.truth(node))

    def _ifexp(self, node: ast.IfExp) -> Typed:
        condition = self.truth(node.test)
        if _is_pure(node.body) and _is_pure(node.orelse):
            one, other = self._alike(self.expression(node.body), self.expression(node.orelse))
            return Typed(one.kind, self.builder.select(condition, one.value, other.value))
        return self._chosen(condition, lambda: self.expression(node.body), lambda: self.expression(node.orelse))

    def _alike(self, one: Typed, other: Typed) -> tuple[Typed, Typed]:
        if one.kind == other.kind:
            return one, other
        if {one.kind, other.kind} <= {"i32", "i64"}:
            return converted(self.builder, one, "i64"), converted(self.builder, other, "i64")
        raise TypeError(f"either {one.kind} or {other.kind}")

    def _chosen(self, condition: Any, then: Callable[[], Typed], otherwise: Callable[[], Typed]) -> Typed:
        b = self.builder
        blocks = [b.append_basic_block() for _ in range(3)]
        b.cbranch(condition, *blocks[:2])
        arms = []
        for make, block in zip((then, otherwise), blocks, strict=False):
            b.position_at_end(block)
            arms.append((make(), b.block))
            b.branch(blocks[2])
        (one, _), (other, _) = arms
        if one.kind != other.kind:
            raise TypeError(f"either {one.kind} or {other.kind}")
        b.position_at_end(blocks[2])
        phi = b.phi(one.value.type)
        for value, block in arms:
            phi.add_incoming(value.value, block)
        return Typed(one.kind, phi)


def _is_pure(node: ast.expr) -> bool:
    """Whether computing it in vain costs and does next to nothing: no words, no division."""
    return all(_is_harmless(part) for part in ast.walk(node))


def _is_harmless(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id in KINDS
    return isinstance(node, _PURE) and not isinstance(node, ast.Div | ast.FloorDiv | ast.Mod)
