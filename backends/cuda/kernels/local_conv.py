"""Lowerings of unshared convolution and its adjoints."""

from __future__ import annotations

from netlang.backends.common.conv_problem import whole_number
from netlang.backends.common.inline import has_halves, in_single_precision
from netlang.backends.common.steps import Arg, Step
from netlang.backends.cuda.kernel import Kernel
from netlang.backends.cuda.kernels.plain_conv import three
from netlang.backends.cuda.lower import LoweringContext, lowering
from netlang.backends.cuda.steps import Grid, Launch
from netlang.backends.cuda.tiles.local_conv import LocalConv, local_conv
from netlang.backends.cuda.tiles.local_conv_gradients import WEIGHT_ROWS, local_data_gradient, local_weight_gradient
from netlang.ir.dims import Dim, Shape, size
from netlang.ir.graph import Node, Value

_OPS = ("local_conv", "local_conv_data_grad", "local_conv_weight_grad")
_THREADS = 256


def _fits(context: LoweringContext, node: Node) -> bool:
    """f32 or f64, at most three spatial axes."""
    return min(v.rank for v in (*node.inputs, *node.results)) <= 5 and not has_halves(context, node)


def _shape(context: LoweringContext, node: Node, kernel: Shape) -> LocalConv:
    across, down, deep = (whole_number(k) for k in (*(1,) * (3 - len(kernel)), *kernel))
    strides = (*(1,) * (3 - len(kernel)), *node.attrs["stride"])
    threads = 32 if context.target.small else _THREADS
    return LocalConv(node.out.dtype.value, (across, down, deep), (strides[0], strides[1], strides[2]), threads)


def _launch(
    context: LoweringContext, node: Node, made: Kernel, arrays: tuple[Value, ...], parts: Dim, grid: Grid
) -> Step:
    x, w, y = arrays
    inside, outside = x.shape[2:], y.shape[2:]
    low = [p for p, _ in node.attrs["pad"]]
    args: list[Arg] = [*map(context.buffer, arrays), x.shape[0], x.shape[1], y.shape[1], size(outside), parts]
    args += [*three(inside, 1), *three(outside, 1), *three(low, 0)]
    return Launch(made, tuple(args), (context.buffer(node.out),), size(w.shape) * x.shape[0], grid=grid)


def _parts(count: Dim, each: int) -> Dim:
    return (count + (each - 1)) // each


@lowering("local_conv", match=_fits)
def forward(context: LoweringContext, node: Node) -> list[Step]:
    """Blocks of one position share its weights among some samples."""
    x, w = node.inputs
    shape = _shape(context, node, w.shape[x.rank :])
    parts, outputs = _parts(x.shape[0], shape.samples), _parts(node.out.shape[1], shape.outputs)
    grid = (size(node.out.shape[2:]) * parts, outputs, 1)
    return [_launch(context, node, local_conv(shape), (x, w, node.out), parts, grid)]


@lowering("local_conv_data_grad", match=_fits)
def data_gradient(context: LoweringContext, node: Node) -> list[Step]:
    """Each element collects from the positions that read it."""
    dy, w = node.inputs
    shape = _shape(context, node, w.shape[dy.rank :])
    parts = _parts(dy.shape[0], shape.samples)
    grid = (_parts(size(node.out.shape[1:]), shape.threads), parts, 1)
    return [_launch(context, node, local_data_gradient(shape), (node.out, w, dy), parts, grid)]


@lowering("local_conv_weight_grad", match=_fits)
def weight_gradient(context: LoweringContext, node: Node) -> list[Step]:
    """Each weight is summed over the samples."""
    x, dy = node.inputs
    shape = _shape(context, node, node.attrs["kernel"])
    parts = _parts(x.shape[1] * shape.taps, shape.threads)
    grid = (size(dy.shape[2:]) * parts, _parts(dy.shape[1], WEIGHT_ROWS), 1)
    return [_launch(context, node, local_weight_gradient(shape), (x, node.out, dy), parts, grid)]


lowering(*_OPS, priority=-10, match=has_halves)(in_single_precision)
