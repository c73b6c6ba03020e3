"""Tables of names: what they say, and what is told of lines that say nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlang.diagnostics import NetError, Source
from netlang.runtime.mapping import table as module
from netlang.runtime.mapping.patterns import Pattern, Template
from netlang.runtime.mapping.table import Rule, Table, parse_table, read_table

DOCS = Path(__file__).parents[3] / "docs" / "weights.md"


def parsed(text: str) -> Table:
    return parse_table(Source("t.map", text))


def test_every_kind_of_line() -> None:
    found = parsed(
        "# a table\n\n  a.b -> c   # here\n"
        "k -> w transpose\nf -> g  transpose (3,2, 0,1) # axes\n"
        "x.* + y.* + z.* -> s.{ $1 + 1 }\ndrop **.n\n"
        '"a -> b #" -> "dr*op"\r\n'
    )
    assert found.rules == (
        Rule(3, (Pattern("a.b"),), Template("c")),
        Rule(4, (Pattern("k"),), Template("w"), ()),
        Rule(5, (Pattern("f"),), Template("g"), (3, 2, 0, 1)),
        Rule(6, (Pattern("x.*"), Pattern("y.*"), Pattern("z.*")), Template("s.{ $1 + 1 }")),
        Rule(7, (Pattern("**.n"),), None),
        Rule(8, (Pattern("a -> b #", True),), Template("dr*op", True)),
    )


def test_the_tables_of_the_documentation() -> None:
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", DOCS.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    tables = [text for kind, text in blocks if not kind]
    assert len(tables) == 2 and all(parsed(text).rules for text in tables)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a", "one ->"), ("a -> b -> c", "one ->"), ("a ->", "missing on the right"), ("-> b", "left of ->"),
        ("a b -> c", "left of ->"), ("a + -> c", "left of ->"), ("+ a -> c", "left of ->"), ("a -> + b", "missing"),
        ("drop", "followed by one name"), ("drop a b", "followed by one name"), ("a -> drop", "'drop name'"),
        ("a -> b transposed", "'transpose' or"), ("a -> b transpose(0, 0)", "no order of axes"),
        ("a -> b transpose(1, 2)", "no order of axes"), ("a -> b transpose()", "no order of axes"),
        ("a -> b transpose c", "'transpose' or"), ('"a -> b', "quotes"), ('"\\q" -> b', "JSON"), ("a{ -> b", "quotes"),
        ("*.a + b -> c", "same wildcards"), ("a + a -> c", "twice"), ("a -> *", "does not have"),
        ("a.** -> b.$2", "does not have"), ("a -> " + "b" * 3000, "more than 2,000"),
        (" + ".join("abcdefghi") + " -> s", "at most 8"),
    ],
)  # fmt: skip
def test_what_is_no_rule_is_told_with_its_line(line: str, message: str) -> None:
    with pytest.raises(NetError, match=message) as fault:
        parsed(f"# first\n  {line}\n")
    assert str(fault.value).startswith("t.map:2:3: error:")


def test_all_faults_at_once_and_a_hint() -> None:
    with pytest.raises(NetError) as fault:
        parsed("dorp a\na -> b\na -> c\n")
    assert [d.spans[0].line for d in fault.value.diagnostics] == [1, 3]
    assert "did you mean 'drop'?" in str(fault.value) and "line 2 says already" in str(fault.value)
    with pytest.raises(NetError) as many:
        parsed("x\n" * 1000)
    assert len(many.value.diagnostics) == module.MOST_FAULTS


@given(st.text('ab.*$1{}"\\+->#() \n\tdroptanse', max_size=80))
def test_any_text_is_a_table_or_told(text: str) -> None:
    try:
        parsed(text)
    except NetError as fault:
        assert fault.spans


def test_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_RULES", 10)
    monkeypatch.setattr(module, "LARGEST_FILE", 200)
    path = tmp_path / "t.map"
    path.write_text("".join(f"a{i} -> b{i}\n" for i in range(11)))
    with pytest.raises(NetError, match="more than 10 rules"):
        read_table(path)
    path.write_text("#" * 201)
    with pytest.raises(NetError, match="more than 200 bytes"):
        read_table(path)


def test_files_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b"\xe4 -> b")
    for path, message in ((tmp_path / "latin", "UTF-8"), (tmp_path, "cannot read"), ("a\0b", "cannot read"),
                          (tmp_path / "missing", "No such file")):  # fmt: skip
        with pytest.raises(NetError, match=message):
            read_table(path)
