"""Names: what they stand for, where they were bound, whether anything uses them; and how layers get theirs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from netlang.diagnostics import Span
from netlang.frontend.faults import Fault
from netlang.frontend.values import Instance
from netlang.ir.graph import Value


@dataclass(frozen=True)
class Entry:
    """What a name stands for, and where it was bound (None: by the language itself)."""

    value: Any
    span: Span | None = None


class Scope:
    """Names of a file, a net, a block or a `train` section; `parent` is searched for what is not here."""

    def __init__(self, parent: Scope | None = None) -> None:
        self.parent = parent
        self.entries: dict[str, Entry] = {}

    def find(self, name: str) -> Entry | None:
        """The entry of a name, here or further out."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.entries:
                return scope.entries[name]
            scope = scope.parent
        return None

    def bind(self, name: str, value: Any, span: Span | None = None, *, again: bool = False) -> None:
        """Bind a name here. Raises Fault where it is bound here already, unless `again`."""
        earlier = self.entries.get(name)
        if earlier is not None and not again:
            where = f" in line {earlier.span.line}" if earlier.span else ""
            raise Fault(
                f"'{name}' is bound already{where}",
                hint="a name is bound once; only inside 'for' and 'if' may it be bound again",
                span=span,
            )
        self.entries[name] = Entry(value, span)

    def names(self) -> Iterator[str]:
        """All names that can be seen from here."""
        scope: Scope | None = self
        while scope is not None:
            yield from scope.entries
            scope = scope.parent


class Naming:
    """Gives the layers inside one layer their names: the same names every time the layer is applied."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self._counts: Counter[str] = Counter()
        self._taken: set[str] = set()

    def over(self, instance: Instance) -> Naming:
        """The names of another layer of the same path: none is given twice by the two."""
        other = Naming(instance)
        other._counts, other._taken = self._counts, self._taken
        return other

    def numbered(self, kind: str) -> str:
        """A name for a layer without one: `conv1`, `conv2`."""
        while True:
            self._counts[kind] += 1
            name = f"{kind}{self._counts[kind]}"
            if name not in self._taken:
                self._taken.add(name)
                return name

    def claimed(self, name: str) -> str:
        """`name`, or with a number behind it where another layer has it already: `enc`, `enc_2`."""
        free, count = name, 1
        while free in self._taken:
            count += 1
            free = f"{name}_{count}"
        self._taken.add(free)
        return free

    def take(self, name: str) -> None:
        """Reserve the name of a parameter. Raises Fault where it is taken."""
        if name in self._taken:
            raise Fault(f"'{name}' is the name of another parameter or layer here")
        self._taken.add(name)


@dataclass(eq=False)
class Frame:
    """A body being carried out.

    kind      `file`, `net`, `train` or `block`
    std       it is of the standard library: faults inside are the caller's, and are shown there
    call      where it was applied
    subject   its first tensor, whose history a fault is told with
    inner     how many `if` and `for` are being carried out: names may be bound again there
    broken    an `if` or `for` failed, so names may be missing
    given     what the inputs of a net are that is applied as a layer; None for a net that is elaborated itself
    outputs   of a net, with their places; None stands for one that failed
    """

    kind: str
    name: str
    scope: Scope
    naming: Naming
    std: bool = False
    call: Span | None = None
    subject: Value | None = None
    inner: int = 0
    broken: bool = False
    given: Mapping[str, Any] | None = None
    outputs: dict[str, tuple[Value, Span] | None] = field(default_factory=dict)


@dataclass
class Usage:
    """Which bindings exist and which were ever read, over all elaborations of a file."""

    declared: dict[Span, tuple[str, str]] = field(default_factory=dict)
    used: set[Span] = field(default_factory=set)

    def declare(self, span: Span, name: str, what: str) -> None:
        self.declared.setdefault(span, (name, what))

    def unused(self) -> Iterator[tuple[Span, str, str]]:
        """(place, name, what it is) of everything that nothing reads. Names that begin with `_` may go unread."""
        for span, (name, what) in self.declared.items():
            if span not in self.used and not name.startswith("_"):
                yield span, name, what
