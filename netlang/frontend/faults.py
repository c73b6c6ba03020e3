"""How a fault travels from where it is noticed to where it is reported."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from lark import Token

from netlang.diagnostics import Diagnostic, Span


class SyntaxFault(Exception):
    """The text is no `.net` file from `token` on."""

    def __init__(self, message: str, token: Token, hint: str = "", length: int | None = None) -> None:
        super().__init__(message)
        self.token = token
        self.hint = hint
        self.length = len(token) if length is None else length


class Fault(Exception):
    """Something is wrong with what is being evaluated. Without a `span` it is the expression at hand."""

    def __init__(self, message: str, *, hint: str = "", span: Span | None = None, notes: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.hint = hint
        self.span = span
        self.notes = tuple(notes)


class Located(Exception):
    """A fault with its place and the blocks around it, on its way to the statement that will record it."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.message)
        self.diagnostic = diagnostic


class Silenced(Exception):
    """What is being evaluated depends on something whose fault is recorded already."""


class Stop(Exception):
    """A limit was passed: the fault is recorded, and nothing more can be found out about this file."""


class Reporter:
    """Collects diagnostics; the same fault found on two ways (training, evaluation) is kept once."""

    MOST = 50
    """Errors that are told of one file: nobody reads more, and each asks for what was probably meant."""

    def __init__(self) -> None:
        self._found: dict[tuple[object, ...], Diagnostic] = {}
        self._imports: tuple[Span, ...] = ()

    @contextmanager
    def importing(self, stack: tuple[Span, ...]) -> Iterator[None]:
        """Faults told meanwhile are those of a file that these `import` statements led to, innermost first."""
        before, self._imports = self._imports, stack
        try:
            yield
        finally:
            self._imports = before

    def add(self, diagnostic: Diagnostic) -> None:
        place = diagnostic.spans[0] if diagnostic.spans else None
        key = (str(place), diagnostic.message, diagnostic.severity)
        self._found.setdefault(key, diagnostic._replace(imports=self._imports) if self._imports else diagnostic)

    def clear(self) -> None:
        """Forget what was found."""
        self._found.clear()

    def of(self, severity: str) -> tuple[Diagnostic, ...]:
        """The diagnostics of a severity, in the order of the text; those of another file stand together."""
        found = [d for d in self._found.values() if d.severity == severity]
        files = {source: place for place, source in reversed([*enumerate(d.spans[0].source for d in found if d.spans)])}
        return tuple(sorted(found, key=lambda d: (files[d.spans[0].source] if d.spans else 0, *_order(d))))

    @property
    def full(self) -> bool:
        """Whether there are as many errors as will be told."""
        return len(self._found) >= self.MOST and len(self.errors) >= self.MOST

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        return self.of("error")

    @property
    def warnings(self) -> tuple[Diagnostic, ...]:
        return self.of("warning")


def _order(diagnostic: Diagnostic) -> tuple[int, int]:
    return (diagnostic.spans[0].line, diagnostic.spans[0].column) if diagnostic.spans else (0, 0)
