"""Text to syntax tree."""

from __future__ import annotations

import re
from functools import cache
from threading import Lock
from typing import Any

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedToken

from netlang.diagnostics import Diagnostic, Source, Span
from netlang.frontend import ast
from netlang.frontend.faults import Reporter, SyntaxFault
from netlang.frontend.layout import Layout
from netlang.frontend.tables import make_parser
from netlang.frontend.wording import character_fault, token_fault

DEEPEST = 200
"""How deep expressions and statements may nest. Chains such as `a + b + c` and `a -> b -> c` do not nest."""

_ITEM = re.compile(r"(net|block|train|import)\b(?!\s*[=:,])")
_MOST_FAULTS = 20
_MOST_READ = 200_000  # characters parsed again to find further faults
_LOCK = Lock()  # the parser's layout stage keeps state while it runs


def parse(source: Source, reporter: Reporter) -> ast.File | None:
    """The tree of a file; None where it has faults, which are then in `reporter`: the first of each top-level item."""
    text, clean, read = source.text, True, 0
    for _ in range(_MOST_FAULTS):
        read += len(text)
        if not clean and read > _MOST_READ:
            return None
        try:
            tree = _parse(text, source)
            return tree if clean else None
        except SyntaxFault as fault:
            span = _place(source, fault)
            reporter.add(Diagnostic(str(fault), (span,), hint=fault.hint))
            clean = False
            rest = _after(source, span.line)
            if rest is None:
                return None
            text = rest
    return None


def _parse(text: str, source: Source) -> ast.File:
    lark, layout = _parser()
    with _LOCK:
        try:
            tree = lark.parse(text)
        except UnexpectedToken as error:
            raise token_fault(error, layout) from None
        except UnexpectedCharacters as error:
            raise character_fault(error) from None
    return _Builder(source).build(tree)


@cache
def _parser() -> tuple[Lark, Layout]:
    """The parser, made when the first file is read and kept."""
    layout = Layout()
    return make_parser(layout), layout


def _place(source: Source, fault: SyntaxFault) -> Span:
    """Where a syntax fault is; the end of the file is the end of its last line that says something."""
    token = fault.token
    if token.type == "$END":
        last = max((n for n, line in enumerate(source.lines, 1) if line.strip()), default=1)
        column = len(source.line(last)) + 1
        return Span(source, last, column, last, column + 1)
    line, column = token.line or 1, token.column or 1
    return Span(source, line, column, line, column + max(1, fault.length))


def _after(source: Source, line: int) -> str | None:
    """The text from the first top-level item after `line` on, its line numbers kept; None where there is none."""
    for number in range(line, len(source.lines)):
        if _ITEM.match(source.lines[number]):
            return "\n" * number + "\n".join(source.lines[number:])
    return None


class _Builder:
    """Makes syntax tree nodes of the parser's tree, from the leaves up and without recursion."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def build(self, root: Tree[Token]) -> ast.File:
        made: dict[int, Any] = {}
        depth: dict[int, int] = {}
        for tree in root.iter_subtrees():
            depth[id(tree)] = level = _depth(tree, depth)
            if level > DEEPEST:
                place = next(tree.scan_values(lambda v: isinstance(v, Token)))
                raise SyntaxFault(f"this nests more than {DEEPEST} deep", place)
            made[id(tree)] = self._node(tree, [self._child(c, made) for c in tree.children])
        file: ast.File = made[id(root)]
        return file

    def _child(self, child: Any, made: dict[int, Any]) -> Any:
        if isinstance(child, Tree):
            return made[id(child)]
        if isinstance(child, Token):
            line, column = child.line or 1, child.column or 1
            return ast.Word(Span(self.source, line, column, line, column + len(child)), str(child))
        return child

    def _node(self, tree: Tree[Token], children: list[Any]) -> Any:
        rule = str(tree.data)
        if rule in ast.SEQUENCES:
            return tuple(c for c in children if c is not None)
        cls = ast.CLASSES["".join(part.capitalize() for part in rule.split("_"))]
        if cls.__name__ in ast.SPREAD:
            return cls(self._span(tree), tuple(c for c in children if c is not None))
        if cls is ast.Type and children[1] is None:
            children[1] = ()
        return cls(self._span(tree), *children)

    def _span(self, tree: Tree[Token]) -> Span:
        meta = tree.meta
        if meta.empty:
            return Span(self.source, 1, 1, 1, 1)
        return Span(self.source, meta.line, meta.column, meta.end_line, meta.end_column)


def _depth(tree: Tree[Token], known: dict[int, int]) -> int:
    """Levels of nesting; the left side of an operator is on the operator's own level."""
    deepest = 0
    for place, child in enumerate(tree.children):
        if isinstance(child, Tree):
            step = 0 if place == 0 and tree.data == "binary" else 1
            deepest = max(deepest, known[id(child)] + step)
    return deepest
