"""Numbers that depend on sizes, as data: a table whose entries refer to earlier ones, evaluated in one go.

An entry is a whole number, the name of a size, or a list: an operation and the places of its operands.

    ["+", a, b]  "-"  "*"           and floor division "//" and "%", which give 0 where the divisor is 0
    ["<", a, b]  "<="  "=="         1 or 0
    ["?", c, a, b]                  a where c is not 0, else b
    ["steps", a, starts, values]    the last of the values whose start is not above a
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

Sizes = Mapping[str, int]

OPERATIONS: dict[str, Callable[[int, int], int]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "//": lambda a, b: a // b if b else 0,
    "%": lambda a, b: a % b if b else 0,
    "<": lambda a, b: int(a < b),
    "<=": lambda a, b: int(a <= b),
    "==": lambda a, b: int(a == b),
}


def evaluate_all(entries: Sequence[Any], sizes: Sizes, known: Sequence[int] = ()) -> list[int]:
    """What every entry is for these sizes; the first of them are `known`. Raises KeyError for a size that is not
    given."""
    found = list(known)
    for entry in entries[len(known) :]:
        if isinstance(entry, int):
            found.append(entry)
        elif isinstance(entry, str):
            found.append(sizes[entry])
        elif entry[0] == "?":
            found.append(found[entry[2]] if found[entry[1]] else found[entry[3]])
        elif entry[0] == "steps":
            found.append(entry[3][max(0, bisect_right(entry[2], found[entry[1]]) - 1)])
        else:
            found.append(OPERATIONS[entry[0]](found[entry[1]], found[entry[2]]))
    return found


def check_entries(entries: Sequence[Any], sizes: Collection[str]) -> None:
    """Raises ValueError unless every entry is one of those above, refers to earlier ones, and asks for known sizes."""
    for place, entry in enumerate(entries):
        if not (type(entry) is int or (isinstance(entry, str) and entry in sizes) or _is_operation(entry, place)):
            raise ValueError(f"{entry!r} is no number that follows from sizes")


def _is_operation(entry: Any, place: int) -> bool:
    if not isinstance(entry, list) or not entry:
        return False
    operation, *rest = entry
    if operation == "steps":
        first, starts, values = rest
        rest = [first]
        steps = len(starts) == len(values) > 0 and all(type(n) is int for n in (*starts, *values))
        if not steps or sorted(starts) != starts:
            return False
    elif len(rest) != (3 if operation == "?" else 2) or (operation != "?" and operation not in OPERATIONS):
        return False
    return all(type(n) is int and 0 <= n < place for n in rest)


class Evaluated(Mapping[str, int]):
    """Sizes by name, and with them what every entry of a table is for them."""

    def __init__(self, entries: Sequence[Any], sizes: Sizes) -> None:
        self._sizes = sizes
        self.values_of_entries = evaluate_all(entries, sizes)

    def __getitem__(self, name: str) -> int:
        return self._sizes[name]

    def __iter__(self) -> Any:
        return iter(self._sizes)

    def __len__(self) -> int:
        return len(self._sizes)


class Entry:
    """The number that an entry is, as programs take it: a function of sizes, which must be `Evaluated`."""

    def __init__(self, place: int) -> None:
        self._place = place

    def __call__(self, sizes: Sizes) -> int:
        assert isinstance(sizes, Evaluated)
        return sizes.values_of_entries[self._place]
