"""A whole file: its nets and the phases of their training, each elaborated on its own.

Every one is elaborated twice, in evaluation and in training mode, so that faults show wherever they are. The inference
graph is the first part of the evaluation: what was there before the `train` section began.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from netlang.frontend.elaboration import Elaboration
from netlang.frontend.faults import Reporter, Stop
from netlang.frontend.phases import alternation, spec
from netlang.frontend.plan import Phase, Plan, plan_of, settable
from netlang.frontend.scope import Usage
from netlang.frontend.settings import settings
from netlang.frontend.sharing import Seen, share
from netlang.frontend.units import Unit
from netlang.frontend.warn import warn
from netlang.ir.graph import Graph, Value
from netlang.ir.module import Alternation, Module, TrainSpec


def elaborate(unit: Unit, reporter: Reporter, arguments: Mapping[str, Any]) -> Module | None:
    """The module of a parsed file; None where it has faults, which are then in `reporter`.

    Raises NetError for arguments that the file does not take.
    """
    given = settings(arguments, settable(unit.file), unit.source.name)
    plan = plan_of(unit, reporter, given)
    made = _Made(plan, reporter)
    try:
        made.elaborate()
    except Stop:
        return None
    if reporter.errors:
        return None
    sharing = share(made.seen, reporter)
    if reporter.errors:
        return None
    warn(made.usage, made.roots, reporter)
    return Module(
        source=unit.source,
        nets=made.nets,
        phases={name: replace(s, names=sharing.of(seen)) for name, (s, seen) in made.specs.items()},
        alternations=made.alternations,
        warnings=reporter.warnings,
        arguments=given,
        names={seen.net: sharing.of(seen) for seen in made.seen if seen.is_net},
        weights=sharing.weights,
        imported=tuple(u.source for u in unit.closure() if u is not unit),
        bound=made.bound,
    )


class _Made:
    """What has been elaborated of a file so far."""

    def __init__(self, plan: Plan, reporter: Reporter) -> None:
        self.plan, self.reporter = plan, reporter
        self.usage = Usage()
        self.nets: dict[str, Graph] = {}
        self.bound: dict[str, dict[str, Value]] = {}
        self.specs: dict[str, tuple[TrainSpec, Seen]] = {}
        self.alternations: dict[str, Alternation] = {}
        self.seen: list[Seen] = []
        self.roots: list[Graph] = []

    def elaborate(self) -> None:
        """All nets and phases. Raises Stop where a limit was passed."""
        for net in self.plan.nets:
            name = net.name.text
            phases: list[Phase | None] = [p for p in self.plan.phases if p.net is net]
            for phase in phases or [None]:
                evaluation, training = (
                    Elaboration(self.plan, net, phase, mode, self.reporter, self.usage) for mode in (False, True)
                )
                self.roots += [evaluation.graph, training.graph]
                if name not in self.nets:
                    self.nets[name] = evaluation.inference
                    self.bound[name] = evaluation.bound
                    self._see(name, evaluation, evaluation.inference, is_net=True)
                if phase is None:
                    continue
                seen = self._see(name, training, training.graph, is_net=False)
                found = spec(phase, training, evaluation, self.reporter)
                if found is not None:
                    self.specs[phase.name] = (found, seen)
        # In the order of the text, which need not be that of the nets.
        self.specs = {p.name: self.specs[p.name] for p in self.plan.phases if p.name in self.specs}
        for item in self.plan.alternations:
            turns = alternation(item, self.plan, self.reporter, self.usage)
            if turns is not None:
                self.alternations[turns.name] = turns

    def _see(self, net: str, made: Elaboration, graph: Graph, is_net: bool) -> Seen:
        seen = Seen(net, graph, {p.node.name: made.context.keys[p.node.name] for p in graph.params}, is_net)
        self.seen.append(seen)
        return seen
