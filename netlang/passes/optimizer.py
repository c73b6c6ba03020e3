"""optimizer: from a `train` section to the graph of one whole training step: forward, backward and updates.

Before                               After, with `optimizer sgd(lr = 0.05, momentum = 0.9)`
    inputs:  image, label                inputs:  image, label, $lr
    outputs: loss, accuracy              outputs: loss, accuracy
    updates: bn.mean                     updates: bn.mean, fc.weight, fc.weight.momentum, $step
                                         fc.weight = where(ok, fc.weight - v * $lr, fc.weight)
                                         v         = fc.weight.momentum * 0.9 + d loss / d fc.weight
                                         ok        = abs(loss) < inf

A step whose loss is not finite changes nothing: the run can be stopped, or told where the first bad number arose, with
the weights as they were.
"""

from __future__ import annotations

import math

from netlang.diagnostics import error
from netlang.ir.build import Builder
from netlang.ir.gradient import adjoints
from netlang.ir.graph import Graph, Value
from netlang.ir.module import LEARNING_RATE, LOSS, Call, TrainSpec
from netlang.ir.types import DType, TensorType
from netlang.passes import chunks, hoist, scans, towers
from netlang.passes.autodiff import weights
from netlang.passes.clip import clipped
from netlang.passes.commute import commute
from netlang.passes.update_order import Change, ordered
from netlang.passes.update_rules import RULES, Moment, Rule

ORIGIN = "optimizer"
STEP = "$step"
"""The counter of the steps taken so far, a parameter f32[] of role `state`."""

_SCALAR = TensorType(DType.F32, ())
_ZERO = ("constant", 0.0)


def training_step(spec: TrainSpec, placed: bool = False) -> Graph:
    """One step of training: the inputs of `spec.graph` and `$lr`; its outputs; the updates of its buffers, of every
    weight that the loss depends on (as far as the section changes it: of others no gradient is computed), of the
    optimiser's state (`<weight>.<slot>`, role `state`, zero at first) and of
    the counter `$step`. `placed`: what is on different devices stays there.

    Raises NetError where the optimiser or the way of clipping is unknown, ShapeError where the loss is no float scalar.
    """
    rule = _rule(spec.optimizer)
    # Before differentiation, so that the backward graph has joined towers, only sees the maps after the pools, and has
    # the gradients of what can be done for all steps of a loop outside of the loop too.
    graph = _unchanged(spec) if placed else towers.run(_unchanged(spec))
    graph = hoist.PASS.run(scans.PASS.run(chunks.run(commute(graph))))
    loss = graph.output(LOSS)
    make = Builder((spec.optimizer.span,) if spec.optimizer.span else (), "", ORIGIN)
    rate = make.input(LEARNING_RATE, _SCALAR)
    step = make.param(STEP, _SCALAR, "state", _ZERO)
    moment = Moment(rate, make.add(step, make.scalar(1.0, step)))
    finite = make.op("lt", make.op("abs", loss), make.scalar(math.inf, loss))

    changes, state = _changes(graph, spec, rule, moment, make)
    new = [update for change in ordered(graph, changes) for update in change.updates]
    old = {p.node.name: p for p in (*graph.params, *state, step)}
    guarded = tuple(
        (name, make.like(old[name].node).op("where", finite, value, old[name]))
        for name, value in (*graph.updates, *new, (STEP, moment.count))
    )
    return graph.replace(inputs=(*graph.inputs, rate), params=(*graph.params, *state, step), updates=guarded)


def _unchanged(spec: TrainSpec) -> Graph:
    """The graph without updates of the buffers that the section leaves as they are."""
    kept = tuple((name, value) for name, value in spec.graph.updates if spec.changed is None or name in spec.changed)
    return spec.graph.replace(updates=kept)


def _rule(optimizer: Call) -> Rule:
    if optimizer.name not in RULES:
        known = ", ".join(RULES)
        where = (optimizer.span,) if optimizer.span else ()
        raise error(f"unknown optimizer {optimizer.name}: there are {known}", *where)
    return RULES[optimizer.name]


def _changes(
    graph: Graph, spec: TrainSpec, rule: Rule, moment: Moment, make: Builder
) -> tuple[list[Change], list[Value]]:
    """The new values of all weights that the loss depends on, last layer first, and the params of their slots."""
    params = [p for p in weights(graph) if spec.changed is None or p.node.name in spec.changed]
    reached = [(p, g) for p, g in zip(params, adjoints(graph.output(LOSS), params), strict=True) if g is not None]
    reached.reverse()
    gradients = clipped(make, spec.clip, [g for _, g in reached])
    changes: list[Change] = []
    state: list[Value] = []
    for (param, _), gradient in zip(reached, gradients, strict=True):
        name = param.node.name
        there = make.like(param.node)
        slots = {s: there.param(f"{name}.{s}", param.type, "state", _ZERO) for s in rule.slots(spec.optimizer.args)}
        state += slots.values()
        weight, kept = rule.update(there, spec.optimizer.args, moment, param, gradient, slots)
        changes.append(Change(param, ((name, weight), *((f"{name}.{s}", v) for s, v in kept.items()))))
    return changes, state
