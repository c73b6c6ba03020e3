"""From a `train` section to a training recipe, with all that can be wrong with it as a whole."""

from __future__ import annotations

from contextlib import ExitStack
from fnmatch import fnmatchcase

from netlang.diagnostics import Diagnostic, did_you_mean
from netlang.frontend import ast
from netlang.frontend.context import Context
from netlang.frontend.elaboration import Elaboration, open_files
from netlang.frontend.faults import Reporter
from netlang.frontend.plan import Phase, Plan, head
from netlang.frontend.scope import Frame, Scope, Usage
from netlang.frontend.statements import run, run_block
from netlang.frontend.train import Recipe
from netlang.ir.gradient import depends
from netlang.ir.graph import Graph
from netlang.ir.module import LOSS, Alternation, TrainSpec

_CHANGEABLE = ("weight", "buffer")


def spec(phase: Phase, training: Elaboration, evaluation: Elaboration, reporter: Reporter) -> TrainSpec | None:
    """The training recipe of a phase; None, and a fault, where something is missing."""
    recipe, section = training.recipe, phase.item
    for word, kind, example in (
        ("loss", ast.Loss, "loss cross_entropy(logits, label)"),
        ("optimizer", ast.Optimizer, "optimizer sgd(lr = 0.1)"),
    ):
        # A statement that had a fault of its own was there.
        if word not in recipe.seen and not any(isinstance(s, kind) for s in section.body):
            message = f"the train section has no {word}"
            reporter.add(Diagnostic(message, (head(section),), hint=f"for example: {example}"))
    if LOSS in training.outputs:
        message = f"an output of a net that is trained cannot be called '{LOSS}'"
        reporter.add(Diagnostic(message, (training.net.name.span,)))
    _check_modes(training.context, evaluation.context, section, reporter)
    stop = recipe.settings.get("stop")
    if stop is not None and stop["monitor"] not in (LOSS, *recipe.metrics):
        message = f"there is no metric '{stop['monitor']}' to monitor"
        reporter.add(Diagnostic(message, (stop.span,), hint="name a metric, or loss"))
    if reporter.errors:
        return None
    changed = _changed(recipe, training.graph, reporter)
    if reporter.errors:
        return None
    _warn_of_nothing(recipe, training.graph, changed, reporter)
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
        span=section.span,
        name=phase.name,
        changed=changed,
    )


def _changed(recipe: Recipe, graph: Graph, reporter: Reporter) -> frozenset[str] | None:
    """The parameters that the `update` patterns choose; None where there are none, which means all."""
    if not recipe.patterns:
        return None
    roles = {p.node.name: p.node.attrs["role"] for p in graph.params}
    found: set[str] = set()
    for pattern, span in recipe.patterns:
        matching = [name for name in roles if fnmatchcase(name, pattern)]
        changeable = [name for name in matching if roles[name] in _CHANGEABLE]
        if not changeable:
            what = f"'{pattern}' is frozen: training cannot change it"
            hint = "" if matching else did_you_mean(pattern, dict.fromkeys(_patterns(roles)))
            message = what if matching else f"the net has no parameter '{pattern}'"
            reporter.add(Diagnostic(message, (span,), hint=hint))
        found.update(changeable)
    return frozenset(found)


def _patterns(names: dict[str, str]) -> list[str]:
    """What could be written for some parameters: their names, and `layer.*` for the layers they are in."""
    layers = [".".join(name.split(".")[:depth]) for name in names for depth in range(1, name.count(".") + 1)]
    return [*(f"{layer}.*" for layer in layers), *names]


def _warn_of_nothing(recipe: Recipe, graph: Graph, changed: frozenset[str] | None, reporter: Reporter) -> None:
    weights = [p for p in graph.params if p.node.attrs["role"] == "weight"]
    chosen = [p for p in weights if changed is None or p.node.name in changed]
    if not weights and any(changed is None or name in changed for name, _ in graph.updates):
        return  # it learns by `update` alone
    if recipe.loss is not None and not depends((recipe.loss,), chosen):
        what = "training would change nothing: no gradient leads from the loss to a weight"
        what += " that is updated" if chosen != weights else ""
        hint = "accuracy, argmax, comparisons and stop_gradient let none through" if weights else "the net has none"
        reporter.add(Diagnostic(what, (recipe.seen["loss"],), "warning", hint=hint))


def _check_modes(training: Context, evaluation: Context, section: ast.Train, reporter: Reporter) -> None:
    """Both modes must have the same parameters in the same order, or weights could not be passed between them."""
    ours, theirs = ({n: v.type for n, v in c.params.items()} for c in (training, evaluation))
    if list(ours.items()) == list(theirs.items()) or reporter.errors:
        return
    name = next((n for n in {**ours, **theirs} if ours.get(n) != theirs.get(n)), next(iter(ours)))
    message = f"the net has other parameters in training than in evaluation: '{name}'"
    reporter.add(Diagnostic(message, (head(section),), hint="declare parameters outside 'if training'"))


# ---- taking turns


def alternation(item: ast.Train, plan: Plan, reporter: Reporter, usage: Usage) -> Alternation | None:
    """The phases that a `train` section lets take turns; None where it has faults."""
    recipe = Recipe()
    context = Context(True, reporter, usage, run_block)
    context.recipe = recipe
    with ExitStack() as frames:
        scope = Scope(open_files(plan, context, frames))
        frames.enter_context(context.inside(Frame("alternation", "train", scope, context.naming)))
        run(context, item.body)
    known = [p.name for p in plan.phases]
    for turn in recipe.turns:
        if turn.phase not in known:
            hint = did_you_mean(turn.phase, known) or (f"there are {', '.join(known)}" if known else "")
            reporter.add(Diagnostic(f"there is no train section '{turn.phase}'", (turn.span,), hint=hint))
    if reporter.errors or item.name is None:
        return None
    turns = tuple((t.phase, t.steps) for t in recipe.turns)
    return Alternation(item.name.text, turns, recipe.epochs, recipe.batch, item.span)
