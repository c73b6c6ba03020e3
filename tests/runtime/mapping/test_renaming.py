"""Names by a table: the first line that matches counts, and no tensor is made twice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlang.diagnostics import NetError, Source
from netlang.runtime.mapping.renaming import Made, rename
from netlang.runtime.mapping.table import Table, parse_table


def table(text: str) -> Table:
    return parse_table(Source("t.map", text))


def test_names_sums_and_what_is_dropped() -> None:
    rules = table(
        "drop **.count\nrnn.b_i* + rnn.b_h* -> cell$1.bias\nfc.kernel -> fc.weight transpose\n"
        "**.gamma -> **.weight\nnever.* -> *\n"
    )
    found = rename(["a.b.gamma", "rnn.b_h1", "rnn.b_i1", "fc.kernel", "n.count", "other"], rules)
    assert found.made == {
        "a.b.weight": Made(("a.b.gamma",), None, 4),
        "cell1.bias": Made(("rnn.b_i1", "rnn.b_h1"), None, 2),
        "fc.weight": Made(("fc.kernel",), (), 3),
        "other": Made(("other",)),
    }
    assert found.dropped == {"n.count": 1} and [rule.line for rule in found.idle] == [5]


def test_a_circle_of_names_is_an_exchange() -> None:
    found = rename(["a", "b", "c"], table("a -> b\nb -> c\nc -> a"))
    assert {name: made.sources for name, made in found.made.items()} == {"b": ("a",), "c": ("b",), "a": ("c",)}


def test_the_first_line_that_matches_counts() -> None:
    found = rename(["x.1", "x.2"], table("x.1 -> first\nx.* -> y.*\nx.2 -> never"))
    assert set(found.made) == {"first", "y.2"} and [rule.line for rule in found.idle] == [3]


@pytest.mark.parametrize(
    ("names", "text", "message"),
    [
        ("ab", "a -> c\nb -> c", "'c': 'a' by line 1 of t.map, and 'b' by line 2"),
        (["a.1", "a.2"], "a.* -> c", "'c': 'a.1' by line 1 of t.map, and 'a.2' by line 1"),
        ("ab", "a -> b", "'b': 'b', which no line renames, and 'a' by line 1"),
        (["i.1", "h.1", "i.2"], "i.* + h.* -> b.*", "t.map:1: the sum with 'i.2' lacks a tensor 'h.*'"),
        (["x.a"], "x.* -> y{$1+1}", "t.map:1: 'a' is no number"),
    ],
)  # fmt: skip
def test_what_cannot_be(names: list[str], text: str, message: str) -> None:
    with pytest.raises(NetError) as fault:
        rename(names, table(text))
    assert message in str(fault.value)


@given(st.sets(st.text("ab.12", min_size=1, max_size=6)), st.permutations(range(4)))
def test_every_tensor_goes_somewhere_once(names: set[str], order: list[int]) -> None:
    lines = ["drop *.1", "a* -> *.a", "*b -> b.*", "**.2 -> **"]
    try:
        found = rename(sorted(names), table("\n".join(lines[i] for i in order)))
    except NetError as fault:
        assert "two tensors would be" in str(fault)
        return
    used = [name for made in found.made.values() for name in made.sources] + list(found.dropped)
    assert sorted(used) == sorted(names)
