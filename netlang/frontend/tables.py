"""The parser's tables: derived from the grammar once, then read from the cache, as data (JSON, nothing is unpickled).

Deriving them takes a quarter of a second, reading them a hundredth. They are kept under a hash of all that they follow
from: the grammar, the options and the version of Lark.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import lark
from lark import Lark
from lark.grammar import Rule
from lark.lexer import TerminalDef

from netlang import config, storage
from netlang.grammar import grammar_text

KIND = "parser-1"
_OPTIONS: dict[str, Any] = {
    "start": "file",
    "parser": "lalr",
    "lexer": "basic",
    "propagate_positions": True,
    "maybe_placeholders": True,
}
_CODE = ("postlex",)
"""Options that are objects of the program, given anew each time."""


def make_parser(postlex: Any) -> Lark:
    """The parser of the language, which reads tokens through `postlex`."""
    grammar = grammar_text()
    place = _place(grammar)
    kept = storage.read(place, KIND)
    if kept is not None:
        return _loaded(kept, postlex)
    parser = Lark(grammar, postlex=postlex, **_OPTIONS)
    storage.write(place, KIND, _saved(parser))
    return parser


def _place(grammar: str) -> Path:
    parts = (grammar, repr(sorted(_OPTIONS.items())), lark.__version__)
    return config.cache_dir() / "parser" / sha256("\0".join(parts).encode()).hexdigest()[:40]


def _saved(parser: Lark) -> bytes:
    data, shared = parser.memo_serialize([TerminalDef, Rule])
    data["options"] = {name: value for name, value in data["options"].items() if name not in _CODE}
    return json.dumps({"data": data, "memo": shared}).encode()


def _loaded(kept: bytes, postlex: Any) -> Lark:
    tables = json.loads(kept, object_hook=_numbered)
    # What Lark's own generated stand-alone parsers call; it has no public name.
    load: Callable[..., Lark] = Lark._load_from_dict
    return load(tables["data"], tables["memo"], postlex=postlex)


def _numbered(table: dict[str, Any]) -> dict[Any, Any]:
    """JSON has no numbers as keys; Lark's tables have nothing else where they have one."""
    return {int(key): value for key, value in table.items()} if next(iter(table), "").isdigit() else table
