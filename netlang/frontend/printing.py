"""Syntax tree to text, in the style of the examples; parsing the text gives the same tree.

Lines are at most `WIDTH` columns wide. What does not fit goes on with a deeper indent: before a `->`, after an
operator, or inside of brackets, as far out as possible. Brackets stand only where the grammar needs them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from netlang.frontend import ast
from netlang.frontend.expression_text import WIDTH, broken, flat, indented, values

_SHORT = 88
"""A body of one statement stays on the line of what it belongs to as long as that has so many columns."""
_STEP = 2
_TOKEN = re.compile(r"[A-Za-z_]\w*|(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?|\*\*|.")
"""What the pieces of a pattern are read as."""


def text_of_file(file: ast.File) -> str:
    """The text of a file, with a blank line between its parts; constants and imports stand together."""
    out: list[str] = []
    previous: ast.Item | None = None
    for item in file.items:
        alike = type(item) is type(previous) and isinstance(item, ast.Binding | ast.Import)
        if previous is not None and not alike:
            out.append("")
        out += item_lines(item)
        previous = item
    return "".join(f"{line}\n" for line in out)


def item_lines(item: ast.Item) -> list[str]:
    """The lines of a net, a block, a `train` section, an import or a constant."""
    match item:
        case ast.Import():
            return [f"import {item.path.text}"]
        case ast.Binding():
            return statement_lines(item, 0)
        case ast.Net():
            parameters = "" if item.parameters is None else _parameters(f"net {item.name.text}", item.parameters)
            return _with_body(f"net {item.name.text}{parameters}", item.body, 0, short=False)
        case ast.Block():
            head = f"block {item.name.text}"
            return _with_body(head + _parameters(head, item.parameters), item.body, 0, short=True)
    name = "" if item.name is None else f" {item.name.text}"
    net = "" if item.net is None else f" for {item.net.text}"
    return _with_body(f"train{name}{net}", item.body, 0, short=False)


def statement_lines(statement: ast.Statement, indent: int) -> list[str]:
    """The lines of a statement that stands `indent` columns from the left."""
    if isinstance(statement, ast.If):
        return _if(statement, indent)
    if isinstance(statement, ast.For):
        names = ", ".join(word.text for word in statement.names)
        head = _joined(f"for {names} in ", [statement.items], indent, tail=2)
        return _with_body(head, statement.body, indent, short=True)
    return (" " * indent + _simple(statement, indent)).split("\n")


def _parameters(head: str, parameters: Sequence[ast.Parameter]) -> str:
    pieces = [(p.name.text if p.default is None else f"{p.name.text} = ", p.default) for p in parameters]
    return indented(head, "(", pieces, ")", 0, tail=2)


def _with_body(head: str, body: Sequence[ast.Statement], indent: int, *, short: bool) -> list[str]:
    """`head { ... }`, on one line where that is allowed, `body` has but one statement and both are short."""
    margin = " " * indent
    if not body:
        return f"{margin}{head} {{ }}".split("\n")
    if short and len(body) == 1 and not isinstance(body[0], ast.If | ast.For):
        line = f"{margin}{head} {{ {_simple(body[0], indent)} }}"
        if len(line) <= _SHORT and "\n" not in line:
            return [line]
    inner = [line for statement in body for line in statement_lines(statement, indent + _STEP)]
    return [*f"{margin}{head} {{".split("\n"), *inner, f"{margin}}}"]


def _if(statement: ast.If, indent: int) -> list[str]:
    out: list[str] = []
    word, rest = "if ", statement
    while True:
        head = _joined(word, [rest.condition], indent, tail=2)
        out += _with_body(head, rest.body, indent, short=True)
        if not isinstance(rest.otherwise, ast.If):
            break
        word, rest = "else if ", rest.otherwise
    if rest.otherwise is not None:
        out += _with_body("else", rest.otherwise, indent, short=True)
    return out


def _simple(statement: ast.Statement, indent: int) -> str:
    """A statement without a body; lines after its first one have their indent."""
    match statement:
        case ast.Input() | ast.Target():
            return f"{_word(statement)} {statement.name.text}: {flat(statement.type)}"
        case ast.Output(value=None):
            return f"output {statement.name.text}"
        case ast.Output(value=ast.Expression() as value) | ast.Update(value=value):
            return _joined(f"{_word(statement)} {statement.name.text} = ", [value], indent)
        case ast.Declaration():
            head = f"{statement.role.text} {statement.name.text}: {flat(statement.type)}"
            return head if statement.value is None else _joined(f"{head} = ", [statement.value], indent)
        case ast.Binding():
            names = ", ".join(word.text for word in statement.names)
            promise = "" if statement.type is None else f": {flat(statement.type)}"
            spread = len(statement.names) > 1
            return _joined(f"{names}{promise} = ", values(statement.value, spread=spread), indent)
        case ast.Return():
            return _joined("return ", values(statement.value, spread=True), indent)
        case ast.Check():
            hint = "" if statement.hint is None else f", {statement.hint.text}"
            message = f", {statement.message.text}{hint}"
            return _joined("check ", [statement.condition], indent, tail=len(message)) + message
        case ast.Metric(name=ast.Word() as name):
            return _joined(f"metric {name.text} = ", [statement.value], indent)
        case ast.Changes():
            return "update " + ", ".join(_pattern(p) for p in statement.patterns)
        case ast.Alternate():
            return _joined("alternate ", statement.turns, indent)
        case ast.Loss() | ast.Metric() | ast.Optimizer() | ast.Epochs() | ast.Batch():
            return _joined(f"{_word(statement)} ", [statement.value], indent)
        case ast.Clip() | ast.Stop() | ast.Augment():
            return _joined(f"{_word(statement)} ", [statement.value], indent)
    raise TypeError(f"no statement: {statement!r}")


def _word(statement: ast.Statement) -> str:
    return type(statement).__name__.lower()


def _joined(head: str, parts: Sequence[ast.Expression], indent: int, tail: int = 0) -> str:
    """`head` and expressions with commas between, on as many lines as they need. `tail` columns follow."""
    text = head + ", ".join(flat(e) for e in parts)
    if indent + len(text) + tail <= WIDTH:
        return text
    return head + broken(parts, indent + len(head), indent, tail)


def _pattern(pattern: ast.Pattern) -> str:
    """The pieces of a pattern, with a blank only where two would be read as others."""
    out = ""
    for before, word in zip(("", *(p.text for p in pattern.pieces)), pattern.pieces, strict=False):
        apart = before and _TOKEN.findall(before + word.text) != [before, word.text]
        out += f" {word.text}" if apart else word.text
    return out
