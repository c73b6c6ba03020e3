"""From numbers that are functions of sizes to entries of a table: a function is carried out with sizes that note what
is done with them.

Where it asks which of two such numbers is the smaller, it is carried out once for each answer, and the entry chooses
between the two results: `min(N, 4)` becomes `? (< 4 N) 4 N`. What it cannot be asked in this way, such as a search that
looks numbers up by size, is tabulated for sizes up to a largest one. Either way the entry is compared with the function
for some sizes before anything is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

from netlang.backends.common.numbers import Number, evaluated
from netlang.backends.cpu.artifact.formulas import OPERATIONS, evaluate_all
from netlang.diagnostics import NetError

MOST_PATHS = 1024
"""Answers that a function may make a difference by, and still be written down with all of them."""
LARGEST = 1024
"""What is tabulated is tabulated up to this size where nobody says more."""
_TRIED = (0, 1, 2, 3, 5, 16, 33, 100, 257)


class Recording:
    """A table of entries that grows. `largest` says for which sizes it holds, where that is not all."""

    def __init__(self, symbols: list[str], largest: Mapping[str, int]) -> None:
        self.entries: list[Any] = []
        self.largest: dict[str, int] = {}
        self._wanted = largest
        self._samples: list[tuple[dict[str, int], list[int]]] = [(sizes, []) for sizes in _samples(symbols)]
        """Sizes to compare for, each with what the entries so far are for them."""
        self._places: dict[Any, int] = {}
        self._known: dict[Any, int | list[Any]] = {}

    def add(self, number: Number) -> int | list[Any]:
        """A number as programs are written down with it: itself, or `["n", place]`."""
        if isinstance(number, int):
            return number
        if number not in self._known:
            made = self._made(number)
            self._known[number] = made if isinstance(made, int) else ["n", made.place]
        return self._known[number]

    def place(self, entry: Any) -> int:
        """Where an entry is, which is added unless it is there."""
        key = repr(entry)
        if key not in self._places:
            self._places[key] = len(self.entries)
            self.entries.append(entry)
        return self._places[key]

    def _made(self, number: Number) -> int | Traced:
        try:
            made = _Paths(self, number).explored([])
        except (TypeError, AttributeError, _TooMany):
            made = self._tabulated(number)
        self._compare(number, made)
        return made

    def _tabulated(self, number: Number) -> int | Traced:
        asked = _Asked()
        evaluated(number, asked)
        if len(asked.names) != 1:
            sizes = ", ".join(sorted(asked.names))
            raise NetError(f"the code of this net chooses by {sizes} together in a way that cannot be written down")
        (name,) = asked.names
        largest = self._wanted.get(name, LARGEST)
        self.largest[name] = largest
        starts: list[int] = []
        values: list[int] = []
        for size in range(largest + 1):
            value = evaluated(number, {name: size})
            if not values or values[-1] != value:
                starts.append(size)
                values.append(value)
        if len(values) == 1:
            return values[0]
        return Traced(self, self.place(["steps", self.place(name), starts, values]))

    def _compare(self, number: Number, made: int | Traced) -> None:
        """Raises RuntimeError where the entry is another number than the function."""
        for sizes, known in self._samples:
            if any(sizes[name] > most for name, most in self.largest.items()):
                continue
            known += evaluate_all(self.entries, sizes, known)[len(known) :]
            found = made if isinstance(made, int) else known[made.place]
            if found != evaluated(number, sizes):
                raise RuntimeError(f"a number was recorded wrongly: {found} for {sizes}")


def _samples(symbols: list[str]) -> Iterator[dict[str, int]]:
    count = len(_TRIED) if len(symbols) == 1 else 4
    for sizes in product(_TRIED[:count], repeat=len(symbols)):
        yield dict(zip(symbols, sizes, strict=True))


class _Asked(dict[str, int]):
    """Sizes that note which of them are asked for."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def __missing__(self, name: str) -> int:
        self.names.add(name)
        return 1


class _TooMany(Exception):
    """There are more paths than anybody wants to write down."""


class _Paths:
    """The ways through one function: `answers` are those of the way that is being gone."""

    def __init__(self, recording: Recording, number: Number) -> None:
        self.recording, self.number = recording, number
        self.answers: dict[int, bool] = {}
        self.asked: list[int] = []
        self.count = 0

    def explored(self, given: list[tuple[int, bool]]) -> int | Traced:
        """The function's result after these answers, whatever the others are."""
        self.count += 1
        if self.count > MOST_PATHS:
            raise _TooMany
        self.answers, self.asked = dict(given), []
        sizes = _TracedSizes(self)
        found: Any = evaluated(self.number, sizes)
        if not isinstance(found, int | Traced):
            raise TypeError(f"{found!r} is no whole number")
        result: int | Traced = int(found) if isinstance(found, int) else found
        asked = list(self.asked)
        for i in reversed(range(len(asked))):
            before = [*given, *((c, True) for c in asked[:i])]
            other = self.explored([*before, (asked[i], False)])
            result = self._choice(asked[i], result, other)
        return result

    def _choice(self, condition: int, one: int | Traced, other: int | Traced) -> int | Traced:
        first, second = (self.place(x) for x in (one, other))
        if first == second:
            return one
        return Traced(self.recording, self.recording.place(["?", condition, first, second]), self)

    def place(self, number: int | Traced) -> int:
        return number.place if isinstance(number, Traced) else self.recording.place(int(number))

    def answer(self, condition: int) -> bool:
        if condition not in self.answers:
            self.answers[condition] = True
            self.asked.append(condition)
        return self.answers[condition]


class _TracedSizes(dict[str, int]):
    def __init__(self, paths: _Paths) -> None:
        self._paths = paths

    def __missing__(self, name: str) -> Any:
        return Traced(self._paths.recording, self._paths.recording.place(name), self._paths)


class Traced:
    """A number that is the entry at `place`."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, recording: Recording, place: int, paths: _Paths | None = None) -> None:
        self.place, self._recording, self._paths = place, recording, paths

    def _with(self, operation: str, other: Any, swapped: bool = False) -> Any:
        if not isinstance(other, int | Traced):
            return NotImplemented
        assert self._paths is not None
        places = (self.place, self._paths.place(other))
        first, second = reversed(places) if swapped else places
        known = self._recording.entries[first], self._recording.entries[second]
        if all(isinstance(x, int) for x in known):
            return OPERATIONS[operation](*known)
        return Traced(self._recording, self._recording.place([operation, first, second]), self._paths)

    def _asked(self, operation: str, other: Any, swapped: bool = False) -> Any:
        found = self._with(operation, other, swapped)
        if isinstance(found, Traced):
            assert self._paths is not None
            return self._paths.answer(found.place)
        return found if found is NotImplemented else bool(found)

    def __add__(self, other: Any) -> Any:
        return self._with("+", other)

    def __radd__(self, other: Any) -> Any:
        return self._with("+", other, swapped=True)

    def __sub__(self, other: Any) -> Any:
        return self._with("-", other)

    def __rsub__(self, other: Any) -> Any:
        return self._with("-", other, swapped=True)

    def __mul__(self, other: Any) -> Any:
        return self._with("*", other)

    def __rmul__(self, other: Any) -> Any:
        return self._with("*", other, swapped=True)

    def __floordiv__(self, other: Any) -> Any:
        return self._with("//", other)

    def __rfloordiv__(self, other: Any) -> Any:
        return self._with("//", other, swapped=True)

    def __mod__(self, other: Any) -> Any:
        return self._with("%", other)

    def __rmod__(self, other: Any) -> Any:
        return self._with("%", other, swapped=True)

    def __neg__(self) -> Any:
        return self._with("-", 0, swapped=True)

    def __lt__(self, other: Any) -> Any:
        return self._asked("<", other)

    def __le__(self, other: Any) -> Any:
        return self._asked("<=", other)

    def __gt__(self, other: Any) -> Any:
        return self._asked("<", other, swapped=True)

    def __ge__(self, other: Any) -> Any:
        return self._asked("<=", other, swapped=True)

    def __eq__(self, other: Any) -> Any:
        return self._asked("==", other)

    def __ne__(self, other: Any) -> Any:
        found = self._asked("==", other)
        return found if found is NotImplemented else not found

    def __bool__(self) -> bool:
        return bool(self != 0)
