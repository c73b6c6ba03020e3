"""What a convolution or pool asks for, in the terms of the direct kernel: a problem of two dimensions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from netlang.ir.dims import size
from netlang.ir.graph import Node, Value
from netlang.ir.types import DType, TensorType

_POOLS: Mapping[str, str] = {"max_pool": "max", "max_pool_switch": "switch", "avg_pool": "mean", "sum_pool": "sum"}


@dataclass(frozen=True)
class ConvProblem:
    """A convolution of one or two spatial axes as the kernel sees it, always with two axes: (down, across).

    A gradient by the input is a convolution of dy, with the weights transposed and reversed. Where the convolution had
    a stride, it is one for each phase: for all results whose place leaves the same remainder, a smaller kernel without
    a stride. `weight_strides` are in elements, for (group, out, in, row, column), from `weight_start`; a kernel may
    have no taps in a phase. `phase` is the place of the first result and `step` the distance of results in the
    `whole` plane.
    """

    channels: int
    out_channels: int
    groups: int
    size: tuple[int, int]
    out: tuple[int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    pad: tuple[int, int]
    weight_start: int
    weight_strides: tuple[int, int, int, int, int]
    whole: tuple[int, int]
    phase: tuple[int, int] = (0, 0)
    step: tuple[int, int] = (1, 1)

    @property
    def phased(self) -> bool:
        return self.step != (1, 1)


def static(type: TensorType) -> bool:
    """Whether everything but the first axis is a number, the elements are f32 and the storage is plain."""
    return type.dtype == DType.F32 and not type.layout and all(isinstance(d, int) for d in type.shape[1:])


def conv_problems(node: Node) -> list[ConvProblem]:
    """What a `conv` or `conv_data_grad` node comes to: one problem, one per phase of a gradient's stride, or none
    where the direct kernel cannot carry it out."""
    x, w = node.inputs
    types = (x.type, w.type, node.out.type)
    if not all(map(static, types)) or not isinstance(w.shape[0], int) or x.rank not in (3, 4):
        return []
    return _backward(node) if node.op == "conv_data_grad" else [_forward(node)]


def _forward(node: Node) -> ConvProblem:
    x, w = node.inputs
    a: Mapping[str, Any] = node.attrs
    kernel, out = pair(w.shape[2:]), pair(node.out.shape[2:])
    by_out, by_in, group = _weight_strides(w, a["groups"])
    row, column = (-kernel[1], -1) if a["flip"] else (kernel[1], 1)
    return ConvProblem(
        whole_number(x.shape[1]),
        whole_number(w.shape[0]),
        a["groups"],
        size=pair(x.shape[2:]),
        out=out,
        kernel=kernel,
        stride=pair(a["stride"]),
        dilation=pair(a["dilation"]),
        pad=pair(tuple(p[0] for p in a["pad"]), 0),
        weight_start=kernel[0] * kernel[1] - 1 if a["flip"] else 0,
        weight_strides=(group, by_out, by_in, row, column),
        whole=out,
    )


def _backward(node: Node) -> list[ConvProblem]:
    dy, w = node.inputs
    a: Mapping[str, Any] = node.attrs
    kernel, stride, whole = pair(w.shape[2:]), pair(a["stride"]), pair(node.out.shape[2:])
    low, dilation = pair(tuple(p[0] for p in a["pad"]), 0), pair(a["dilation"])
    by_out, by_in, group = _weight_strides(w, a["groups"])
    found = []
    for phase in product(range(stride[0]), range(stride[1])):
        down, across = (
            _phase_axis(phase[i], kernel[i], stride[i], dilation[i], low[i], bool(a["flip"])) for i in (0, 1)
        )
        out = tuple(-(-(size - p) // s) for size, p, s in zip(whole, phase, stride, strict=True))
        problem = ConvProblem(
            whole_number(dy.shape[1]),
            whole_number(node.out.shape[1]),
            a["groups"],
            size=pair(dy.shape[2:]),
            out=(out[0], out[1]),
            kernel=(down.taps, across.taps) if down.taps and across.taps else (0, 0),
            stride=(1, 1),
            dilation=(down.dilation, across.dilation),
            pad=(down.pad, across.pad),
            weight_start=down.first * kernel[1] + across.first,
            weight_strides=(group, by_in, by_out, down.step * kernel[1], across.step),
            whole=whole,
            phase=phase,
            step=stride,
        )
        found += [problem] if min(problem.out) > 0 else []
    return found


@dataclass(frozen=True)
class _Axis:
    """One axis of a phase: the taps that meet it, as a convolution without stride."""

    taps: int
    dilation: int
    pad: int
    first: int
    step: int


def _phase_axis(phase: int, kernel: int, stride: int, dilation: int, low: int, flip: bool) -> _Axis:
    """Result stride * i + phase reads dy at i + (phase + low - t * dilation) / stride, for the taps t where that is
    whole. These are evenly spaced; taken in reverse they read dy in order."""
    met = [t for t in range(kernel) if (phase + low - t * dilation) % stride == 0]
    if not met:
        return _Axis(0, 1, 0, 0, 0)
    spacing = met[1] - met[0] if len(met) > 1 else 1
    apart = spacing * dilation // stride if len(met) > 1 else 1
    pad = (met[-1] * dilation - phase - low) // stride
    return _Axis(len(met), apart, pad, kernel - 1 - met[-1] if flip else met[-1], spacing if flip else -spacing)


def _weight_strides(w: Value, groups: int) -> tuple[int, int, int]:
    """Elements from one (output channel, input channel, group) of w [O, C/groups, rows, columns] to the next."""
    inner, taps = whole_number(w.shape[1]), whole_number(size(w.shape[2:]))
    return inner * taps, taps, whole_number(w.shape[0]) // groups * inner * taps


def pair(values: Any, missing: int = 1) -> tuple[int, int]:
    """One or two axes as (down, across)."""
    return (missing, values[0]) if len(values) == 1 else (values[0], values[1])


def whole_number(dim: Any) -> int:
    """A dim that is known to be a number."""
    assert isinstance(dim, int)
    return dim


@dataclass(frozen=True)
class PoolProblem:
    """A pool of one or two axes; `size` is that of the map, `pad` is (top, left, bottom, right)."""

    kind: str
    kernel: tuple[int, int]
    stride: tuple[int, int]
    pad: tuple[int, int, int, int]
    size: tuple[int, int]
    out: tuple[int, int]
    count_pad: bool


def pool_problem(node: Node, large: TensorType, pooled: TensorType) -> PoolProblem | None:
    """The problem of a pool of the map `large`, or of its gradient; None where windows are dilated or sizes unknown."""
    a: Mapping[str, Any] = node.attrs
    if not static(large) or not static(pooled) or large.rank not in (3, 4):
        return None
    if any(d != 1 for d in a.get("dilation", (1,))):
        return None
    low, high = (pair(tuple(p[i] for p in a["pad"]), 0) for i in (0, 1))
    return PoolProblem(
        _POOLS.get(node.op, ""),
        pair(a["kernel"]),
        pair(a["stride"]),
        (*low, *high),
        pair(large.shape[2:]),
        pair(pooled.shape[2:]),
        a.get("count_include_pad", True),
    )
