"""Epilogue steps as source text: what happens to sums before they are stored.

`width` neighbouring channels (columns) of one row are handled together; operands that vary with channels or have the
result's shape are read in vectors of that many. Arguments of the kernel are `channel0`, ... and `tensor0`, ..., in the
order of their steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from netlang.backends.common.epilogue import Epilogue, EpilogueStep, operands
from netlang.backends.cuda.tiles.text import Text

_BINARY: Mapping[str, str] = {
    "add": "f32({v} + {o})",
    "sub": "f32({v} - {o})",
    "rsub": "f32({o} - {v})",
    "mul": "f32({v} * {o})",
    "div": "f32({v} / {o})",
    "rdiv": "f32({o} / {v})",
    "max": "max_f32({v}, {o})",
    "min": "min_f32({v}, {o})",
    "prelu": "{v} if {v} > f32(0) else f32({v} * {o})",
}
_HALF, _SQRT_HALF = 0.5, 0.7071067811865476


def _gelu(v: str, attrs: Mapping[str, Any]) -> str:
    if attrs["approximate"]:
        inner = f"f32(f32(0.7978845608028654) * f32({v} + f32(f32(0.044715) * f32({v} * f32({v} * {v})))))"
        return f"f32(f32(f32({_HALF}) * {v}) * f32(f32(1) + tanh_f32({inner})))"
    return f"f32(f32(f32({_HALF}) * {v}) * f32(f32(1) + erf_f32(f32({v} * f32({_SQRT_HALF})))))"


_APPLY: Mapping[str, Callable[[str, Mapping[str, Any]], str]] = {
    "relu": lambda v, attrs: f"max_f32({v}, f32(0))",
    "leaky_relu": lambda v, attrs: f"{v} if {v} > f32(0) else f32({v} * f32({attrs['slope']!r}))",
    "elu": lambda v, attrs: f"{v} if {v} > f32(0) else f32(f32({attrs['alpha']!r}) * expm1_f32({v}))",
    "sigmoid": lambda v, attrs: f"f32(f32(1) / f32(f32(1) + exp_f32(f32(-{v}))))",
    "tanh": lambda v, attrs: f"tanh_f32({v})",
    "gelu": _gelu,
    "softplus": lambda v, attrs: f"f32(max_f32({v}, f32(0)) + log1p_f32(exp_f32(f32(-abs_f32({v})))))",
}


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
    t: Text, steps: Epilogue, values: Sequence[str], channel: str, element: str, first: Operands | None = None
) -> None:
    """Carry steps out on the float32 variables `values`.

    channel   int32 expression: the number of the first one's channel
    element   int64 expression: where the first one is in tensors of the result's shape, in elements
    """
    at = first or Operands()
    for step in steps:
        others: Sequence[str] = ()
        if step.kind == "channel":
            others = _load(t, f"channel{at.channel}", f"i64(u64(u32({channel})) * u64(4))", len(values), fixed=True)
        elif step.kind == "tensor":
            others = _load(t, f"tensor{at.tensor}", f"i64(i64({element}) * i64(4))", len(values))
        for i, value in enumerate(values):
            t(f"{value} = {result(step, value, others[i] if others else '')}")
        at = at.after((step,))


def _load(t: Text, address: str, offset: str, width: int, fixed: bool = False) -> list[str]:
    names = [f"other{i}" for i in range(width)]
    word = f"load{width if width > 1 else ''}_{'fixed_' if fixed else ''}f32"
    t(f"{', '.join(names)} = {word}({address}, {offset})")
    return names


def result(step: EpilogueStep, value: str, other: str) -> str:
    """The expression of one step."""
    attrs = dict(step.attrs)
    if step.kind == "apply":
        return _APPLY[step.op](value, attrs)
    if step.kind == "number":
        return _BINARY[step.op].format(v=value, o=_number(attrs["value"]))
    if step.op == "mask":
        return f"{value} if {other} > {_number(attrs['above'])} else {_number(attrs['otherwise'])}"
    return _BINARY[step.op].format(v=value, o=other)


def _number(value: float) -> str:
    """A float32 constant; infinities have no literal."""
    return f"f32({float(value)!r})" if abs(value) != float("inf") else f"f32({'-' if value < 0 else ''}1e999)"
