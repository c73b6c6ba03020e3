"""The statements of a `train` section, and the recipe they make."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from netlang.diagnostics import Span
from netlang.frontend import ast
from netlang.frontend.calls import site_of
from netlang.frontend.context import Context
from netlang.frontend.expressions import evaluate
from netlang.frontend.faults import Fault
from netlang.frontend.recipes import AUGMENTATIONS, CLIPS, OPTIMIZERS, STOPS, recipe
from netlang.frontend.statements import bind, handles
from netlang.frontend.types import evaluate_type
from netlang.frontend.values import describe
from netlang.ir.graph import Value
from netlang.ir.module import LOSS, Call
from netlang.ir.types import DType, shape_text

RESERVED = (LOSS, "epoch", "learning_rate", "seconds", "samples_per_second")
"""What the log of a training says of every epoch besides the metrics."""

HELD_OUT = "test_"
"""How the log begins the names of what was measured on held-out samples."""

_EPOCHS = 10
_BATCH = 32


@dataclass(frozen=True)
class Turn:
    """So many steps of a phase, each time it is its turn."""

    phase: str
    steps: int
    span: Span


@dataclass
class Recipe:
    """What the statements of one `train` section said, while it is being read. `taken` are the net's outputs."""

    loss: Value | None = None
    metrics: dict[str, Value] = field(default_factory=dict)
    targets: list[str] = field(default_factory=list)
    augment: dict[str, tuple[Call, ...]] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    seen: dict[str, Span] = field(default_factory=dict)
    taken: frozenset[str] = frozenset()
    patterns: list[tuple[str, Span]] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)

    @property
    def epochs(self) -> int:
        return int(self.settings.get("epochs", _EPOCHS))

    @property
    def batch(self) -> int:
        return int(self.settings.get("batch", _BATCH))

    @property
    def schedule(self) -> Call:
        """The schedule of the optimiser; a cosine without a length of its own spans the whole training."""
        return _completed(self.settings["optimizer"]["schedule"], self.epochs)

    @property
    def optimizer(self) -> Call:
        given: Call = self.settings["optimizer"]
        return replace(given, args={k: v for k, v in given.args.items() if k != "schedule"})


def _completed(schedule: Call, epochs: int) -> Call:
    if schedule.name == "warmup":
        left = max(1, epochs - schedule["epochs"])
        return replace(schedule, args={**schedule.args, "then": _completed(schedule["then"], left)})
    if schedule.name == "cosine" and schedule["epochs"] is None:
        return replace(schedule, args={**schedule.args, "epochs": epochs})
    return schedule


def recipe_of(context: Context) -> Recipe:
    """The recipe of the section at hand."""
    assert isinstance(context.recipe, Recipe)
    return context.recipe


def _once(context: Context, statement: ast.Statement) -> Recipe:
    """The recipe at hand. Raises Fault where it has this statement already."""
    found, word = recipe_of(context), type(statement).__name__.lower()
    earlier = found.seen.get(word)
    if earlier is not None:
        raise Fault(f"'{word}' is given already in line {earlier.line}")
    found.seen[word] = statement.span
    return found


# ---- tensors


@handles(ast.Target, "train")
def _target(context: Context, s: ast.Target) -> None:
    type = evaluate_type(context, s.type, introduce=True)
    if s.name.text in context.inputs:
        raise Fault(f"there is an input '{s.name.text}' already", span=s.name.span)
    bind(context, s.name, context.add_input(s.name.text, type, s.name.span), "target")
    recipe_of(context).targets.append(s.name.text)


@handles(ast.Loss, "train")
def _loss(context: Context, s: ast.Loss) -> None:
    found = _once(context, s)
    value = _scalar(context, s.value, "the loss")
    if not value.dtype.is_float:
        raise Fault(f"the loss must be a floating-point number, got {value.type}", span=s.value.span)
    found.loss = value


@handles(ast.Metric, "train")
def _metric(context: Context, s: ast.Metric) -> None:
    found = recipe_of(context)
    name = s.name.text if s.name is not None else _metric_name(s.value)
    if name in found.metrics or name in RESERVED or name.startswith(HELD_OUT) or name in found.taken:
        raise Fault(f"the name '{name}' is taken", hint="give the metric one of its own: metric name = ...")
    value = _scalar(context, s.value, f"the metric '{name}'")
    found.metrics[name] = (
        value if value.dtype.is_float else site_of(context, s.span).emit("cast", value, dtype=DType.F32)
    )


def _metric_name(expression: ast.Expression) -> str:
    """A metric without a name is called as its function, or as the binding it is."""
    if isinstance(expression, ast.Call) and isinstance(expression.function, ast.Name):
        return expression.function.id.text
    if isinstance(expression, ast.Name):
        return expression.id.text
    raise Fault("this metric needs a name", hint="write: metric name = ...", span=expression.span)


def _scalar(context: Context, expression: ast.Expression, what: str) -> Value:
    value = evaluate(context, expression)
    if not isinstance(value, Value):
        raise Fault(f"{what} must be a tensor, not {describe(value)}", span=expression.span)
    if value.rank:
        fault = Fault(f"{what} must be a single number, got {shape_text(value.shape)}", hint="take its mean or sum")
        raise context.locate(fault, expression.span, [value])
    return value


# ---- settings


@handles(ast.Optimizer, "train")
def _optimizer(context: Context, s: ast.Optimizer) -> None:
    settings = _once(context, s).settings
    settings["optimizer"] = found = recipe(context, s.value, OPTIMIZERS, "optimizer")
    if found.args.get("nesterov") and not found["momentum"]:
        raise Fault("sgd: 'nesterov' needs a momentum above 0", span=s.value.span)


@handles(ast.Changes, "train")
def _changes(context: Context, s: ast.Changes) -> None:
    for pattern in s.patterns:
        recipe_of(context).patterns.append(("".join(piece.text for piece in pattern.pieces), pattern.span))


@handles(ast.Alternate, "alternation")
def _alternate(context: Context, s: ast.Alternate) -> None:
    _once(context, s).turns += [_turn(context, expression) for expression in s.turns]


def _turn(context: Context, expression: ast.Expression) -> Turn:
    """`discriminator`, or `discriminator(5)`: five steps of it."""
    if isinstance(expression, ast.Name):
        return Turn(expression.id.text, 1, expression.span)
    if isinstance(expression, ast.Call) and isinstance(expression.function, ast.Name):
        values = [a.value for a in expression.arguments if a.name is None or a.name.text == "steps"]
        if len(values) == len(expression.arguments) == 1:
            name = expression.function.id.text
            return Turn(name, _count(context, values[0], f"the steps of {name}"), expression.span)
    hint = "it is written: alternate critic(5), generator"
    raise Fault("'alternate' takes the names of train sections", hint=hint, span=expression.span)


@handles(ast.Epochs, "train", "alternation")
def _epochs(context: Context, s: ast.Epochs) -> None:
    _once(context, s).settings["epochs"] = _count(context, s.value, "epochs")


@handles(ast.Batch, "train", "alternation")
def _batch(context: Context, s: ast.Batch) -> None:
    _once(context, s).settings["batch"] = _count(context, s.value, "batch")


def _count(context: Context, expression: ast.Expression, what: str) -> int:
    value = evaluate(context, expression)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise Fault(f"'{what}' must be a whole number of at least 1, not {describe(value)}", span=expression.span)
    return value


@handles(ast.Clip, "train")
def _clip(context: Context, s: ast.Clip) -> None:
    _once(context, s).settings["clip"] = recipe(context, s.value, CLIPS, "way to clip")


@handles(ast.Stop, "train")
def _stop(context: Context, s: ast.Stop) -> None:
    _once(context, s).settings["stop"] = recipe(context, s.value, STOPS, "way to stop")


@handles(ast.Augment, "train")
def _augment(context: Context, s: ast.Augment) -> None:
    hint = "it is written: augment image -> random_shift(2) -> ..."
    if not isinstance(s.value, ast.Pipe) or not isinstance(s.value.stages[0], ast.Name):
        raise Fault("augment needs an input and what is done to it", hint=hint, span=s.value.span)
    word = s.value.stages[0].id
    found = recipe_of(context)
    if word.text not in context.inputs or word.text in found.targets:
        raise Fault(f"'{word.text}' is no input of the net", span=word.span, hint=hint)
    if word.text in found.augment:
        raise Fault(f"'{word.text}' is augmented already", span=word.span)
    calls = [recipe(context, stage, AUGMENTATIONS, "augmentation") for stage in s.value.stages[1:]]
    found.augment[word.text] = tuple(calls)
