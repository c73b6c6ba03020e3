"""What happens to accumulators before they are stored: a list of steps, part of a kernel's structure.

A step is `channel` (combine with a per-channel vector: bias, scale), `number` (the same with one number, part of the
structure), `tensor` (combine with a tensor of the result's shape: residual, mask) or `apply` (an elementwise function).
Operands are numbered in order of their steps, those of each kind by themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


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

BINARY = frozenset({"add", "sub", "rsub", "mul", "div", "rdiv", "max", "min", "prelu"})


def operands(steps: Epilogue, kind: str) -> int:
    """How many operands of `kind` the steps read."""
    return sum(step.kind == kind for step in steps)
