"""A net as a list of lines, as it was written: one operation to each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any

from netlang.frontend import ast
from netlang.interchange.importing import writing as w
from netlang.interchange.importing.sheet import Line


def flat_file(net: str, lines: Sequence[Line], blocks: Sequence[ast.Block] = ()) -> ast.File:
    """A file with this net alone, and the blocks that it applies."""
    body = tuple(line.statement for line in lines)
    return ast.File(w.SPAN, (*living_blocks(blocks, body), ast.Net(w.SPAN, w.word(net), None, body)))


def living_blocks(blocks: Sequence[ast.Block], body: Sequence[ast.Statement]) -> list[ast.Block]:
    """The blocks that a body applies, directly or by others, which come before it."""
    needed = {name for statement in body for name in read(statement)}
    kept: list[ast.Block] = []
    for block in reversed(blocks):
        if block.name.text in needed:
            needed.update(name for statement in block.body for name in read(statement))
            kept.append(block)
    return kept[::-1]


def living(lines: Sequence[Line]) -> list[Line]:
    """The lines that an output (of a net) or what is returned (by a block) depends on, and all inputs."""
    needed: set[str] = set()
    kept: list[Line] = []
    for line in reversed(lines):
        statement = line.statement
        if not isinstance(statement, ast.Input | ast.Output | ast.Return) and not needed & {*bound(statement)}:
            continue
        needed.update(read(statement))
        if isinstance(statement, ast.Output) and statement.value is None:
            needed.add(statement.name.text)
        kept.append(line)
    return kept[::-1]


def bound(statement: ast.Statement) -> Iterator[str]:
    """The names that a statement binds."""
    if isinstance(statement, ast.Binding):
        yield from (word.text for word in statement.names)
    elif isinstance(statement, ast.Input | ast.Declaration | ast.Output):
        yield statement.name.text


def read(part: Any) -> Iterator[str]:
    """The names that a statement or expression reads."""
    if isinstance(part, ast.Name):
        yield part.id.text
    elif isinstance(part, tuple):
        for entry in part:
            yield from read(entry)
    elif isinstance(part, ast.Node):
        for place in fields(part):
            if place.name != "span":
                yield from read(getattr(part, place.name))
