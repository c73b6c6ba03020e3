"""Lowering of the gradient by the weights of convolution in small groups."""

from __future__ import annotations

from netlang.backends.common.conv_problem import whole_number
from netlang.backends.common.gradient_problem import GradientProblem, gradient_problem
from netlang.backends.common.lowerings import Sliceable
from netlang.backends.common.steps import Arg, Sizes, Step, evaluated
from netlang.backends.cuda.kernels.split_sums import add_parts
from netlang.backends.cuda.lower import LoweringContext, lowering
from netlang.backends.cuda.steps import Launch
from netlang.backends.cuda.tiles.depthwise_gradient import ARGUMENTS, DepthwiseGradient
from netlang.ir.graph import Node

_FLOAT = 4
_THREADS = 128
_MOST_TAPS = 49
"""Sums of a thread, each in a register."""
_MOST_PRODUCTS = 128
"""Of a cell: each is an instruction."""
_MOST_PAIRS = 64
"""Of input and output channels of a group: larger groups fill the tiles of a product of matrices."""
_ENOUGH_BLOCKS = 1024
"""That keep any GPU busy: parts follow from sizes alone, so that results do."""
_LEAST_CELLS = 4
"""Of a thread: below that its sums take longer to add up than to make."""
_MOST_BYTES = 1 << 26
"""Of the sums of all parts."""


def fits(context: LoweringContext, node: Node) -> bool:
    """Whether the kernel of this module can carry the gradient out."""
    problem = gradient_problem(node, flipped=True)
    if problem is None or problem.groups == 1 or problem.kernel[1] > _MOST_TAPS:
        return False
    return problem.channels // problem.groups * (problem.out_channels // problem.groups) <= _MOST_PAIRS


def _shape(context: LoweringContext, problem: GradientProblem) -> DepthwiseGradient:
    """As many rows of the kernel as there are registers for, and cells of up to two by four."""
    down, across = problem.kernel
    rows = max(n for n in range(1, down + 1) if down % n == 0 and n * across <= _MOST_TAPS)
    cells = [(2, 4), (1, 4), (1, 2), (1, 1)] if problem.stride[0] == 1 else [(1, 4), (1, 2), (1, 1)]
    taps = rows * across
    cell = next((c for c in cells if taps * c[0] * c[1] <= _MOST_PRODUCTS), cells[-1])
    cell = (min(cell[0], problem.out[0]), min(cell[1], problem.out[1]))
    threads = 32 if context.target.small else _THREADS
    return DepthwiseGradient(problem.kernel, rows, problem.stride, problem.dilation, cell, problem.flip, threads)


def _slices(context: LoweringContext, node: Node) -> Sliceable:
    return Sliceable((0, 1))


@lowering("conv_weight_grad", priority=20, match=fits, slices=_slices)
def depthwise_weight_grad(context: LoweringContext, node: Node) -> list[Step]:
    """The sums of every part of the batch, then their sum."""
    problem = gradient_problem(node, flipped=True)
    assert problem is not None
    x, dy = (context.buffer(v) for v in node.inputs)
    shape, images = _shape(context, problem), node.inputs[0].shape[0]
    down, across = (-(-size // each) for size, each in zip(problem.out, shape.cell, strict=True))
    cells, count = images * (down * across), whole_number(node.out.type.size)
    blocks = count // shape.taps

    most = max(1, min(-(-_ENOUGH_BLOCKS // blocks), _MOST_BYTES // (count * _FLOAT)))

    def parts(sizes: Sizes) -> int:
        return max(1, min(most, evaluated(cells, sizes) // (_LEAST_CELLS * shape.threads)))

    sums = context.scratch(lambda sizes: count * parts(sizes) * _FLOAT)
    numbers: dict[str, Arg] = {
        "x": x,
        "y": dy,
        "sums": sums,
        "weights": count,
        "cells": cells,
        "cells_down": down,
        "cells_across": across,
        "per_in": problem.channels // problem.groups,
        "per_out": problem.out_channels // problem.groups,
        "x_image": context.image_bytes(x, node.inputs[0].type),
        "y_image": context.image_bytes(dy, node.inputs[1].type),
        "height": problem.size[0],
        "width": problem.size[1],
        "out_height": problem.out[0],
        "out_width": problem.out[1],
        "pad_top": problem.pad[0],
        "pad_left": problem.pad[1],
    }
    work = images * (problem.out[0] * problem.out[1] * count)
    fill = Launch(shape.code(), tuple(numbers[name] for name in ARGUMENTS), (sums,), work, grid=(blocks, parts, 1))
    return [fill, add_parts(context, sums, context.buffer(node.out), count, parts, most)]
