"""Where a fault is and how it is told: sources, spans, diagnostics and the one exception users see."""

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import NamedTuple


class Source:
    """A text that spans point into: a `.net` file, or a string given to the API (`name` is then `<text>`)."""

    def __init__(self, name: str, text: str = "") -> None:
        self.name, self.text = name, text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Source) and (self.name, self.text) == (other.name, other.text)

    def __hash__(self) -> int:
        return hash((self.name, self.text))

    def __repr__(self) -> str:
        return f"Source({self.name!r})"

    @cached_property
    def lines(self) -> list[str]:
        return self.text.split("\n")

    def line(self, number: int) -> str:
        """Line `number`, counted from 1; empty where the text has no such line."""
        return self.lines[number - 1].rstrip("\r") if 0 < number <= len(self.lines) else ""


class Span(NamedTuple):
    """A piece of one line (or from a line to a later one): lines and columns count from 1, `end_column` is one past."""

    source: Source
    line: int
    column: int
    end_line: int
    end_column: int

    def __str__(self) -> str:
        return f"{self.source.name}:{self.line}:{self.column}"

    def to(self, other: "Span") -> "Span":
        """The span from the start of this one to the end of `other`."""
        return Span(self.source, self.line, self.column, other.end_line, other.end_column)


class Diagnostic(NamedTuple):
    """One fault or warning.

    `spans[0]` is the place itself; the others are the callers that led there, innermost first. `imports` are the
    `import` statements that led to the file that it is in, innermost first.
    """

    message: str
    spans: tuple[Span, ...] = ()
    severity: str = "error"
    notes: tuple[str, ...] = ()
    hint: str = ""
    imports: tuple[Span, ...] = ()

    def __str__(self) -> str:
        place = f"{self.spans[0]}: " if self.spans else "netc: "
        out = [_printable(f"{place}{self.severity}: {self.message}")]
        if self.spans:
            out += _excerpt(self.spans[0])
        for caller in self.spans[1:]:
            out.append(f"  in the block used at {caller}:")
            out += _excerpt(caller)
        for statement in self.imports:
            out.append(f"  imported at {statement}:")
            out += _excerpt(statement)
        out += [_printable(f"  note: {note}") for note in self.notes]
        if self.hint:
            out.append(_printable(f"  hint: {self.hint}"))
        return "\n".join(out)


_WIDEST = 160


def _printable(text: str) -> str:
    """`text` without what would move the cursor or colour the terminal: names come from files of any origin."""
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text)


def _excerpt(span: Span) -> list[str]:
    """The line of a span with carets below it; a very long line is cut around the place."""
    text = span.source.line(span.line).expandtabs(1)
    if not text.strip():
        return []
    end = span.end_column if span.end_line == span.line else len(text) + 1
    start = span.column - 1
    length = max(1, min(end, len(text) + 1) - span.column)
    shown, offset = text, 0
    if len(text) > _WIDEST:
        offset = max(0, start - _WIDEST // 2)
        shown = text[offset : offset + _WIDEST]
        length = max(1, min(length, len(shown) - (start - offset)))
    return [f"{span.line:4} | {_printable(shown)}", f"     | {' ' * (start - offset)}{'^' * length}"]


class NetError(Exception):
    """Something is wrong in the user's file, data or machine. `str(error)` is the whole printed text.

    `diagnostics` holds every fault found in one run; `spans` are those of the first.
    """

    def __init__(self, diagnostics: Diagnostic | Iterable[Diagnostic] | str, *, hint: str = "") -> None:
        if isinstance(diagnostics, str):
            diagnostics = Diagnostic(diagnostics, hint=hint)
        if isinstance(diagnostics, Diagnostic):
            diagnostics = (diagnostics,)
        self.diagnostics: tuple[Diagnostic, ...] = tuple(diagnostics)
        super().__init__("\n".join(map(str, self.diagnostics)))

    @property
    def spans(self) -> tuple[Span, ...]:
        return self.diagnostics[0].spans if self.diagnostics else ()


def error(message: str, *spans: Span, notes: Sequence[str] = (), hint: str = "") -> NetError:
    """A `NetError` of one diagnostic."""
    return NetError(Diagnostic(message, tuple(spans), notes=tuple(notes), hint=hint))


def did_you_mean(name: str, options: Iterable[str]) -> str:
    """`did you mean 'conv'?`, as a hint; empty where no option is really close to `name`."""
    found = closest(name, options)
    return f"did you mean '{found}'?" if found else ""


def closest(name: str, options: Iterable[str]) -> str:
    """The option that `name` was probably meant to be, the first of several; empty where there is none.

    Whatever the case of the letters, that is one at most a slip of the fingers away for every three letters, or one
    that begins with `name`.
    """
    allowed = max(1, len(name) // 3)
    word = name.lower()
    ranked = [(_slips(word, o.lower(), allowed), not o.lower().startswith(word), o) for o in options]
    close = [r for r in ranked if r[0] <= allowed and r[0] < len(r[2])]
    if not close and len(name) >= 3:
        close = [r for r in ranked if not r[1]]
    return min(close, key=lambda r: r[:2])[2] if close else ""


def _slips(a: str, b: str, most: int) -> int:
    """Letters left out, put in, changed or swapped with their neighbour on the way from `a` to `b` (the optimal string
    alignment distance); `most + 1` for anything more."""
    # Every slip changes at most two letters of those that occur.
    if abs(len(a) - len(b)) > most or len(set(a) ^ set(b)) > 2 * most:
        return most + 1
    before: list[int] = []
    last = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        row = [i]
        for j, y in enumerate(b, 1):
            best = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and y == a[i - 2]:
                best = min(best, before[j - 2] + 1)
            row.append(best)
        before, last = last, row
    return min(last[-1], most + 1)
