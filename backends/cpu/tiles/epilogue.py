"""The steps of an epilogue as code on vectors of accumulators."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from netlang.backends.common.epilogue import Epilogue
from netlang.backends.cpu.tiles import vector_math
from netlang.backends.cpu.tiles.emitter import Emitter

Operand = Callable[[], Any]
"""Loads the vector of an operand that belongs to the accumulator at hand."""


def apply(e: Emitter, steps: Epilogue, value: Any, channel: Sequence[Operand], tensor: Sequence[Operand]) -> Any:
    """`value` after all steps; `channel` and `tensor` supply the operands in order."""
    channels, tensors = iter(channel), iter(tensor)
    for step in steps:
        if step.kind == "apply":
            value = vector_math.FUNCTIONS[step.op](e, value, **dict(step.attrs))
        elif step.op == "mask":
            chosen = dict(step.attrs)
            kept = e.b.fcmp_ordered(">", next(tensors)(), e.constant(chosen["above"]))
            value = e.b.select(kept, value, e.constant(chosen["otherwise"]))
        elif step.kind == "number":
            value = _combine(e, step.op, value, e.constant(dict(step.attrs)["value"]))
        else:
            operand = next(channels if step.kind == "channel" else tensors)()
            value = _combine(e, step.op, value, operand)
    return value


def _combine(e: Emitter, op: str, value: Any, operand: Any) -> Any:
    if op == "prelu":
        return e.b.select(e.b.fcmp_ordered(">", value, e.zero), value, e.b.fmul(value, operand))
    if op == "max":
        return e.b.select(e.b.fcmp_unordered("uno", operand, operand), operand, e.maximum(value, operand))
    if op == "min":
        smaller = e.b.select(e.b.fcmp_ordered("<", operand, value), operand, value)
        return e.b.select(e.b.fcmp_unordered("uno", operand, operand), operand, smaller)
    if op in ("rsub", "rdiv"):
        value, operand, op = operand, value, op[1:]
    emit = {"add": e.b.fadd, "sub": e.b.fsub, "mul": e.b.fmul, "div": e.b.fdiv}[op]
    return emit(value, operand)
