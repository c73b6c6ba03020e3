"""Where a fault is and how it is told: sources, spans, diagnostics and the one exception users see."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property


@dataclass(frozen=True)
class Source:
    """A text that spans point into: a `.net` file, or a string given to the API (`name` is then `<text>`)."""

    name: str
    text: str = field(repr=False, default="")

    @cached_property
    def lines(self) -> list[str]:
        return self.text.split("\n")

    def line(self, number: int) -> str:
        """Line `number`, counted from 1; empty where the text has no such line."""
        return self.lines[number - 1].rstrip("\r") if 0 < number <= len(self.lines) else ""


@dataclass(frozen=True)
class Span:
    """A piece of one line (or from a line to a later one): lines and columns count from 1, `end_column` is one past."""

    source: Source = field(repr=False)
    line: int
    column: int
    end_line: int
    end_column: int

    def __str__(self) -> str:
        return f"{self.source.name}:{self.line}:{self.column}"

    def to(self, other: Span) -> Span:
        """The span from the start of this one to the end of `other`."""
        return Span(self.source, self.line, self.column, other.end_line, other.end_column)


@dataclass(frozen=True)
class Diagnostic:
    """One fault or warning.

    `spans[0]` is the place itself; the others are the callers that led there, innermost first.
    """

    message: str
    spans: tuple[Span, ...] = ()
    severity: str = "error"
    notes: tuple[str, ...] = ()
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.spans[0]}: " if self.spans else "netc: "
        out = [f"{place}{self.severity}: {self.message}"]
        if self.spans:
            out += _excerpt(self.spans[0])
        for caller in self.spans[1:]:
            out.append(f"  in the block used at {caller}:")
            out += _excerpt(caller)
        out += [f"  note: {note}" for note in self.notes]
        if self.hint:
            out.append(f"  hint: {self.hint}")
        return "\n".join(out)


_WIDEST = 160


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
    printable = "".join(c if c.isprintable() else "?" for c in shown)
    return [f"{span.line:4} | {printable}", f"     | {' ' * (start - offset)}{'^' * length}"]


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
    """`did you mean 'conv'?`, as a hint; empty where no option is close to `name`."""
    close = get_close_matches(name, list(options), n=1, cutoff=0.6)
    return f"did you mean '{close[0]}'?" if close else ""
