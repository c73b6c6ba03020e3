"""What a gradient by the weights of a convolution asks for: a problem of two dimensions."""

from __future__ import annotations

from dataclasses import dataclass

from netlang.backends.common.conv_problem import pair, static
from netlang.ir.graph import Node


@dataclass(frozen=True)
class GradientProblem:
    """Static sizes of a weight gradient, as (down, across) where there are two; `flip`: the weights lie reversed."""

    channels: int
    out_channels: int
    groups: int
    size: tuple[int, int]
    out: tuple[int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    pad: tuple[int, int]
    flip: bool = False


def gradient_problem(node: Node, *, flipped: bool = False) -> GradientProblem | None:
    """The problem of a `conv_weight_grad` node; None where a tiled kernel cannot carry it out. Only those kernels that
    ask for `flipped` ones get to see them."""
    x, dy = node.inputs
    a = node.attrs
    if not static(x.type) or not static(dy.type) or x.rank not in (3, 4) or (a["flip"] and not flipped):
        return None
    if not all(isinstance(d, int) for d in node.out.shape):
        return None
    channels, out_channels = (v.shape[1] for v in (x, dy))
    assert isinstance(channels, int) and isinstance(out_channels, int)
    low = pair(tuple(p[0] for p in a["pad"]), 0)
    problem = GradientProblem(
        channels,
        out_channels,
        a["groups"],
        size=pair(x.shape[2:]),
        out=pair(dy.shape[2:]),
        kernel=pair(a["kernel"]),
        stride=pair(a["stride"]),
        dilation=pair(a["dilation"]),
        pad=low,
        flip=a["flip"],
    )
    return problem if min(*problem.size, *problem.out, channels, out_channels) > 0 else None
