"""Epilogue steps as source text: what happens to sums before they are stored.

`width` neighbouring channels (columns) of one row are handled together; operands that vary with channels or have the
result's shape are read in vectors of that many. Arguments of the kernel are `channel0`, ... and `tensor0`, ..., in the
order of their steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from netlang.backends.common.epilogue import Epilogue, EpilogueStep, operands
from netlang.backends.cuda.tiles.expressions import EXPRESSIONS
from netlang.backends.cuda.tiles.lines import Lines
from netlang.backends.cuda.tiles.text import Text
from netlang.backends.cuda.tiles.writer import Term, literal

_SWAPPED: Mapping[str, str] = {"rsub": "sub", "rdiv": "div"}
"""Ops whose operand comes first."""


@dataclass(frozen=True)
class Operands:
    """Which operands steps begin with, where a kernel has several groups of steps."""

    channel: int = 0
    tensor: int = 0

    def after(self, steps: Epilogue) -> Operands:
        """What those that follow `steps` begin with."""
        return Operands(self.channel + operands(steps, "channel"), self.tensor + operands(steps, "tensor"))


def arguments(steps: Epilogue) -> list[str]:
    """Names of the operands' addresses."""
    channels = [f"channel{i}" for i in range(operands(steps, "channel"))]
    return channels + [f"tensor{i}" for i in range(operands(steps, "tensor"))]


def apply(
    t: Text,
    steps: Epilogue,
    values: Sequence[str],
    channel: str,
    element: str,
    first: Operands | None = None,
    types: Sequence[str] = (),
) -> None:
    """Carry steps out on the float32 variables `values`.

    channel   int32 expression: the number of the first one's channel
    element   int64 expression: where the first one is in tensors of the result's shape, in elements
    types     element types of these tensors, where they are not all f32: f32 or bool, which is read as 1 and 0
    """
    at = first or Operands()
    for step in steps:
        others: Sequence[str] = ()
        if step.kind == "channel":
            others = _load(t, f"channel{at.channel}", f"i64(u64(u32({channel})) * u64(4))", len(values), fixed=True)
        elif step.kind == "tensor" and types and types[at.tensor] == "bool":
            others = _load_bits(t, f"tensor{at.tensor}", element, len(values))
        elif step.kind == "tensor":
            others = _load(t, f"tensor{at.tensor}", f"i64(i64({element}) * i64(4))", len(values))
        for i, value in enumerate(values):
            t(f"{value} = {result(t, step, value, others[i] if others else '')}")
        at = at.after((step,))


def _load(t: Text, address: str, offset: str, width: int, fixed: bool = False) -> list[str]:
    names = [f"other{i}" for i in range(width)]
    word = f"load{width if width > 1 else ''}_{'fixed_' if fixed else ''}f32"
    t(f"{', '.join(names)} = {word}({address}, {offset})")
    return names


def _load_bits(t: Text, address: str, element: str, width: int) -> list[str]:
    names = [f"other{i}" for i in range(width)]
    for i, name in enumerate(names):
        t(f"{name} = f32(1) if load_bool({address}, i64(i64({element}) + i64({i}))) else f32(0)")
    return names


def result(t: Text, step: EpilogueStep, value: str, other: str) -> str:
    """The expression of one step; it may need lines before."""
    attrs = dict(step.attrs)
    if step.op == "mask":
        return f"{value} if {other} > {literal('f32', attrs['above'])} else {literal('f32', attrs['otherwise'])}"
    if step.kind == "number":
        other = literal("f32", attrs["value"])
    values = [Term(text, "f32") for text in (value, other) if text]
    if step.op in _SWAPPED:
        values.reverse()
    return EXPRESSIONS[_SWAPPED.get(step.op, step.op)](Lines(t), attrs, values)
