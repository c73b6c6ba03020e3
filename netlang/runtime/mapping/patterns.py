"""Names with wildcards, and what is made of the pieces that these stand for.

    layer*.*.conv*.weight     `*` is one or more characters, but no dot
    **.running_mean           `**` is one or more whole parts of a name, which dots separate; once at most

    unit*.weight              on the right, each `*` or `**` is the next piece of the left
    basic{3*$1+$2-2}.weight   or they are told by number: $1 is the first, and {} holds a sum of products of them

A name is matched in time that is linear in its length, and in one way only: each piece is as short as it can be, from
the left.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

MOST_PIECES = 16
"""Wildcards of a name."""
_DEEP = "**"
_LARGEST = 10**9
"""What a number in {} may come to."""
_HOLE = re.compile(r"\*{1,2}|\$\d+|\{[^{}]*\}")
_ATOM = re.compile(r"\$?\d+")


@dataclass(frozen=True)
class Pattern:
    """The left side of a rule. `literal`: it stands for this very name, whatever is in it."""

    text: str
    literal: bool = False

    @cached_property
    def _parts(self) -> tuple[str, ...]:
        return tuple(self.text.split("."))

    @cached_property
    def pieces(self) -> int:
        """How many wildcards it has."""
        return 0 if self.literal else sum(1 if part == _DEEP else part.count("*") for part in self._parts)

    def check(self) -> None:
        """Raises ValueError where it is no pattern."""
        if self.literal:
            return
        if self._parts.count(_DEEP) > 1:
            raise ValueError(f"'{self.text}' has ** more than once")
        if any(_DEEP in part and part != _DEEP for part in self._parts):
            raise ValueError(f"'{self.text}': ** stands for whole parts, between dots")
        if self.pieces > MOST_PIECES:
            raise ValueError(f"'{self.text[:60]}' has more than {MOST_PIECES} wildcards")
        if re.search(r"[${}]", self.text):
            raise ValueError(f"'{self.text}': $ and {{}} belong to the right of ->")

    def match(self, name: str) -> tuple[str, ...] | None:
        """The pieces of a name that the wildcards stand for, None where it does not match."""
        if not self.pieces:
            return () if name == self.text else None
        wanted, parts = self._parts, tuple(name.split("."))
        if _DEEP in wanted:
            before = wanted.index(_DEEP)
            after = len(wanted) - before - 1
            if len(parts) < len(wanted):
                return None
            deep = ".".join(parts[before : len(parts) - after])
            parts = (*parts[:before], deep, *parts[len(parts) - after :])
        if len(parts) != len(wanted):
            return None
        found: list[str] = []
        for part, text in zip(wanted, parts, strict=True):
            pieces = (text,) if part == _DEEP else _pieces(part, text)
            if pieces is None:
                return None
            found.extend(pieces)
        return tuple(found)


def _pieces(part: str, text: str) -> tuple[str, ...] | None:
    """What each `*` of a part stands for."""
    first, *fixed = part.split("*")
    if not fixed:
        return () if part == text else None
    place, end = len(first), len(text) - len(fixed[-1])
    if not text.startswith(first) or not text.endswith(fixed[-1]):
        return None
    found = []
    for literal in fixed[:-1]:
        at = text.find(literal, place + 1, max(end, 0))
        if at < 0:
            return None
        found.append(text[place:at])
        place = at + len(literal)
    return (*found, text[place:end]) if place < end else None


@dataclass(frozen=True)
class Template:
    """The right side of a rule."""

    text: str
    literal: bool = False

    def check(self, pieces: int) -> None:
        """Raises ValueError where it is no name that can be made of so many pieces of the left."""
        if self.literal:
            return
        holes = _HOLE.findall(self.text)
        stars = sum(hole[0] == "*" for hole in holes)
        if re.search(r"[*${}]", _HOLE.sub("", self.text)):
            raise ValueError(f"'{self.text}': after $ stands a number, between {{}} a sum such as $1+1")
        if stars and stars != len(holes):
            raise ValueError(f"'{self.text}' has both * and $: with $ all pieces are told by number")
        used = [int(number) for hole in holes for number in re.findall(r"\$(\d{1,9})", hole)]
        if stars > pieces or any(not 1 <= number <= pieces for number in used):
            raise ValueError(f"'{self.text}' takes a piece that the left does not have: it has {pieces}")
        if len(holes) > MOST_PIECES:
            raise ValueError(f"'{self.text[:60]}' takes more than {MOST_PIECES} pieces")
        for hole in holes:
            if hole[0] == "{":
                _terms(hole[1:-1])

    def fill(self, pieces: tuple[str, ...]) -> str:
        """The name. Raises ValueError where it would compute with a piece that is no number."""
        if self.literal:
            return self.text
        following = iter(pieces)

        def filled(hole: re.Match[str]) -> str:
            text = hole[0]
            if text[0] == "*":
                return next(following)
            return pieces[int(text[1:]) - 1] if text[0] == "$" else str(_value(text[1:-1], pieces))

        return _HOLE.sub(filled, self.text)


def _terms(text: str) -> list[tuple[int, list[str]]]:
    """`3*$1+$2-2` as its (sign, factors). Raises ValueError where it is no sum of products."""
    found = []
    plain = text.replace(" ", "")
    signs = ["+", *re.findall(r"[+-]", plain)]
    for sign, term in zip(signs, re.split(r"[+-]", plain), strict=True):
        factors = term.split("*")
        if not all(_ATOM.fullmatch(factor) and len(factor) <= 10 for factor in factors) or len(factors) > MOST_PIECES:
            raise ValueError(f"'{{{text}}}' is no sum of products of numbers and pieces, such as {{3*$1+$2-2}}")
        found.append((1 if sign == "+" else -1, factors))
    return found


def _value(text: str, pieces: tuple[str, ...]) -> int:
    total = 0
    for sign, factors in _terms(text):
        product = sign
        for factor in factors:
            product *= _number(pieces[int(factor[1:]) - 1]) if factor[0] == "$" else int(factor)
        total += product
    if not 0 <= total <= _LARGEST:
        raise ValueError(f"'{{{text}}}' comes to {total} with {', '.join(pieces)}")
    return total


def _number(piece: str) -> int:
    if not (piece.isascii() and piece.isdigit() and len(piece) < 10):
        raise ValueError(f"'{piece[:60]}' is no number to compute with")
    return int(piece)
