"""A table applied to the names of a file: what becomes of every tensor, before any is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from netlang.diagnostics import Diagnostic, NetError
from netlang.runtime.mapping.patterns import Pattern
from netlang.runtime.mapping.table import MOST_FAULTS, Rule, Table

EMPTY = Table("", ())


@dataclass(frozen=True)
class Made:
    """A tensor of the result: the sum of these of the file, with axes in another order (see `Rule.axes`).

    `line`: of the table; 0 where a tensor stays as it is, or was found by order and shape.
    """

    sources: tuple[str, ...]
    axes: tuple[int, ...] | None = None
    line: int = 0


@dataclass
class Renamed:
    """What becomes of the tensors of a file: `made` by their new names, `dropped` by their old ones with the line that
    says so, `idle` the rules that match none of them."""

    table: str
    made: dict[str, Made] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)
    idle: list[Rule] = field(default_factory=list)


Terms = dict[tuple[Rule, tuple[str, ...]], dict[Pattern, str]]
"""Tensors that a rule makes one of: by the pattern, for the same pieces of their names."""


def rename(names: Iterable[str], table: Table = EMPTY) -> Renamed:
    """Apply the first rule that matches to every name.

    Raises NetError that lists names of which two tensors would be made, sums that lack a term, and pieces that are no
    numbers to compute with.
    """
    found, terms = Renamed(table.name), Terms()
    faults: list[Diagnostic] = []

    def add(name: str, made: Made) -> None:
        first = found.made.setdefault(name, made)
        if first is not made:
            what = f"{_told(found, first)}, and {_told(found, made)}"
            faults.append(Diagnostic(f"two tensors would be '{name}': {what}"))

    finder = Finder(table)
    for name in names:
        match = finder.find(name)
        if match is None:
            add(name, Made((name,)))
            continue
        rule, pattern, pieces = match
        if rule.target is None:
            found.dropped[name] = rule.line
        elif pattern in (there := terms.setdefault((rule, pieces), {})):
            faults.append(Diagnostic(f"{table.name}:{rule.line}: '{there[pattern]}' and '{name}' are the same term"))
        else:
            there[pattern] = name
    for (rule, pieces), there in terms.items():
        try:
            add(*_made(rule, pieces, there))
        except ValueError as fault:
            faults.append(Diagnostic(f"{table.name}:{rule.line}: {fault}"))
    if faults:
        raise NetError(faults[:MOST_FAULTS])
    used = {rule.line for rule, _ in terms} | set(found.dropped.values())
    found.idle = [rule for rule in table.rules if rule.line not in used]
    return found


def _made(rule: Rule, pieces: tuple[str, ...], there: Mapping[Pattern, str]) -> tuple[str, Made]:
    assert rule.target is not None
    missing = [pattern.text for pattern in rule.sources if pattern not in there]
    if missing:
        raise ValueError(f"the sum with '{next(iter(there.values()))}' lacks a tensor '{missing[0]}'")
    return rule.target.fill(pieces), Made(tuple([there[pattern] for pattern in rule.sources]), rule.axes, rule.line)


def _told(found: Renamed, made: Made) -> str:
    what = " + ".join(f"'{name}'" for name in made.sources)
    return f"{what} by line {made.line} of {found.table}" if made.line else f"{what}, which no line renames"


class Finder:
    """Finds the first rule that matches a name, without trying those that stand for one name alone."""

    def __init__(self, table: Table) -> None:
        self._exact: dict[str, tuple[Rule, Pattern]] = {}
        self._wild: list[tuple[Rule, Pattern]] = []
        for rule in table.rules:
            for pattern in rule.sources:
                if pattern.pieces:
                    self._wild.append((rule, pattern))
                else:
                    self._exact.setdefault(pattern.text, (rule, pattern))

    def find(self, name: str) -> tuple[Rule, Pattern, tuple[str, ...]] | None:
        """(rule, the pattern of it that matches, the pieces)"""
        exact = self._exact.get(name)
        for rule, pattern in self._wild:
            if exact is not None and rule.line > exact[0].line:
                break
            pieces = pattern.match(name)
            if pieces is not None:
                return rule, pattern, pieces
        return None if exact is None else (*exact, ())
