"""Lowerings of unshared convolution and its adjoints."""

from __future__ import annotations

from netlang.backends.common.inline import has_halves, in_single_precision
from netlang.backends.common.steps import Arg, Step
from netlang.backends.cpu.kernel import native
from netlang.backends.cpu.kernels.plain_windows import window_numbers
from netlang.backends.cpu.lower import LoweringContext, lowering
from netlang.ir.dims import size
from netlang.ir.graph import Node, Value

_OPS = ("local_conv", "local_conv_data_grad", "local_conv_weight_grad")
_SUMS = ("contract", "reassoc", "nsz")
_BLOCK = 8
"""Samples whose patches are held at once."""


def _fits(context: LoweringContext, node: Node) -> bool:
    """f32 or f64, at most three spatial axes."""
    return min(v.rank for v in (*node.inputs, *node.results)) <= 5 and not has_halves(context, node)


def _step(context: LoweringContext, node: Node, maker: str, x: Value, w: Value, y: Value) -> Step:
    axes, slots = x.rank - 2, context.target.processors
    kernel, patch = w.shape[x.rank :], size(w.shape[axes + 1 :])
    scratch = context.scratch(patch * (slots * _BLOCK * x.dtype.size))
    head: list[Arg] = [x, w, y, scratch, x.shape[0], x.shape[1], w.shape[axes], slots]
    args = head + window_numbers(node, x.shape[2:], y.shape[2:], kernel)
    code = native("local_conv", maker, x.dtype.value, x.dtype.size, _BLOCK, fastmath=_SUMS)
    return Step(code, tuple(args), (node.out, scratch), size(w.shape) * x.shape[0])


@lowering("local_conv", match=_fits)
def local_conv(context: LoweringContext, node: Node) -> list[Step]:
    x, w = node.inputs
    return [_step(context, node, "local_conv", x, w, node.out)]


@lowering("local_conv_data_grad", match=_fits)
def local_conv_data_grad(context: LoweringContext, node: Node) -> list[Step]:
    dy, w = node.inputs
    return [_step(context, node, "data_grad", node.out, w, dy)]


@lowering("local_conv_weight_grad", match=_fits)
def local_conv_weight_grad(context: LoweringContext, node: Node) -> list[Step]:
    x, dy = node.inputs
    return [_step(context, node, "weight_grad", x, node.out, dy)]


lowering(*_OPS, priority=-10, match=has_halves)(in_single_precision)
