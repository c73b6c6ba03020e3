"""Wildcards stand for what a regular expression says they do, and in one way only."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlang.runtime.mapping.patterns import Pattern, Template

_PART = st.text("ab1*", min_size=1, max_size=5).filter(lambda part: "**" not in part)
_PATTERNS = st.lists(st.one_of(_PART, st.just("**")), min_size=1, max_size=4).filter(lambda p: p.count("**") <= 1)
_NAMES = st.lists(st.text("ab1", min_size=1, max_size=6), min_size=1, max_size=6).map(".".join)


def expression(parts: list[str]) -> re.Pattern[str]:
    """The same as a regular expression."""
    texts = ["([^.]+(?:[.][^.]+)*)" if part == "**" else part.replace("*", "([^.]+?)") for part in parts]
    return re.compile("[.]".join(texts))


@given(_PATTERNS, _NAMES)
def test_it_matches_what_a_regular_expression_does(parts: list[str], name: str) -> None:
    pattern, wanted = Pattern(".".join(parts)), expression(parts).fullmatch(name)
    pattern.check()
    assert pattern.match(name) == (wanted.groups() if wanted else None)


@given(_PATTERNS, _NAMES)
def test_the_same_on_both_sides_is_the_same_name(parts: list[str], name: str) -> None:
    text = ".".join(parts)
    pieces = Pattern(text).match(name)
    if pieces is not None:
        Template(text).check(len(pieces))
        assert Template(text).fill(pieces) == name


def test_a_long_name_is_soon_refused() -> None:
    assert Pattern(".".join(["**", *["*a*a*a*"] * 5])).match("a" * 100_000 + ".b" * 100_000) is None


def test_pieces_by_number_and_sums() -> None:
    pieces = Pattern("layer*.*.conv*.weight").match("layer2.0.conv1.weight")
    assert pieces == ("2", "0", "1")
    assert Template("basic{3*$1+$2-2}.unit$3.weight").fill(pieces) == "basic4.unit1.weight"
    assert Template("$3$3.{ $1 + 10 }").fill(pieces) == "11.12"
    assert Template("a*{b", literal=True).fill(()) == "a*{b"


def test_a_literal_stands_for_itself() -> None:
    assert Pattern("a*", literal=True).match("a*") == () and Pattern("a*", literal=True).match("ab") is None


@pytest.mark.parametrize("text", ["**.**", "a**", "**b.c", "a.b**c", "*.*" * 10, "a$1", "a{1}"])
def test_what_is_no_pattern(text: str) -> None:
    with pytest.raises(ValueError, match=r"\*\*|wildcards|right of"):
        Pattern(text).check()


@pytest.mark.parametrize(
    ("text", "pieces"),
    [("a*", 0), ("$2", 1), ("$0", 1), ("{$3}", 2), ("*.$1", 2), ("{}", 1), ("{$1+}", 1), ("{a}", 1), ("$x", 1),
     ("{($1)}", 1), ("{99999999999}", 1), ("$1" * 20, 1), ("{" + "2*" * 20 + "2}", 0)],
)  # fmt: skip
def test_what_is_no_template(text: str, pieces: int) -> None:
    with pytest.raises(ValueError, match=r"piece|sum|number"):
        Template(text).check(pieces)


@pytest.mark.parametrize(("text", "piece"), [("{$1+1}", "x"), ("{$1-5}", "3"), ("{$1*$1*$1}", "99999999")])
def test_what_does_not_come_to_a_number(text: str, piece: str) -> None:
    Template(text).check(1)
    with pytest.raises(ValueError, match=r"no number|comes to"):
        Template(text).fill((piece,))
