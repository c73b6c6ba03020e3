"""A whole file: its nets, each elaborated on its own, and the `train` section over the last net above it.

Every net is elaborated twice, in evaluation and in training mode, so that faults show wherever they are. The inference
graph is the first part of the evaluation: what was there before the `train` section began.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from netlang.diagnostics import Diagnostic, Source, Span
from netlang.frontend import ast
from netlang.frontend.builtins import library
from netlang.frontend.context import Context
from netlang.frontend.faults import Fault, Reporter, Stop
from netlang.frontend.scope import Frame, Naming, Scope, Usage
from netlang.frontend.settings import check_settable, settings
from netlang.frontend.statements import run, run_block
from netlang.frontend.train import Recipe
from netlang.frontend.values import POISON, BlockFunction
from netlang.frontend.warn import warn
from netlang.ir.gradient import depends
from netlang.ir.graph import Graph, Value
from netlang.ir.module import LOSS, RNG, Module, TrainSpec


@dataclass(frozen=True)
class _Plan:
    """The items of a file, sorted: nets by order, the `train` section and the net it belongs to.

    `settings` are values from outside for constants and for parameters of nets, by name.
    """

    blocks: tuple[ast.Block, ...]
    constants: tuple[ast.Binding, ...]
    nets: tuple[ast.Net, ...]
    train: ast.Train | None
    trained: ast.Net | None
    settings: Mapping[str, Any]


def elaborate(file: ast.File, source: Source, reporter: Reporter, arguments: Mapping[str, Any]) -> Module | None:
    """The module of a parsed file; None where it has faults, which are then in `reporter`.

    Raises NetError for arguments that the file does not take.
    """
    usage = Usage()
    plan = _plan(file, source, reporter, settings(arguments, _settable(file), source.name))
    graphs: dict[str, Graph] = {}
    spec: TrainSpec | None = None
    roots: list[Graph] = []
    try:
        for net in plan.nets:
            train = plan.train if net is plan.trained else None
            evaluation = _Elaboration(plan, net, train, False, reporter, usage)
            graphs[net.name.text] = evaluation.inference
            training = _Elaboration(plan, net, train, True, reporter, usage)
            roots += [evaluation.graph, training.graph]
            if train is not None:
                spec = _spec(training, evaluation, train, reporter)
    except Stop:
        return None
    if reporter.errors:
        return None
    warn(usage, roots, reporter)
    return Module(source, graphs, spec, reporter.warnings, plan.settings)


# ---- the items of a file


def _settable(file: ast.File) -> Iterator[str]:
    """The names that can be given values from outside."""
    for item in file.items:
        if isinstance(item, ast.Binding):
            yield from (word.text for word in item.names)
        elif isinstance(item, ast.Net):
            yield from (parameter.name.text for parameter in item.parameters or ())


def _plan(file: ast.File, source: Source, reporter: Reporter, given: Mapping[str, Any]) -> _Plan:
    def fault(message: str, span: Span, hint: str = "") -> None:
        reporter.add(Diagnostic(message, (span,), hint=hint))

    blocks = [i for i in file.items if isinstance(i, ast.Block)]
    constants = [i for i in file.items if isinstance(i, ast.Binding)]
    nets = [i for i in file.items if isinstance(i, ast.Net)]
    _check_names([*blocks, *nets], reporter)
    for item in file.items:
        if isinstance(item, ast.Import):
            fault("'import' is not available yet", item.span, "put the blocks into this file")
    train, trained = None, None
    above: ast.Net | None = None
    for item in file.items:
        if isinstance(item, ast.Net):
            above = item
        elif isinstance(item, ast.Train):
            if train is not None:
                fault("several train sections in one file are not available yet", item.span)
            elif above is None:
                fault("a train section stands below the net it trains", item.span)
            else:
                train, trained = item, above
    if not nets:
        fault("there is no net in this file", Span(source, 1, 1, 1, 1), "a net is written: net name { ... }")
    return _Plan(tuple(blocks), tuple(constants), tuple(nets), train, trained, given)


def _check_names(items: Sequence[ast.Block | ast.Net], reporter: Reporter) -> None:
    """Names of nets and blocks, and of each one's parameters, are given once."""
    seen: dict[str, Span] = {}
    for item in items:
        words = [item.name, *(p.name for p in item.parameters or ())]
        if item.name.text in seen:
            message = f"'{item.name.text}' is defined already in line {seen[item.name.text].line}"
            reporter.add(Diagnostic(message, (item.name.span,)))
        seen.setdefault(item.name.text, item.name.span)
        names = [w.text for w in words[1:]]
        for place, word in enumerate(words[1:]):
            if word.text in names[:place]:
                reporter.add(Diagnostic(f"there is a parameter '{word.text}' already", (word.span,)))


# ---- one net in one mode


class _Elaboration:
    """A net, and its `train` section if it has one, in one mode."""

    def __init__(
        self, plan: _Plan, net: ast.Net, train: ast.Train | None, training: bool, reporter: Reporter, usage: Usage
    ) -> None:
        self.plan = plan
        self.net = net
        self.recipe = Recipe()
        context = self.context = Context(training, reporter, usage, run_block)
        context.nets = frozenset(n.name.text for n in plan.nets)
        naming = Naming(context.root)
        scope = Scope(library())
        with ExitStack() as frames:
            frames.enter_context(context.inside(Frame("file", "", scope, naming)))
            for block in plan.blocks:
                scope.bind(block.name.text, BlockFunction(block, scope, std=False), again=True)
            for constant in plan.constants:
                self._bind_constant(constant)
            inner = Scope(scope)
            frames.enter_context(context.inside(Frame("net", net.name.text, inner, naming)))
            self._bind_parameters()
            run(context, net.body)
            self.inference = self._inference()
            if train is not None:
                context.recipe = self.recipe
                frames.enter_context(context.inside(Frame("train", "train", Scope(inner), naming)))
                run(context, train.body)
        self.graph = self._whole()

    def _bind_constant(self, constant: ast.Binding) -> None:
        """Bind what the file says, and then what was said from outside: the file's own value is checked too."""
        context = self.context
        run(context, (constant,))
        for word in constant.names:
            entry = context.frame.scope.find(word.text)
            if word.text not in self.plan.settings or entry is None or entry.value is POISON:
                continue
            try:
                check_settable(word.text, entry.value)
            except Fault as fault:
                context.reporter.add(context.locate(fault, word.span).diagnostic)
            context.frame.scope.bind(word.text, self.plan.settings[word.text], word.span, again=True)

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
        context = self.context
        if not context.outputs:
            hint = "name what the net computes: output y = ..."
            message = f"net '{self.net.name.text}' has no output"
            context.reporter.add(Diagnostic(message, (self.net.name.span,), hint=hint))
        return self._graph([(name, found[0]) for name, found in context.outputs.items() if found is not None])

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


# ---- the recipe


def _spec(training: _Elaboration, evaluation: _Elaboration, train: ast.Train, reporter: Reporter) -> TrainSpec | None:
    """The training recipe; None, and a fault, where something is missing."""

    def fault(message: str, span: Span, hint: str = "") -> None:
        reporter.add(Diagnostic(message, (span,), hint=hint))

    recipe = training.recipe
    head = Span(train.span.source, train.span.line, train.span.column, train.span.line, train.span.column + 5)
    if "loss" not in recipe.seen and not _failed(train, ast.Loss):
        fault("the train section has no loss", head, "for example: loss cross_entropy(logits, label)")
    if "optimizer" not in recipe.seen and not _failed(train, ast.Optimizer):
        fault("the train section has no optimizer", head, "for example: optimizer sgd(lr = 0.1)")
    if LOSS in training.context.outputs:
        fault(f"an output of a net that is trained cannot be called '{LOSS}'", training.net.name.span)
    _check_modes(training.context, evaluation.context, head, reporter)
    stop = recipe.settings.get("stop")
    if stop is not None and stop["monitor"] not in (LOSS, *recipe.metrics):
        fault(f"there is no metric '{stop['monitor']}' to monitor", stop.span, "name a metric, or loss")
    if reporter.errors:
        return None
    weights = [p for p in training.graph.params if p.node.attrs["role"] == "weight"]
    if recipe.loss is not None and not depends(recipe.loss, weights):
        what = "training would change nothing: no gradient leads from the loss to a weight"
        hint = "accuracy, argmax, comparisons and stop_gradient let none through" if weights else "the net has none"
        reporter.add(Diagnostic(what, (recipe.seen["loss"],), "warning", hint=hint))
    return TrainSpec(
        graph=training.graph,
        evaluation=evaluation.graph,
        targets=tuple(recipe.targets),
        optimizer=recipe.optimizer,
        schedule=recipe.schedule,
        epochs=recipe.epochs,
        batch=recipe.batch,
        metrics=tuple(recipe.metrics),
        augment=tuple(recipe.augment.items()),
        clip=recipe.settings.get("clip"),
        stop=stop,
        span=train.span,
    )


def _failed(train: ast.Train, kind: type[ast.Statement]) -> bool:
    """Whether the section has such a statement at its top level, which then had a fault of its own."""
    return any(isinstance(s, kind) for s in train.body)


def _check_modes(training: Context, evaluation: Context, span: Span, reporter: Reporter) -> None:
    """Both modes must have the same parameters in the same order, or weights could not be passed between them."""
    ours, theirs = ({n: v.type for n, v in c.params.items()} for c in (training, evaluation))
    if list(ours.items()) == list(theirs.items()) or reporter.errors:
        return
    name = next((n for n in {**ours, **theirs} if ours.get(n) != theirs.get(n)), next(iter(ours)))
    message = f"the net has other parameters in training than in evaluation: '{name}'"
    reporter.add(Diagnostic(message, (span,), hint="declare parameters outside 'if training'"))
