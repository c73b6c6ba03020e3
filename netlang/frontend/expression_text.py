"""Expressions as text: on one line, or broken where a line may go on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from netlang.frontend import ast

WIDTH = 120
_DEEPER = 4
"""How much deeper lines go on."""

# How tightly an expression holds together, as in the grammar.
_ANY, _PIPE, _OR, _AND, _NOT, _COMPARE, _SUM, _PRODUCT, _SIGNED, _POWER, _POSTFIX = range(11)
_OPERATORS = {
    "or": (_OR, _OR, _AND),
    "and": (_AND, _AND, _NOT),
    **dict.fromkeys(("==", "!=", "<", "<=", ">", ">="), (_COMPARE, _SUM, _SUM)),
    **dict.fromkeys(("+", "-"), (_SUM, _SUM, _PRODUCT)),
    **dict.fromkeys(("*", "/", "//", "%", "@"), (_PRODUCT, _PRODUCT, _SIGNED)),
    "**": (_POWER, _POSTFIX, _SIGNED),
}
"""What a binary operator makes, and what it takes to its left and to its right."""


class Piece(NamedTuple):
    """Something between two places where a line may go on."""

    before: str
    expression: ast.Expression | None
    least: int
    after: str

    def flat(self) -> str:
        inner = "" if self.expression is None else _flat(self.expression, self.least)
        return f"{self.before}{inner}{self.after}"

    def placed(self, column: int, indent: int, tail: int) -> str:
        """Its text from `column` on, where lines after the first begin at `indent` or deeper."""
        if self.expression is None:
            return f"{self.before}{self.after}"
        start = column + len(self.before)
        return self.before + _placed(self.expression, self.least, start, indent, tail + len(self.after)) + self.after


def number_text(value: float) -> str:
    """The shortest literal of a number of at least 0, of which the same number is read."""
    return str(value) if isinstance(value, int) else repr(float(value))


def flat(node: ast.Expression | ast.Type) -> str:
    """An expression or a type on one line."""
    if isinstance(node, ast.Type):
        dims = ", ".join(flat(d) for d in node.dims)
        return flat(node.dtype) + (f"[{dims}]" if dims else "")
    return _flat(node, _ANY)


def values(value: ast.Expression, *, spread: bool) -> Sequence[ast.Expression]:
    """What stands to the right of a binding: the parts of a tuple need no brackets where several names take them."""
    return value.items if spread and isinstance(value, ast.Tuple) and len(value.items) > 1 else (value,)


def broken(parts: Sequence[ast.Expression], column: int, indent: int, tail: int) -> str:
    """Expressions with commas between, from `column` on, on several lines; those after the first go deeper."""
    if len(parts) == 1:
        return _placed(parts[0], _ANY, column, indent, tail)
    return _filled(_listed([("", e) for e in parts]), column, indent, tail)


def indented(
    head: str, opening: str, pieces: Sequence[tuple[str, ast.Expression | None]], closing: str, indent: int, tail: int
) -> str:
    """Pieces in brackets behind a head that is written already; `tail` columns follow."""
    listed = _listed(pieces)
    text = opening + " ".join(p.flat() for p in listed) + closing
    if indent + len(head) + len(text) + tail <= WIDTH:
        return text
    column = indent + len(head) + len(opening)
    return opening + _filled(listed, column, indent, tail + len(closing)) + closing


# ---- on one line


def _level(e: ast.Expression) -> int:
    match e:
        case ast.Conditional():
            return _ANY
        case ast.Pipe():
            return _PIPE
        case ast.Binary():
            return _OPERATORS[e.operator.text][0]
        case ast.Unary():
            return _NOT if e.operator.text == "not" else _SIGNED
    return _POSTFIX


def _flat(e: ast.Expression, least: int) -> str:
    return f"({_plain(e)})" if _level(e) < least else _plain(e)


def _plain(e: ast.Expression) -> str:
    """An expression on one line, without brackets around it."""
    match e:
        case ast.Name():
            return e.id.text
        case ast.Number() | ast.String() | ast.Truth():
            return e.literal.text
        case ast.Unary():
            return f"{_sign(e)}{_flat(e.operand, _level(e))}"
        case ast.Attribute():
            return f"{_owner(e)}.{e.name.text}"
        case ast.Slice():
            start, stop = ("" if part is None else _flat(part, _ANY) for part in (e.start, e.stop))
            return f"{_flat(e.of, _POSTFIX)}[{start}:{stop}]"
    opening, pieces, closing = _pieces(e)
    return opening + " ".join(piece.flat() for piece in pieces) + closing


def _sign(e: ast.Unary) -> str:
    return "not " if e.operator.text == "not" else e.operator.text


def _owner(e: ast.Attribute) -> str:
    of = _flat(e.of, _POSTFIX)
    return f"({of})" if isinstance(e.of, ast.Number) else of


def _pieces(e: ast.Expression) -> tuple[str, list[Piece], str]:
    """What stands before and behind an expression's pieces, and these, between which there is a blank."""
    match e:
        case ast.Pipe():
            first, *others = e.stages
            return "", [Piece("", first, _OR, ""), *(Piece("-> ", stage, _OR, "") for stage in others)], ""
        case ast.Binary():
            return "", _chain(e), ""
        case ast.Conditional():
            parts = (e.value, _PIPE), (e.condition, _PIPE), (e.otherwise, _ANY)
            return "", [Piece(w, p, n, "") for w, (p, n) in zip(("", "if ", "else "), parts, strict=True)], ""
        case ast.Call():
            arguments = [("" if a.name is None else f"{a.name.text} = ", a.value) for a in e.arguments]
            return f"{_flat(e.function, _POSTFIX)}(", _listed(arguments), ")"
        case ast.Index():
            return f"{_flat(e.of, _POSTFIX)}[", _listed([("", e.index)]), "]"
        case ast.List():
            return "[", _listed([("", item) for item in e.items]), "]"
        case ast.Table():
            return "[", _listed([(f"{_flat(n.key, _ANY)}: ", n.value) for n in e.entries]), "]"
        case ast.Tuple():
            return "(", _listed([("", item) for item in e.items]), ")" if len(e.items) > 1 else ",)"
    raise TypeError(f"no expression: {e!r}")


def _listed(parts: Sequence[tuple[str, ast.Expression | None]]) -> list[Piece]:
    last = len(parts) - 1
    return [Piece(before, e, _ANY, "" if place == last else ",") for place, (before, e) in enumerate(parts)]


def _chain(e: ast.Binary) -> list[Piece]:
    """The operands of `a + b - c`, each with the operator behind it. Chains may be long, so nothing recurs."""
    operands: list[Piece] = []
    after, least, here = "", _ANY, e
    level = _OPERATORS[e.operator.text][0]
    while True:
        _, left, right = _OPERATORS[here.operator.text]
        operands.append(Piece("", here.right, right, after))
        after, least = f" {here.operator.text}", left
        if not isinstance(here.left, ast.Binary) or _level(here.left) != level or level < left:
            break
        here = here.left
    return [Piece("", here.left, least, after), *reversed(operands)]


# ---- on several lines


def _placed(e: ast.Expression, least: int, column: int, indent: int, tail: int) -> str:
    """An expression from `column` on, broken where it must be; `tail` columns follow its last line."""
    text = _flat(e, least)
    if column + len(text) + tail <= WIDTH:
        return text
    if _level(e) < least or isinstance(e, ast.Conditional):
        return f"({_broken(e, column + 1, indent, tail + 1)})"
    return _broken(e, column, indent, tail)


def _broken(e: ast.Expression, column: int, indent: int, tail: int) -> str:
    match e:
        case ast.Name() | ast.Number() | ast.String() | ast.Truth() | ast.Slice() | ast.Attribute():
            return _plain(e)
        case ast.Unary():
            sign = _sign(e)
            return sign + _placed(e.operand, _level(e), column + len(sign), indent, tail)
    opening, pieces, closing = _pieces(e)
    return opening + _filled(pieces, column + len(opening), indent, tail + len(closing)) + closing


def _filled(pieces: Sequence[Piece], column: int, indent: int, tail: int) -> str:
    """As many pieces on each line as it takes; the first line begins at `column`, the others deeper than `indent`."""
    out: list[str] = []
    deeper = indent + _DEEPER
    for place, piece in enumerate(pieces):
        follows = tail if place == len(pieces) - 1 else 0
        if place == 0:
            text = piece.placed(column, deeper, follows)
        elif column + 1 + len(piece.flat()) + follows <= WIDTH:
            text = f" {piece.flat()}"
        else:
            text, column = "\n" + " " * deeper + piece.placed(deeper, deeper, follows), 0
        out.append(text)
        column = len(text) - text.rfind("\n") - 1 if "\n" in text else column + len(text)
    return "".join(out)
