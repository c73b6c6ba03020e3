"""The update rules of the optimisers, one record each, exactly as PyTorch computes them (torch.optim, defaults too).

sgd       Sutskever et al., "On the importance of initialization and momentum in deep learning", 2013
adam      Kingma & Ba, "Adam: a method for stochastic optimization", 2015
adamw     Loshchilov & Hutter, "Decoupled weight decay regularization", 2019
rmsprop   Hinton, lecture 6e of "Neural networks for machine learning", 2012
adagrad   Duchi, Hazan & Singer, "Adaptive subgradient methods", 2011
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from netlang.ir.build import Builder
from netlang.ir.graph import Value
from netlang.ir.types import DType

Args = Mapping[str, Any]
Slots = Mapping[str, Value]


@dataclass(frozen=True)
class Moment:
    """What a rule knows of the step as a whole: `rate` is the learning rate, f32[]; `count` the step's number from 1,
    f32[]."""

    rate: Value
    count: Value


Update = Callable[[Builder, Args, Moment, Value, Value, Slots], tuple[Value, dict[str, Value]]]


@dataclass(frozen=True)
class Rule:
    """An optimiser.

    slots    (arguments) -> names of the tensors it keeps for each weight; all start at zero
    update   (builder, arguments, moment, weight, gradient, slots) -> the new weight and the new slots, all of the
             type of the weight
    """

    slots: Callable[[Args], tuple[str, ...]]
    update: Update


def _as(make: Builder, scalar: Value, like: Value) -> Value:
    """A scalar in the element type of `like`."""
    return scalar if scalar.dtype == like.dtype else make.op("cast", scalar, dtype=like.dtype)


def _decayed(make: Builder, args: Args, weight: Value, gradient: Value) -> Value:
    """The gradient of loss + weight_decay / 2 * |weight|^2."""
    decay = float(args["weight_decay"])
    return make.add(gradient, make.scale(weight, decay)) if decay else gradient


def _average(make: Builder, old: Value, new: Value, keep: float) -> Value:
    """The running average `keep * old + (1 - keep) * new`."""
    return make.add(make.scale(old, keep), make.scale(new, 1.0 - keep))


def _descend(make: Builder, weight: Value, rate: Value, direction: Value) -> Value:
    return make.sub(weight, make.mul(direction, _as(make, rate, weight)))


def _sgd(
    make: Builder, args: Args, moment: Moment, weight: Value, gradient: Value, slots: Slots
) -> tuple[Value, dict[str, Value]]:
    gradient = _decayed(make, args, weight, gradient)
    if not slots:
        return _descend(make, weight, moment.rate, gradient), {}
    momentum = float(args["momentum"])
    velocity = make.add(make.scale(slots["momentum"], momentum), gradient)
    direction = make.add(gradient, make.scale(velocity, momentum)) if args["nesterov"] else velocity
    return _descend(make, weight, moment.rate, direction), {"momentum": velocity}


def _bias_correction(make: Builder, moment: Moment, beta: float) -> Value:
    """`1 - beta ** count`, in f64: in f32 the difference would lose four of its seven digits at the first steps."""
    count = make.op("cast", moment.count, dtype=DType.F64)
    return make.sub(make.scalar(1.0, count), make.op("pow", make.scalar(beta, count), count))


def _adam_step(
    make: Builder, args: Args, moment: Moment, weight: Value, gradient: Value, slots: Slots
) -> tuple[Value, dict[str, Value]]:
    beta1, beta2 = float(args["beta1"]), float(args["beta2"])
    mean = _average(make, slots["m"], gradient, beta1)
    square = _average(make, slots["v"], make.mul(gradient, gradient), beta2)
    rate = make.div(make.op("cast", moment.rate, dtype=DType.F64), _bias_correction(make, moment, beta1))
    spread = _as(make, make.op("sqrt", _bias_correction(make, moment, beta2)), weight)
    scale = make.add(make.div(make.op("sqrt", square), spread), make.scalar(float(args["eps"]), weight))
    return _descend(make, weight, rate, make.div(mean, scale)), {"m": mean, "v": square}


def _adam(
    make: Builder, args: Args, moment: Moment, weight: Value, gradient: Value, slots: Slots
) -> tuple[Value, dict[str, Value]]:
    return _adam_step(make, args, moment, weight, _decayed(make, args, weight, gradient), slots)


def _adamw(
    make: Builder, args: Args, moment: Moment, weight: Value, gradient: Value, slots: Slots
) -> tuple[Value, dict[str, Value]]:
    decay = float(args["weight_decay"])
    if decay:
        kept = make.sub(make.scalar(1.0, moment.rate), make.scale(moment.rate, decay))
        weight = make.mul(weight, _as(make, kept, weight))
    return _adam_step(make, args, moment, weight, gradient, slots)


def _rmsprop(
    make: Builder, args: Args, moment: Moment, weight: Value, gradient: Value, slots: Slots
) -> tuple[Value, dict[str, Value]]:
    gradient = _decayed(make, args, weight, gradient)
    square = _average(make, slots["square"], make.mul(gradient, gradient), float(args["alpha"]))
    scale = make.add(make.op("sqrt", square), make.scalar(float(args["eps"]), weight))
    direction, new = make.div(gradient, scale), {"square": square}
    if "momentum" in slots:
        direction = make.add(make.scale(slots["momentum"], float(args["momentum"])), direction)
        new["momentum"] = direction
    return _descend(make, weight, moment.rate, direction), new


def _adagrad(
    make: Builder, args: Args, moment: Moment, weight: Value, gradient: Value, slots: Slots
) -> tuple[Value, dict[str, Value]]:
    gradient = _decayed(make, args, weight, gradient)
    total = make.add(slots["sum"], make.mul(gradient, gradient))
    scale = make.add(make.op("sqrt", total), make.scalar(float(args["eps"]), weight))
    return _descend(make, weight, moment.rate, make.div(gradient, scale)), {"sum": total}


RULES: Mapping[str, Rule] = {
    "sgd": Rule(lambda args: ("momentum",) if args["momentum"] else (), _sgd),
    "adam": Rule(lambda args: ("m", "v"), _adam),
    "adamw": Rule(lambda args: ("m", "v"), _adamw),
    "rmsprop": Rule(lambda args: ("square", "momentum") if args["momentum"] else ("square",), _rmsprop),
    "adagrad": Rule(lambda args: ("sum",), _adagrad),
}
