"""A file and the files that it imports, parsed.

What a file can name is found without running anything: its own nets, blocks and constants, and those of the files that
it imports itself. Files are imported from the folder of the one that is compiled and from the folders in it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from netlang.diagnostics import Diagnostic, NetError, Source, Span
from netlang.frontend import ast
from netlang.frontend.faults import Reporter
from netlang.frontend.limits import IMPORTS, IMPORTS_DEEP
from netlang.frontend.parser import parse
from netlang.frontend.reading import read

SUFFIX = ".net"


@dataclass(frozen=True, eq=False)
class Unit:
    """A parsed file, the files it imports, and the `import` statements that led to it, innermost first."""

    source: Source
    file: ast.File
    imports: tuple[tuple[ast.Import, Unit], ...] = ()
    stack: tuple[Span, ...] = ()

    def names(self) -> Iterator[ast.Word]:
        """The names that the file itself defines."""
        for item in self.file.items:
            if isinstance(item, ast.Net | ast.Block):
                yield item.name
            elif isinstance(item, ast.Binding):
                yield from item.names

    def closure(self) -> tuple[Unit, ...]:
        """The file and all that it imports, each once and after those it imports itself."""
        found: dict[Unit, None] = {}
        for _, unit in self.imports:
            found.update(dict.fromkeys(unit.closure()))
        return (*found, self)


def read_unit(source: Source, path: Path | None, reporter: Reporter) -> Unit | None:
    """The file with all that it imports; None where there are faults, which are then in `reporter`.

    `path` is where it lies; None for a text, which can import nothing.
    """
    unit = _Reader(path, reporter).unit(source, path, ())
    return None if reporter.errors else unit


class _Reader:
    def __init__(self, path: Path | None, reporter: Reporter) -> None:
        self.reporter = reporter
        self.folder = path.parent.resolve() if path is not None else None
        self.found: dict[Path, Unit | None] = {}
        self.open: list[tuple[Path, str]] = []

    def unit(self, source: Source, path: Path | None, stack: tuple[Span, ...]) -> Unit | None:
        with self.reporter.importing(stack):
            file = parse(source, self.reporter)
        if file is None:
            return None
        imports: dict[Unit, ast.Import] = {}
        self.open.append((path.resolve() if path is not None else Path(), source.name))
        for item in file.items:
            if isinstance(item, ast.Import):
                found = self._imported(item, path, stack, imports)
                if found is not None:
                    imports[found] = item
        self.open.pop()
        return Unit(source, file, tuple((item, found) for found, item in imports.items()), stack)

    def _imported(
        self, item: ast.Import, path: Path | None, stack: tuple[Span, ...], before: dict[Unit, ast.Import]
    ) -> Unit | None:
        """The file of an `import` statement; None, and a fault there, where it cannot be had."""
        with self.reporter.importing(stack):
            span = item.path.span
            try:
                place = self._place(item.path.text[1:-1], path)
                if place not in self.found:
                    name = os.path.normpath(os.path.join(os.path.dirname(span.source.name), item.path.text[1:-1]))
                    self.found[place] = self.unit(read(place, name), place, (span, *stack))
            except (NetError, _Refused) as refused:
                told = refused.diagnostics[0] if isinstance(refused, NetError) else Diagnostic(*refused.args)
                self.reporter.add(Diagnostic(told.message, (span,), hint=told.hint))
                return None
            found = self.found[place]
            if found in before:
                message = f"{item.path.text} is imported already in line {before[found].span.line}"
                self.reporter.add(Diagnostic(message, (span,)))
                return None
            return found

    def _place(self, text: str, path: Path | None) -> Path:
        """The file that is meant. Raises _Refused where none may be."""
        if path is None or self.folder is None:
            raise _refused("a text cannot import a file: there is no folder to look in", "save the text as a file")
        if not text:
            raise _refused("the path of the file to import is empty", f'for example import "blocks{SUFFIX}"')
        if os.path.isabs(text) or text.startswith("~"):
            raise _refused(f"'{text}' is no path from this file's folder", f'for example import "blocks{SUFFIX}"')
        try:
            place = (path.parent / text).resolve()
            is_folder = place.is_dir()
        except (OSError, ValueError, RuntimeError) as error:
            raise _refused(f"'{text}' cannot be read: {error}") from None
        if not place.is_relative_to(self.folder):
            hint = "files are imported from the folder of the file that is compiled, and from the folders in it"
            raise _refused(f"'{text}' leads out of the folder {self.folder.name}", hint)
        if is_folder:
            raise _refused(f"'{text}' is a folder", "import the files in it one by one")
        if place.suffix != SUFFIX:
            raise _refused(f"'{text}' is no {SUFFIX} file", f"what is imported are {SUFFIX} files")
        ring = (
            [name for known, name in self.open[[p for p, _ in self.open].index(place) :]]
            if self._is_open(place)
            else []
        )
        if ring:
            raise _refused(f"the files import each other in a ring: {' -> '.join([*ring, ring[0]])}")
        if len(self.open) > IMPORTS_DEEP or len(self.found) >= IMPORTS:
            raise _refused(f"too much is imported: more than {IMPORTS} files, or {IMPORTS_DEEP} one inside the other")
        return place

    def _is_open(self, place: Path) -> bool:
        return any(known == place for known, _ in self.open)


class _Refused(Exception):
    """(message, spans, severity, notes, hint) of the diagnostic of an import that is not carried out."""


def _refused(message: str, hint: str = "") -> _Refused:
    return _Refused(message, (), "error", (), hint)
