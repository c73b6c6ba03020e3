"""Lowerings of convolution and its adjoints to plain loops: any rank up to three, any geometry, where no tile fits."""

from __future__ import annotations

from collections.abc import Sequence

from netlang.backends.common.inline import has_halves, in_single_precision
from netlang.backends.common.steps import Arg, Step
from netlang.backends.cuda.lower import LoweringContext, lowering
from netlang.backends.cuda.steps import Launch
from netlang.backends.cuda.tiles.plain_conv import plain_conv
from netlang.ir.dims import Dim, size
from netlang.ir.graph import Node, Value

_PRIORITY = -10
_OPS = ("conv", "conv_data_grad", "conv_weight_grad")
_THREADS = 128
_MOST_AXES = 3


def _fits(context: LoweringContext, node: Node) -> bool:
    """f32 or f64, at most three spatial axes."""
    return node.out.rank <= _MOST_AXES + 2 and not has_halves(context, node)


@lowering(*_OPS, priority=_PRIORITY, match=_fits)
def plain(context: LoweringContext, node: Node) -> list[Step]:
    """One launch with a thread for each element of the result."""
    x, w, y = _operands(node)
    groups, total = node.attrs["groups"], node.out.type.size
    threads = 32 if context.target.small else _THREADS
    head: list[Arg] = [*map(context.buffer, (x, w, y)), total, x.shape[0], x.shape[1], y.shape[1]]
    head += [w.shape[1], y.shape[1] // groups]
    return [
        Launch(
            plain_conv(node.op, node.out.dtype.value, node.attrs["flip"], threads),
            (*head, *window_numbers(node, x.shape[2:], y.shape[2:], w.shape[2:])),
            (context.buffer(node.out),),
            size(y.shape) * size(w.shape[1:]),
            grid=((total + (threads - 1)) // threads, 1, 1),
        )
    ]


def _operands(node: Node) -> tuple[Value, Value, Value]:
    """x, w and y of the convolution, or their gradients."""
    first, second = node.inputs
    if node.op == "conv":
        return first, second, node.out
    return (node.out, second, first) if node.op == "conv_data_grad" else (first, node.out, second)


def three(entries: Sequence[Dim], missing: int) -> list[Arg]:
    """Entries for three axes, `missing` where there are fewer."""
    return [*[missing] * (_MOST_AXES - len(entries)), *entries]


def window_numbers(node: Node, inside: Sequence[Dim], outside: Sequence[Dim], kernel: Sequence[Dim]) -> list[Arg]:
    """Input sizes, output sizes, kernel, stride, low padding and dilation, three numbers each."""
    attrs = node.attrs
    low = [p for p, _ in attrs["pad"]]
    return [
        *three(inside, 1),
        *three(outside, 1),
        *three(kernel, 1),
        *three(attrs["stride"], 1),
        *three(low, 0),
        *three(attrs.get("dilation", (1,) * len(kernel)), 1),
    ]


lowering(*_OPS, priority=_PRIORITY, match=has_halves)(in_single_precision)
