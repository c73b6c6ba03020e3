"""Equal layers one after the other become `repeat`.

x -> basic(16) -> basic(16) -> basic(16)   ->   x -> repeat(3, basic(16))
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from netlang.frontend import ast
from netlang.frontend.expression_text import flat
from netlang.interchange.importing import writing as w

_LONGEST = 6
"""Layers that are repeated together."""
_WORTH = 12
"""Columns that `repeat(2, ...)` must save."""


def shortened_chains(statements: Sequence[ast.Statement], known: Collection[str]) -> list[ast.Statement]:
    """Statements with their chains shortened. `known` are names of blocks, each mention of which is its own layer."""
    out: list[ast.Statement] = []
    for statement in statements:
        match statement:
            case ast.Binding():
                out.append(ast.Binding(w.SPAN, statement.names, statement.type, _shortened(statement.value, known)))
            case ast.Output(value=ast.Expression() as value):
                out.append(ast.Output(w.SPAN, statement.name, _shortened(value, known)))
            case ast.Return():
                out.append(ast.Return(w.SPAN, _shortened(statement.value, known)))
            case _:
                out.append(statement)
    return out


def _shortened(e: ast.Expression, known: Collection[str]) -> ast.Expression:
    """An expression whose chains, also those inside of it, are shortened."""
    match e:
        case ast.Pipe():
            first = _shortened(e.stages[0], known)
            return ast.Pipe(w.SPAN, (first, *_stages(list(e.stages[1:]), known)))
        case ast.Binary():
            return ast.Binary(w.SPAN, _shortened(e.left, known), e.operator, _shortened(e.right, known))
        case ast.Tuple():
            return ast.Tuple(w.SPAN, tuple(_shortened(part, known) for part in e.items))
        case ast.Call():
            parts = (ast.Argument(w.SPAN, a.name, _shortened(a.value, known)) for a in e.arguments)
            return ast.Call(w.SPAN, e.function, tuple(parts))
    return e


def _stages(stages: list[ast.Expression], known: Collection[str]) -> list[ast.Expression]:
    texts = [flat(s) for s in stages]
    own = [isinstance(s, ast.Call) or (isinstance(s, ast.Name) and s.id.text in known) for s in stages]
    out: list[ast.Expression] = []
    place = 0
    while place < len(stages):
        size, count = _best(texts, own, place)
        if count == 1:
            out.append(stages[place])
            place += 1
            continue
        part = stages[place : place + size]
        layer = part[0] if size == 1 else ast.Pipe(w.SPAN, tuple(part))
        out.append(w.call("repeat", count, layer))
        place += size * count
    return out


def _best(texts: Sequence[str], own: Sequence[bool], place: int) -> tuple[int, int]:
    """(layers, how often) of the repetition that saves most from a place on; (1, 1) where none does."""
    best, most = (1, 1), _WORTH - 1
    for size in range(1, _LONGEST + 1):
        part = texts[place : place + size]
        if len(part) < size or not all(own[place : place + size]):
            break
        count = 1
        while texts[place + count * size : place + (count + 1) * size] == part:
            count += 1
        saved = (count - 1) * (sum(map(len, part)) + 4 * size) - len("repeat(2, )")
        if count > 1 and saved > most:
            best, most = (size, count), saved
    return best
