"""What a convolution or pool asks for, in the terms of the direct kernel: a problem of two dimensions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from netlang.ir.graph import Node, Value
from netlang.ir.types import DType, TensorType

_POOLS: Mapping[str, str] = {"max_pool": "max", "max_pool_switch": "switch", "avg_pool": "mean", "sum_pool": "sum"}


@dataclass(frozen=True)
class ConvProblem:
    """A convolution of one or two spatial axes as the kernel sees it: always two axes, stride and insertion apart.

    A gradient by the input is a convolution of dy: `insert` zeros between its elements in place of the stride, the
    weights transposed and reversed. `weight_strides` are in elements, for (group, out, in, row, column), from
    `weight_start`.
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
    insert: tuple[int, int]
    weight_start: int
    weight_strides: tuple[int, int, int, int, int]


def static(type: TensorType) -> bool:
    """Whether everything but the first axis is a number, the elements are f32 and the storage is plain."""
    return type.dtype == DType.F32 and not type.layout and all(isinstance(d, int) for d in type.shape[1:])


def conv_problem(node: Node) -> ConvProblem | None:
    """The problem of a `conv` or `conv_data_grad` node; None where the direct kernel cannot carry it out."""
    x, w = node.inputs
    types = (x.type, w.type, node.out.type)
    if not all(map(static, types)) or not isinstance(w.shape[0], int) or x.rank not in (3, 4):
        return None
    a: Mapping[str, Any] = node.attrs
    backward = node.op == "conv_data_grad"
    kernel, stride, dilation = (pair(v) for v in (w.shape[2:], a["stride"], a["dilation"]))
    low = pair(tuple(p[0] for p in a["pad"]), 0)
    channels, out_channels = _int(x.shape[1]), _int(node.out.shape[1])
    reverse = bool(a["flip"]) != backward
    start, strides = _weight_strides(w, a["groups"], kernel, backward, reverse)
    pad = tuple(d * (k - 1) - p if backward else p for d, k, p in zip(dilation, kernel, low, strict=True))
    return ConvProblem(
        channels,
        out_channels,
        a["groups"],
        pair(x.shape[2:]),
        pair(node.out.shape[2:]),
        kernel,
        (1, 1) if backward else stride,
        dilation,
        (pad[0], pad[1]),
        stride if backward else (1, 1),
        start,
        strides,
    )


def _weight_strides(
    w: Value, groups: int, kernel: tuple[int, int], backward: bool, reverse: bool
) -> tuple[int, tuple[int, int, int, int, int]]:
    """Where the weights of w [O, C/groups, rows, columns] are, seen from the result's channels."""
    inner, taps = _int(w.shape[1]), kernel[0] * kernel[1]
    by_out, by_in = inner * taps, taps
    group = _int(w.shape[0]) // groups * by_out
    row, column = (-kernel[1], -1) if reverse else (kernel[1], 1)
    first, second = (by_in, by_out) if backward else (by_out, by_in)
    return (taps - 1 if reverse else 0), (group, first, second, row, column)


def pair(values: Any, missing: int = 1) -> tuple[int, int]:
    """One or two axes as (down, across)."""
    return (missing, values[0]) if len(values) == 1 else (values[0], values[1])


def _int(dim: Any) -> int:
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
