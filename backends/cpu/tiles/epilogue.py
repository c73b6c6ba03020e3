"""What happens to accumulators before they are stored: a list of steps, part of a kernel's structure.

A step is `channel` (combine with a per-channel vector: bias, scale), `number` (the same with one number, part of the
structure), `tensor` (combine with a tensor of the result's shape: residual, mask) or `apply` (an elementwise function).
Operands are numbered in order of their steps, those of each kind by themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from netlang.backends.cpu.tiles import vector_math
from netlang.backends.cpu.tiles.emitter import Emitter


@dataclass(frozen=True)
class EpilogueStep:
    """kind: as above. op: an op's name; `rsub` and `rdiv` take the operand first; `mask` keeps the value where the
    operand is above the attribute `above`, and is the attribute `otherwise` elsewhere. The attribute of a number is
    `value`.
    """

    kind: str
    op: str
    attrs: tuple[tuple[str, Any], ...] = ()

    def __str__(self) -> str:
        return f"{self.kind}.{self.op}" + "".join(f",{k}={v!r}" for k, v in self.attrs)


Epilogue = tuple[EpilogueStep, ...]
Operand = Callable[[], Any]
"""Loads the vector of an operand that belongs to the accumulator at hand."""

BINARY = frozenset({"add", "sub", "rsub", "mul", "div", "rdiv", "max", "min", "prelu"})


def operands(steps: Epilogue, kind: str) -> int:
    """How many operands of `kind` the steps read."""
    return sum(step.kind == kind for step in steps)


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
