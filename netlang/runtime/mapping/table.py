"""The table that says what the tensors of a file are called in a net: one rule a line, the first that matches counts.

    # a comment
    conv1.weight                      -> stem.weight
    layer*.*.conv*.weight             -> basic{3*$1+$2-2}.unit$3.conv1.weight
    fc.kernel                         -> dense1.weight transpose
    conv.kernel                       -> conv1.weight transpose(3, 2, 0, 1)
    lstm.bias_ih_l* + lstm.bias_hh_l* -> lstm{$1+1}.cell.bias
    drop **.num_batches_tracked

A name in double quotes, as JSON has them, stands for itself. A name that no line matches stays as it is.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from netlang.diagnostics import Diagnostic, NetError, Source, Span, did_you_mean
from netlang.runtime.mapping.patterns import Pattern, Template

LARGEST_FILE = 1 << 20
MOST_RULES = 10_000
LONGEST_LINE = 2_000
MOST_TERMS = 8
"""Tensors of a sum."""
MOST_AXES = 32
MOST_FAULTS = 20

_TOKEN = re.compile(r'\s*(?:(?P<quoted>"(?:[^"\\]|\\.)*")|(?P<comment>#.*)|(?P<word>(?:\{[^{}]*\}|[^\s{}"])+))')
_TRANSPOSE = re.compile(r"transpose(?:\s*\(([\d\s,]*)\))?")


@dataclass(frozen=True)
class Rule:
    """One line: tensors of these names, added up where there are several, are what `target` says, None where they are
    left out. `axes`: None as they are, () with the last two exchanged, else as `numpy.transpose` takes them."""

    line: int
    sources: tuple[Pattern, ...]
    target: Template | None
    axes: tuple[int, ...] | None = None
    text: str = field(default="", compare=False)


@dataclass(frozen=True)
class Table:
    """`name`: where it was read from."""

    name: str
    rules: tuple[Rule, ...]


def read_table(path: str | os.PathLike[str]) -> Table:
    """Raises NetError where a file cannot be read or is no table."""
    try:
        with Path(path).open("rb") as file:
            body = file.read(LARGEST_FILE + 1)
        if len(body) > LARGEST_FILE:
            raise NetError(f"{path} is no table of names: it has more than {LARGEST_FILE:,} bytes")
        text = body.decode()
    except OSError as fault:
        raise NetError(f"cannot read the table {path}: {fault.strerror or fault}") from fault
    except UnicodeDecodeError as fault:
        raise NetError(f"{path} is no table of names: it is no text in UTF-8") from fault
    except ValueError as fault:  # a path that cannot be one
        raise NetError(f"cannot read the table {str(path)!r}: {fault}") from fault
    return parse_table(Source(str(path), text))


def parse_table(source: Source) -> Table:
    """Raises NetError that lists every line that is no rule."""
    rules, faults = [], []
    seen: dict[tuple[str, bool], int] = {}
    for number, line in enumerate(source.lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        try:
            rule = _rule(number, text)
            for pattern in rule.sources:
                first = seen.setdefault((pattern.text, pattern.literal), number)
                if first != number:
                    raise ValueError(f"line {first} says already what becomes of '{pattern.text}'")
            rules.append(rule)
        except ValueError as fault:
            begin = len(line) - len(line.lstrip()) + 1
            span = Span(source, number, begin, number, begin + min(len(text), LONGEST_LINE))
            faults.append(Diagnostic(str(fault), (span,), hint=_hint(text)))
        if len(faults) == MOST_FAULTS or len(rules) > MOST_RULES:
            break
    if len(rules) > MOST_RULES:
        raise NetError(f"{source.name} has more than {MOST_RULES:,} rules")
    if faults:
        raise NetError(faults)
    return Table(source.name, tuple(rules))


def _hint(text: str) -> str:
    first = text.split(maxsplit=1)[0]
    if "->" in text or first == "drop":
        return ""
    meant = did_you_mean(first, ("drop",))
    return meant or "a line is 'name -> name', 'name + name -> name', either with 'transpose', or 'drop name'"


def _rule(number: int, text: str) -> Rule:
    """Raises ValueError where a line is no rule."""
    if len(text) > LONGEST_LINE:
        raise ValueError(f"the line has {len(text):,} characters, more than {LONGEST_LINE:,}")
    tokens = list(_tokens(text))
    words = [None if quoted else word for word, quoted, _ in tokens]
    if words[0] == "drop" and "->" not in words:
        if len(tokens) != 2:
            raise ValueError("'drop' is followed by one name")
        return Rule(number, (_pattern(*tokens[1][:2]),), None, text=text)
    if words.count("->") != 1:
        raise ValueError("a rule has one ->")
    arrow = words.index("->")
    left, right = tokens[:arrow], tokens[arrow + 1 :]
    if not right or words[arrow + 1] == "+":
        raise ValueError("a name is missing on the right of ->")
    if len(left) % 2 == 0 or any((words[i] == "+") != (i % 2 == 1) for i in range(arrow)):
        raise ValueError("on the left of -> stands a name, or several with + between them")
    sources = tuple([_pattern(*token[:2]) for token in left[::2]])
    if len(sources) > MOST_TERMS:
        raise ValueError(f"a sum has at most {MOST_TERMS} terms")
    if len(set(sources)) < len(sources):
        raise ValueError("a sum takes a tensor twice")
    if len({pattern.pieces for pattern in sources}) > 1:
        raise ValueError("the terms of a sum have the same wildcards, which stand for the same")
    if words[arrow + 1] == "drop":
        raise ValueError("what is left out is written 'drop name'")
    target = Template(*right[0][:2])
    target.check(sources[0].pieces)
    return Rule(number, sources, target, _axes(text[right[0][2] :], bool(right[1:])), text)


def _tokens(text: str) -> Iterator[tuple[str, bool, int]]:
    """(word, whether it was quoted, where it ends) until a comment begins."""
    place = 0
    while place < len(text.rstrip()):
        found = _TOKEN.match(text, place)
        if found is None:
            raise ValueError(f"'{text[place : place + 20].strip()}' is no name: quotes and brackets come in pairs")
        place = found.end()
        if found["comment"] is not None:
            return
        if found["quoted"] is not None:
            yield _quoted(found["quoted"]), True, place
        else:
            yield found["word"], False, place


def _quoted(text: str) -> str:
    try:
        return str(json.loads(text))
    except ValueError:
        raise ValueError(f"{text} is no name as JSON quotes it") from None


def _pattern(text: str, literal: bool) -> Pattern:
    pattern = Pattern(text, literal)
    pattern.check()
    return pattern


def _axes(text: str, more: bool) -> tuple[int, ...] | None:
    """What stands behind the name on the right."""
    if not more:
        return None
    found = _TRANSPOSE.fullmatch(re.split(r"\s#", text)[0].strip())
    if found is None:
        raise ValueError(f"behind the name may stand 'transpose' or 'transpose(1, 0)', not '{text.strip()[:60]}'")
    if found[1] is None:
        return ()
    numbers = [part.strip() for part in found[1].split(",")]
    if not all(n.isdigit() and len(n) < 3 for n in numbers) or sorted(map(int, numbers)) != list(range(len(numbers))):
        raise ValueError(f"'{found[0]}' is no order of axes, such as transpose(3, 2, 0, 1)")
    return tuple(map(int, numbers))
