"""What a file consists of, before anything in it is carried out: nets, phases of training, and the names they have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from netlang.diagnostics import Diagnostic, Span, did_you_mean
from netlang.frontend import ast
from netlang.frontend.faults import Reporter
from netlang.frontend.units import Unit


@dataclass(frozen=True)
class Phase:
    """A `train` section and the net it trains; its name is empty where the file has only this one."""

    name: str
    item: ast.Train
    net: ast.Net


@dataclass(frozen=True)
class Plan:
    """The items of a file, sorted.

    phases        `train` sections with a loss, in the order of the text
    alternations  `train` sections that let others take turns
    settings      values from outside for constants and for parameters of nets, by name
    """

    unit: Unit
    nets: tuple[ast.Net, ...]
    phases: tuple[Phase, ...]
    alternations: tuple[ast.Train, ...]
    settings: Mapping[str, Any]


def settable(file: ast.File) -> Iterator[str]:
    """The names that can be given values from outside."""
    for item in file.items:
        if isinstance(item, ast.Binding):
            yield from (word.text for word in item.names)
        elif isinstance(item, ast.Net):
            yield from (parameter.name.text for parameter in item.parameters or ())


def plan_of(unit: Unit, reporter: Reporter, settings: Mapping[str, Any]) -> Plan:
    """The plan of a file. Faults go to `reporter`."""
    return _Planner(unit, reporter).plan(settings)


class _Planner:
    def __init__(self, unit: Unit, reporter: Reporter) -> None:
        self.unit, self.reporter = unit, reporter
        self.nets = {i.name.text: i for i in unit.file.items if isinstance(i, ast.Net)}

    def fault(self, message: str, span: Span, hint: str = "") -> None:
        self.reporter.add(Diagnostic(message, (span,), hint=hint))

    def plan(self, settings: Mapping[str, Any]) -> Plan:
        for unit in self.unit.closure():
            with self.reporter.importing(unit.stack):
                check_names(unit, self.reporter)
        if not self.nets:
            start = Span(self.unit.source, 1, 1, 1, 1)
            self.fault("there is no net in this file", start, "a net is written: net name { ... }")
        phases: list[Phase] = []
        alternations: list[ast.Train] = []
        for above, item in self._train_sections():
            if any(isinstance(s, ast.Alternate) for s in item.body):
                alternations.append(item)
                if item.name is None or item.net is not None:
                    hint = "it is written: train both { alternate one, other }"
                    self.fault("a train section that alternates has a name and no net of its own", head(item), hint)
            elif (net := self._trained(above, item)) is not None:
                phases.append(Phase(item.name.text if item.name else "", item, net))
        return Plan(self.unit, tuple(self.nets.values()), tuple(phases), tuple(alternations), settings)

    def _train_sections(self) -> Iterator[tuple[ast.Net | None, ast.Train]]:
        """Every `train` section with the net above it; several have names of their own."""
        above: ast.Net | None = None
        seen: dict[str, int] = {}
        sections = [item for item in self.unit.file.items if isinstance(item, ast.Train)]
        for item in self.unit.file.items:
            if isinstance(item, ast.Net):
                above = item
            if not isinstance(item, ast.Train):
                continue
            if item.name is None and len(sections) > 1:
                self.fault("one of several train sections needs a name", head(item), "for example: train pretrain {")
            elif item.name is not None and item.name.text in seen:
                self.fault(
                    f"there is a train section '{item.name.text}' in line {seen[item.name.text]}", item.name.span
                )
            if item.name is not None:
                seen.setdefault(item.name.text, item.span.line)
            yield above, item

    def _trained(self, above: ast.Net | None, item: ast.Train) -> ast.Net | None:
        if item.net is None:
            if above is None:
                self.fault("a train section stands below the net it trains", head(item))
            return above
        if item.net.text not in self.nets:
            hint = did_you_mean(item.net.text, self.nets) or f"there are {', '.join(self.nets) or 'none'}"
            self.fault(f"there is no net '{item.net.text}' in this file", item.net.span, hint)
        return self.nets.get(item.net.text)


def head(item: ast.Train) -> Span:
    """The word `train` of a section."""
    return Span(item.span.source, item.span.line, item.span.column, item.span.line, item.span.column + 5)


# ---- names


def check_names(unit: Unit, reporter: Reporter) -> None:
    """Names of nets and blocks, and of each one's parameters, are given once, and none is imported besides."""
    seen: dict[str, Span] = {}
    for item in unit.file.items:
        if not isinstance(item, ast.Net | ast.Block):
            continue
        words = [item.name, *(p.name for p in item.parameters or ())]
        if item.name.text in seen:
            message = f"'{item.name.text}' is defined already in line {seen[item.name.text].line}"
            reporter.add(Diagnostic(message, (item.name.span,)))
        seen.setdefault(item.name.text, item.name.span)
        names = [w.text for w in words[1:]]
        for place, word in enumerate(words[1:]):
            if word.text in names[:place]:
                reporter.add(Diagnostic(f"there is a parameter '{word.text}' already", (word.span,)))
    _check_imported(unit, reporter)


def _check_imported(unit: Unit, reporter: Reporter) -> None:
    own = {word.text: word.span.line for word in reversed([*unit.names()])}
    imported: dict[str, str] = {}
    for statement, other in unit.imports:
        file = statement.path.text
        for name in dict.fromkeys(word.text for word in other.names()):
            hint = "one of the two needs another name"
            if name in own:
                message = f"'{name}' of {file} is defined in this file too, in line {own[name]}"
                reporter.add(Diagnostic(message, (statement.path.span,), hint=hint))
            elif name in imported:
                message = f"'{name}' of {file} comes from {imported[name]} too"
                reporter.add(Diagnostic(message, (statement.path.span,), hint=hint))
            imported.setdefault(name, file)
