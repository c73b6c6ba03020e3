"""Lowerings of convolutions and pools to plain loops: any rank up to three, any geometry, where no tile fits."""

from __future__ import annotations

from collections.abc import Sequence

from netlang.backends.common.inline import has_halves, in_single_precision
from netlang.backends.common.steps import Arg, Buffer, Step
from netlang.backends.cpu.kernel import Kernel, native
from netlang.backends.cpu.lower import LoweringContext, lowering
from netlang.ir.dims import Dim, size
from netlang.ir.graph import Node, Value

_PRIORITY = -10
_CONTRACT = ("contract",)
_SUMS = ("contract", "reassoc", "nsz")
"""Sums over positions may be taken in vectors: their order is fixed when the kernel is compiled."""
_MOST_AXES = 3


def _simple(context: LoweringContext, node: Node) -> bool:
    """f32 or f64, at most three spatial axes, plain layout."""
    values = (*node.inputs, *node.results)
    return node.out.rank <= _MOST_AXES + 2 and not has_halves(context, node) and not any(v.type.layout for v in values)


def three(entries: Sequence[Dim], missing: int) -> list[Arg]:
    """Entries for three axes, `missing` where there are fewer."""
    return [*[missing] * (_MOST_AXES - len(entries)), *entries]


def window_numbers(node: Node, inside: Sequence[Dim], outside: Sequence[Dim], kernel: Sequence[Dim]) -> list[Arg]:
    """Input sizes, output sizes, kernel, stride, low padding and dilation, three numbers each."""
    attrs, rank = node.attrs, len(kernel)
    low = [p for p, _ in attrs["pad"]]
    return [
        *three(inside, 1),
        *three(outside, 1),
        *three(kernel, 1),
        *three(attrs["stride"], 1),
        *three(low, 0),
        *three(attrs.get("dilation") or (1,) * rank, 1),
    ]


# ---- convolution


def _conv_step(node: Node, x: Value, w: Value, y: Value, maker: str, fastmath: tuple[str, ...]) -> Step:
    kernel = native("plain_conv", maker, node.out.dtype.value, fastmath=fastmath)
    head: list[Arg] = [x, w, y, x.shape[0], x.shape[1], w.shape[0], node.attrs["groups"], int(node.attrs["flip"])]
    args = head + window_numbers(node, x.shape[2:], y.shape[2:], w.shape[2:])
    return Step(kernel, tuple(args), (node.out,), size(y.shape) * size(w.shape[1:]))


@lowering("conv", priority=_PRIORITY, match=_simple)
def conv(context: LoweringContext, node: Node) -> list[Step]:
    x, w = node.inputs
    return [_conv_step(node, x, w, node.out, "conv", _CONTRACT)]


@lowering("conv_data_grad", priority=_PRIORITY, match=_simple)
def conv_data_grad(context: LoweringContext, node: Node) -> list[Step]:
    dy, w = node.inputs
    return [_conv_step(node, node.out, w, dy, "data_grad", _CONTRACT)]


@lowering("conv_weight_grad", priority=_PRIORITY, match=_simple)
def conv_weight_grad(context: LoweringContext, node: Node) -> list[Step]:
    x, dy = node.inputs
    return [_conv_step(node, x, node.out, dy, "weight_grad", _SUMS)]


# ---- pools


def _pool_step(
    node: Node, kernel: Kernel, tensors: Sequence[Arg], x: Value, y: Value, writes: Sequence[Buffer]
) -> Step:
    window = node.attrs["kernel"]
    high: list[Dim] = [p for _, p in node.attrs["pad"]]
    args = [*tensors, size(x.shape[:2]), *window_numbers(node, x.shape[2:], y.shape[2:], window), *three(high, 0)]
    return Step(kernel, tuple(args), tuple(writes), size(y.shape) * size(window) * 4)


@lowering("max_pool", priority=_PRIORITY, match=_simple)
def max_pool(context: LoweringContext, node: Node) -> list[Step]:
    (x,), y = node.inputs, node.out
    return [_pool_step(node, native("plain_pool", "maximum", x.dtype.value, ""), (x, y, 0, 0), x, y, (y,))]


@lowering("max_pool_switch", priority=_PRIORITY, match=_simple)
def max_pool_switch(context: LoweringContext, node: Node) -> list[Step]:
    (x,), (y, switch) = node.inputs, node.results
    kernel = native("plain_pool", "maximum", x.dtype.value, switch.dtype.value)
    return [_pool_step(node, kernel, (x, y, 0, switch), x, y, (y, switch))]


@lowering("max_pool_grad", priority=_PRIORITY, match=_simple)
def max_pool_grad(context: LoweringContext, node: Node) -> list[Step]:
    x, _, dy = node.inputs
    kernel = native("plain_pool", "maximum_grad", x.dtype.value, "")
    return [_pool_step(node, kernel, (x, node.out, dy, 0), x, dy, (node.out,))]


@lowering("max_unpool", priority=_PRIORITY, match=_simple)
def max_unpool(context: LoweringContext, node: Node) -> list[Step]:
    dy, switch = node.inputs
    kernel = native("plain_pool", "maximum_grad", dy.dtype.value, switch.dtype.value)
    return [_pool_step(node, kernel, (0, node.out, dy, switch), node.out, dy, (node.out,))]


@lowering("max_pool_pick", priority=_PRIORITY, match=_simple)
def max_pool_pick(context: LoweringContext, node: Node) -> list[Step]:
    x, switch = node.inputs
    kernel = native("plain_pool", "pick", x.dtype.value, switch.dtype.value)
    return [_pool_step(node, kernel, (x, node.out, 0, switch), x, node.out, (node.out,))]


@lowering("sum_pool", "avg_pool", "l2_pool", priority=_PRIORITY, match=_simple)
def summed(context: LoweringContext, node: Node) -> list[Step]:
    (x,), padded = node.inputs, int(node.attrs.get("count_include_pad", True))
    kernel = native("plain_pool", "total", x.dtype.value, node.op, padded)
    return [_pool_step(node, kernel, (x, node.out, 0, 0), x, node.out, (node.out,))]


@lowering("sum_pool_grad", "avg_pool_grad", priority=_PRIORITY, match=_simple)
def summed_grad(context: LoweringContext, node: Node) -> list[Step]:
    (dy,), padded = node.inputs, int(node.attrs.get("count_include_pad", True))
    kernel = native("plain_pool", "spread", dy.dtype.value, node.op, padded)
    return [_pool_step(node, kernel, (0, node.out, dy, 0), node.out, dy, (node.out,))]


_ALL = (
    "conv", "conv_data_grad", "conv_weight_grad", "max_pool", "max_pool_switch", "max_pool_grad", "max_unpool",
    "max_pool_pick", "sum_pool", "avg_pool", "l2_pool", "sum_pool_grad", "avg_pool_grad",
)  # fmt: skip
lowering(*_ALL, priority=_PRIORITY, match=has_halves)(in_single_precision)
