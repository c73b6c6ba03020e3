"""The parser's tables: a second process reads them, and parses as the first one did."""

from __future__ import annotations

from pathlib import Path

import pytest
from lark import Lark, Tree
from lark.exceptions import UnexpectedInput

from netlang import storage
from netlang.frontend import tables
from netlang.frontend.layout import Layout

TEXT = """block twice(x, by = 2) {
    return x -> dense(by * 3) -> relu -> dense(4, bias = false)
}

net n {
    input a: f32[N, 3, 8, 8]
    b, c = [1, 2.5], "text"
    output y = a -> flatten -> twice(by = -3)[0] if not true or 1 < 2 else none
}
"""
BROKEN = ("net n {\n  input x\n}", "net {", "net n { output y = (1 }", "net n {\n  y = $\n}")


@pytest.fixture
def parsers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Lark, Lark]:
    """The first one makes the tables, the second one reads them."""
    monkeypatch.setenv("NETLANG_CACHE", str(tmp_path))
    made = tables.make_parser(Layout())
    assert len(list((tmp_path / "parser").iterdir())) == 1
    monkeypatch.setattr(Lark, "__init__", None)
    return made, tables.make_parser(Layout())


def places(tree: Tree[object]) -> list[tuple[str, int, int, int, int]]:
    found = [t for t in tree.iter_subtrees() if not t.meta.empty]
    return [(str(t.data), t.meta.line, t.meta.column, t.meta.end_line, t.meta.end_column) for t in found]


def test_both_give_the_same_tree(parsers: tuple[Lark, Lark]) -> None:
    made, read = parsers
    one, two = made.parse(TEXT), read.parse(TEXT)
    assert one == two
    assert places(one) == places(two) != []


@pytest.mark.parametrize("text", BROKEN)
def test_both_refuse_at_the_same_place(parsers: tuple[Lark, Lark], text: str) -> None:
    found = []
    for parser in parsers:
        with pytest.raises(UnexpectedInput) as fault:
            parser.parse(text)
        expected = sorted(getattr(fault.value, "expected", ()) or getattr(fault.value, "allowed", ()) or ())
        found.append((type(fault.value), fault.value.line, fault.value.column, expected))
    assert found[0] == found[1]


def test_damaged_tables_are_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETLANG_CACHE", str(tmp_path))
    tables.make_parser(Layout())
    (file,) = (tmp_path / "parser").iterdir()
    file.write_bytes(file.read_bytes()[:-100])
    assert storage.read(file, tables.KIND) is None
    assert tables.make_parser(Layout()).parse(TEXT) == tables.make_parser(Layout()).parse(TEXT)
    assert storage.read(file, tables.KIND) is not None


def test_another_grammar_or_lark_has_tables_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETLANG_CACHE", str(tmp_path))
    tables.make_parser(Layout())
    monkeypatch.setattr("lark.__version__", "0.0")
    tables.make_parser(Layout())
    assert len(list((tmp_path / "parser").iterdir())) == 2
