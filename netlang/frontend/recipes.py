"""Optimisers, schedules, augmentations: the named recipes of a `train` section, their arguments, defaults and ranges.

Formulas and defaults of the optimisers are PyTorch's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Any

from netlang.diagnostics import did_you_mean
from netlang.frontend import ast
from netlang.frontend.context import Context
from netlang.frontend.expressions import evaluate
from netlang.frontend.faults import Fault
from netlang.frontend.signature import Signature
from netlang.frontend.values import describe, is_number
from netlang.ir.module import Call
from netlang.ir.opdef import REQUIRED


@dataclass(frozen=True)
class Rule:
    """What an argument may be: its default and kind, for numbers the range.

    Kinds: `number`, `count` (a whole number), `flag`, `numbers` (a number or a list of them), `recipe` (a schedule),
    `word` (one of `words`), `name` (the loss or a metric).
    """

    default: Any = REQUIRED
    kind: str = "number"
    low: float = 0.0
    high: float = inf
    above: bool = False
    below: bool = False
    words: tuple[str, ...] = ()


Recipes = Mapping[str, Mapping[str, Rule]]

_FRACTION = {"low": 0.0, "high": 1.0}
_CONSTANT = Call("constant")


def _momentum(default: float) -> Rule:
    return Rule(default, high=1.0, below=True)


_DECAY = Rule(0.0)
_SCHEDULE = Rule(_CONSTANT, "recipe")
_RATE = Rule(0.001, above=True)

OPTIMIZERS: Recipes = {
    "sgd": {
        "lr": Rule(above=True),
        "momentum": _momentum(0.0),
        "nesterov": Rule(False, "flag"),
        "weight_decay": _DECAY,
        "schedule": _SCHEDULE,
    },
    "adam": {
        "lr": _RATE,
        "beta1": _momentum(0.9),
        "beta2": _momentum(0.999),
        "eps": Rule(1e-8),
        "weight_decay": _DECAY,
        "schedule": _SCHEDULE,
    },
    "adamw": {
        "lr": _RATE,
        "beta1": _momentum(0.9),
        "beta2": _momentum(0.999),
        "eps": Rule(1e-8),
        "weight_decay": Rule(0.01),
        "schedule": _SCHEDULE,
    },
    "rmsprop": {
        "lr": Rule(0.01, above=True),
        "alpha": _momentum(0.99),
        "eps": Rule(1e-8),
        "momentum": _momentum(0.0),
        "weight_decay": _DECAY,
        "schedule": _SCHEDULE,
    },
    "adagrad": {"lr": Rule(0.01, above=True), "eps": Rule(1e-10), "weight_decay": _DECAY, "schedule": _SCHEDULE},
}
SCHEDULES: Recipes = {
    "constant": {},
    "step": {"every": Rule(kind="count", low=1), "factor": Rule(0.1)},
    "cosine": {"epochs": Rule(None, "count", low=1), "floor": Rule(0.0)},
    "warmup": {"epochs": Rule(kind="count", low=0), "then": Rule(_CONSTANT, "recipe")},
    "plateau": {"patience": Rule(5, "count", low=0), "factor": Rule(0.1)},
}
AUGMENTATIONS: Recipes = {
    "random_shift": {"pixels": Rule(kind="count"), "fill": Rule(0.0, low=-inf)},
    "random_crop": {"pad": Rule(kind="count"), "fill": Rule(0.0, low=-inf)},
    "random_flip": {
        "p": Rule(0.5, high=1.0),
        "axis": Rule("horizontal", "word", words=("horizontal", "vertical")),
    },
    "random_resized_crop": {"area": Rule(0.08, high=1.0, above=True), "ratio": Rule(4 / 3, low=1.0)},
    "random_warp": {
        "degrees": Rule(0.0, high=180.0),
        "scale": Rule(0.0),
        "shear": Rule(0.0, high=80.0),
        "bend": Rule(0.0),
        "fill": Rule(0.0, low=-inf),
    },
    "random_erase": {"p": Rule(0.5, high=1.0), "area": Rule(0.2, high=1.0)},
    "color_shift": {"strength": Rule(0.1)},
    "color_jitter": {
        "brightness": Rule(0.4, high=1.0),
        "contrast": Rule(0.4, high=1.0),
        "saturation": Rule(0.4, high=1.0),
    },
    "normalize": {"mean": Rule(kind="numbers", low=-inf), "std": Rule(kind="numbers", above=True)},
}
CLIPS: Recipes = {"norm": {"max": Rule(above=True)}, "value": {"max": Rule(above=True)}}
STOPS: Recipes = {"early": {"patience": Rule(5, "count", low=1), "monitor": Rule("loss", "name")}}


def recipe(context: Context, expression: ast.Expression, known: Recipes, what: str) -> Call:
    """The call that an expression writes, all arguments filled in. Raises Fault or Located where it does not fit."""
    name, arguments = _written(expression, what)
    rules = known.get(name.text)
    if rules is None:
        hint = did_you_mean(name.text, known) or f"there are {', '.join(known)}"
        raise Fault(f"unknown {what} '{name.text}'", hint=hint, span=name.span)
    signature = Signature(name.text, tuple((k, r.default is not REQUIRED) for k, r in rules.items()))
    try:
        places = signature.bind(
            [a for a in arguments if a.name is None], {a.name.text: a for a in arguments if a.name is not None}
        )
    except Fault as fault:
        raise Fault(str(fault), hint=fault.hint, span=expression.span) from None
    values = {
        key: _argument(context, name.text, key, rule, places[key].value) if key in places else rule.default
        for key, rule in rules.items()
    }
    return Call(name.text, values, expression.span)


def _written(expression: ast.Expression, what: str) -> tuple[ast.Word, tuple[ast.Argument, ...]]:
    if isinstance(expression, ast.Name):
        return expression.id, ()
    if isinstance(expression, ast.Call) and isinstance(expression.function, ast.Name):
        return expression.function.id, expression.arguments
    raise Fault(f"expected an {what}" if what[0] in "aeiou" else f"expected a {what}", span=expression.span)


def _argument(context: Context, owner: str, key: str, rule: Rule, expression: ast.Expression) -> Any:
    if rule.kind == "recipe":
        return recipe(context, expression, SCHEDULES, "schedule")
    if rule.kind == "name":
        if not isinstance(expression, ast.Name):
            raise Fault(f"{owner}: '{key}' names the loss or a metric", span=expression.span)
        return expression.id.text
    value = evaluate(context, expression)
    try:
        return _checked(f"{owner}: '{key}'", rule, value)
    except Fault as fault:
        raise Fault(str(fault), hint=fault.hint, span=expression.span) from None


def _checked(what: str, rule: Rule, value: Any) -> Any:
    """`value` as the rule wants it; Fault otherwise."""
    if rule.kind == "flag":
        if not isinstance(value, bool):
            raise Fault(f"{what} is true or false, not {describe(value)}")
        return value
    if rule.kind == "word":
        if value not in rule.words:
            raise Fault(f"{what} is {', '.join(rule.words[:-1])} or {rule.words[-1]}, not {describe(value)}")
        return value
    if rule.kind == "numbers" and isinstance(value, list) and value:
        return tuple([_in_range(what, rule, v) for v in value])
    if rule.kind == "count":
        if isinstance(value, bool) or not isinstance(value, int):
            raise Fault(f"{what} must be a whole number, not {describe(value)}")
        _in_range(what, rule, value)
        return value
    return _in_range(what, rule, value)


def _in_range(what: str, rule: Rule, value: Any) -> float:
    if not is_number(value):
        raise Fault(f"{what} must be a number, not {describe(value)}")
    if value < rule.low or (rule.above and value == rule.low):
        raise Fault(f"{what} must be {'above' if rule.above else 'at least'} {rule.low:g}, got {value}")
    if value > rule.high or (rule.below and value == rule.high):
        raise Fault(f"{what} must be {'below' if rule.below else 'at most'} {rule.high:g}, got {value}")
    return float(value)
