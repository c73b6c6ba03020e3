"""One net of a file, and a phase of its training if there is one, carried out in one mode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from netlang.diagnostics import Diagnostic
from netlang.frontend import ast
from netlang.frontend.builtins import library
from netlang.frontend.context import Context, owner_of
from netlang.frontend.faults import Fault, Reporter
from netlang.frontend.plan import Phase, Plan
from netlang.frontend.scope import Frame, Naming, Scope, Usage
from netlang.frontend.settings import check_settable
from netlang.frontend.statements import run, run_block
from netlang.frontend.train import Recipe
from netlang.frontend.units import Unit
from netlang.frontend.values import POISON, BlockFunction, Instance
from netlang.ir.graph import Graph, Value
from netlang.ir.module import LOSS, RNG


class Elaboration:
    """`inference` is the net's graph in this mode, `graph` the whole with loss and metrics.

    `bound` are the tensors that the names of the net's body stand for.
    """

    def __init__(
        self, plan: Plan, net: ast.Net, phase: Phase | None, training: bool, reporter: Reporter, usage: Usage
    ) -> None:
        self.plan = plan
        self.net = net
        self.recipe = Recipe()
        context = self.context = Context(training, reporter, usage, run_block)
        with ExitStack() as frames:
            scope = open_files(plan, context, frames)
            naming = context.naming.over(Instance(owner=owner_of(net)))
            frame = frames.enter_context(context.inside(Frame("net", net.name.text, Scope(scope), naming)))
            self.outputs = frame.outputs
            self._bind_parameters()
            run(context, net.body)
            self.inference = self._inference()
            self.bound = {n: e.value for n, e in frame.scope.entries.items() if isinstance(e.value, Value)}
            if phase is not None:
                self._train(phase, frame, frames)
        self.graph = self._whole()

    def _bind_parameters(self) -> None:
        context = self.context
        for parameter in self.net.parameters or ():
            word = parameter.name
            if parameter.default is None:
                fault = Fault(f"the net's parameter '{word.text}' needs a default", hint=f"write '{word.text} = ...'")
                context.reporter.add(context.locate(fault, word.span).diagnostic)
                context.frame.scope.bind(word.text, POISON, again=True)
                continue
            stand_in = ast.Binding(parameter.span, (word,), None, parameter.default)
            run(context, (stand_in,))
            if word.text in self.plan.settings:
                context.frame.scope.bind(word.text, self.plan.settings[word.text], word.span, again=True)

    def _inference(self) -> Graph:
        if not self.outputs:
            hint = "name what the net computes: output y = ..."
            message = f"net '{self.net.name.text}' has no output"
            self.context.reporter.add(Diagnostic(message, (self.net.name.span,), hint=hint))
        return self._graph([(name, found[0]) for name, found in self.outputs.items() if found is not None])

    def _train(self, phase: Phase, net: Frame, frames: ExitStack) -> None:
        """Carry out a `train` section; layers that are its own are named after it where it has a name."""
        context, naming = self.context, net.naming
        if phase.name:
            name = naming.claimed(phase.name)
            naming = Naming(Instance(name, owner_of(self.net), name))
        self.recipe.taken = frozenset(self.outputs)
        context.recipe = self.recipe
        frames.enter_context(context.inside(Frame("train", "train", Scope(net.scope), naming)))
        run(context, phase.item.body)

    def _whole(self) -> Graph:
        """Loss and metrics, and in evaluation mode the net's outputs besides; the inference graph without a loss."""
        recipe, context = self.recipe, self.context
        if recipe.loss is None:
            return self.inference
        outputs = [(LOSS, recipe.loss), *recipe.metrics.items()]
        if not context.training:
            outputs += self.inference.outputs
        return self._graph(outputs)

    def _graph(self, outputs: Sequence[tuple[str, Value]]) -> Graph:
        context = self.context
        inputs = [v for name, v in context.inputs.items() if name != RNG]
        inputs += [context.inputs[RNG]] if RNG in context.inputs else []
        updates = tuple(context.updates.items())
        return Graph(self.net.name.text, tuple(inputs), tuple(context.params.values()), tuple(outputs), updates)


# ---- files


def open_files(plan: Plan, context: Context, frames: ExitStack) -> Scope:
    """Carry out the constants of all files, the imported ones first. Returns the scope of the file itself, whose frame
    stays open with `frames`."""
    context.settings = {owner_of(net): plan.settings for net in plan.nets}
    scopes: dict[Unit, Scope] = {}
    for unit in plan.unit.closure():
        scope = scopes[unit] = Scope(library())
        for _, other in unit.imports:
            scope.entries.update({w.text: scopes[other].entries[w.text] for w in other.names()})
        frame = context.inside(Frame("file", "", scope, context.naming))
        if unit is plan.unit:
            frames.enter_context(frame)
            _define(unit, context, plan.settings)
        else:
            with frame, context.reporter.importing(unit.stack):
                _define(unit, context, {})
            # What a file offers to others need not all be used.
            context.usage.used.update(word.span for word in unit.names())
    return scopes[plan.unit]


def _define(unit: Unit, context: Context, settings: Mapping[str, Any]) -> None:
    scope = context.frame.scope
    for item in unit.file.items:
        if isinstance(item, ast.Block | ast.Net):
            scope.bind(item.name.text, BlockFunction(item, scope, std=False), again=True)
    for item in unit.file.items:
        if isinstance(item, ast.Binding):
            run(context, (item,))
            _set_constant(context, item, settings)


def _set_constant(context: Context, constant: ast.Binding, settings: Mapping[str, Any]) -> None:
    """What was said from outside takes the place of what the file says, which is checked all the same."""
    for word in constant.names:
        entry = context.frame.scope.find(word.text)
        if word.text not in settings or entry is None or entry.value is POISON:
            continue
        try:
            check_settable(word.text, entry.value)
        except Fault as fault:
            context.reporter.add(context.locate(fault, word.span).diagnostic)
        context.frame.scope.bind(word.text, settings[word.text], word.span, again=True)
