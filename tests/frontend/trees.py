"""Strategies that draw syntax trees as the grammar allows them, and a comparison of trees that ignores places."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

from hypothesis import strategies as st

from netlang.diagnostics import Source, Span
from netlang.frontend import ast

NOWHERE = Span(Source("<drawn>"), 1, 1, 1, 1)
Drawn = st.SearchStrategy[Any]


def difference(a: Any, b: Any, path: str = "file") -> str:
    """Where two trees differ, spans aside; empty where they are the same."""
    pending = [(a, b, path)]
    while pending:
        a, b, path = pending.pop()
        if type(a) is not type(b):
            return f"{path}: {a!r} and {b!r}"
        if isinstance(a, tuple):
            if len(a) != len(b):
                return f"{path}: {len(a)} and {len(b)} parts"
            pending += [(x, y, f"{path}[{i}]") for i, (x, y) in enumerate(zip(a, b, strict=True))]
        elif isinstance(a, ast.Node):
            names = [f.name for f in fields(a) if f.name != "span"]
            pending += [(getattr(a, n), getattr(b, n), f"{path}.{n}") for n in names]
        elif a != b:
            return f"{path}: {a!r} and {b!r}"
    return ""


def word(text: str) -> ast.Word:
    return ast.Word(NOWHERE, text)


def _node(cls: Callable[..., Any], *parts: Drawn) -> Drawn:
    return st.builds(lambda *values: cls(NOWHERE, *values), *parts)


def _words(*texts: str) -> Drawn:
    return st.sampled_from(texts).map(word)


def _some(part: Drawn, least: int = 0, most: int = 3) -> Drawn:
    return st.lists(part, min_size=least, max_size=most).map(tuple)


# Statement words are names wherever they begin no statement.
NAMES = _words("x", "h1", "_unused", "block", "input", "loss", "update", "net", "train", "a_name_of_some_length")
OPERATORS = _words("or", "and", "==", "<", ">=", "+", "-", "*", "/", "//", "%", "@", "**")
NUMBERS = _words("0", "12", "1.", ".5", "1.5e-3", "2E8", "3.25")
TEXTS = _words('""', '"a word"', '"{x.shape} # no comment"')
LEAVES = st.one_of(
    _node(ast.Name, NAMES),
    _node(ast.Number, NUMBERS),
    _node(ast.String, TEXTS),
    _node(ast.Truth, _words("true", "false")),
)


def _larger(inner: Drawn) -> Drawn:
    maybe = st.none() | inner
    argument = _node(ast.Argument, st.none() | NAMES, inner)
    return st.one_of(
        _node(ast.List, _some(inner)),
        _node(ast.Table, _some(_node(ast.Entry, inner, inner), 1)),
        _node(ast.Tuple, _some(inner, 1)),
        _node(ast.Call, inner, _some(argument, 0, 5)),
        _node(ast.Index, inner, inner),
        _node(ast.Slice, inner, maybe, maybe),
        _node(ast.Attribute, inner, NAMES),
        _node(ast.Unary, _words("-", "not"), inner),
        _node(ast.Binary, inner, OPERATORS, inner),
        _node(ast.Pipe, _some(inner, 2, 5)),
        _node(ast.Conditional, inner, inner, inner),
    )


EXPRESSIONS = st.recursive(LEAVES, _larger, max_leaves=25)
TYPES = _node(
    ast.Type, _node(ast.Name, NAMES) | _node(ast.Attribute, _node(ast.Name, NAMES), NAMES), _some(EXPRESSIONS)
)
PATTERNS = _node(ast.Pattern, _some(_words("a", "1", ".", ".5", "*"), 1, 4))
ROLES = _words("param", "frozen", "buffer")
SIMPLE = st.one_of(
    _node(ast.Input, NAMES, TYPES),
    _node(ast.Output, NAMES, st.none() | EXPRESSIONS),
    _node(ast.Declaration, ROLES, NAMES, TYPES, st.none() | EXPRESSIONS),
    _node(ast.Binding, _some(NAMES, 1), st.none() | TYPES, EXPRESSIONS),
    _node(ast.Update, NAMES, EXPRESSIONS),
    _node(ast.Return, EXPRESSIONS),
    _node(ast.Check, EXPRESSIONS, TEXTS, st.none() | TEXTS),
    _node(ast.Target, NAMES, TYPES),
    _node(ast.Metric, st.none() | NAMES, EXPRESSIONS),
    _node(ast.Changes, _some(PATTERNS, 1)),
    _node(ast.Alternate, _some(EXPRESSIONS, 1)),
    *(_node(kind, EXPRESSIONS) for kind in (ast.Loss, ast.Optimizer, ast.Epochs, ast.Batch)),
    *(_node(kind, EXPRESSIONS) for kind in (ast.Clip, ast.Stop, ast.Augment)),
)


def _compound(inner: Drawn) -> Drawn:
    body = _some(inner)
    branch = _node(ast.If, EXPRESSIONS, body, st.none() | body)
    return st.one_of(
        _node(ast.For, _some(NAMES, 1), EXPRESSIONS, body),
        branch,
        _node(ast.If, EXPRESSIONS, body, branch),
    )


STATEMENTS = st.recursive(SIMPLE, _compound, max_leaves=5)
PARAMETERS = _some(_node(ast.Parameter, NAMES, st.none() | EXPRESSIONS), 0, 4)
BODIES = _some(STATEMENTS)
ITEMS = st.one_of(
    _node(ast.Net, NAMES, st.none() | PARAMETERS, BODIES),
    _node(ast.Block, NAMES, PARAMETERS, BODIES),
    _node(ast.Train, st.none() | NAMES, st.none() | NAMES, BODIES),
    _node(ast.Import, _words('"blocks.net"')),
    _node(ast.Binding, _some(NAMES, 1), st.none() | TYPES, EXPRESSIONS),
)
FILES = _node(ast.File, _some(ITEMS, 0, 4))
