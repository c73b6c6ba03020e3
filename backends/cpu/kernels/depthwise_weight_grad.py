"""Lowering of the weight gradient of convolutions in groups that do not fill vectors."""

from __future__ import annotations

from functools import partial

from netlang.backends.common.gradient_problem import GradientProblem, gradient_problem
from netlang.backends.common.steps import Arg, Sizes, Step, evaluated
from netlang.backends.cpu.kernel import emitted
from netlang.backends.cpu.kernels.conv_plan import odd_lines
from netlang.backends.cpu.kernels.conv_weight_grad import sum_step
from netlang.backends.cpu.lower import LoweringContext, lowering
from netlang.backends.cpu.target import Target
from netlang.backends.cpu.tiles.depthwise_gradient import DepthwiseGradientStructure, emit_depthwise_gradient
from netlang.backends.cpu.tiles.depthwise_gradient import DepthwiseGradientTable as T
from netlang.backends.cpu.tiles.lane_strip import LaneSource
from netlang.ir.dims import Dim
from netlang.ir.graph import Node

_FLOAT = 4
_PIXELS = 512
"""About how many pixels of dy a tile sums over before it adds to memory."""
_STRIP_BYTES = 1 << 18
_ENOUGH_TASKS = 16


def _fits(context: LoweringContext, node: Node) -> bool:
    problem = gradient_problem(node)
    return problem is not None and problem.groups > 1


def _structure(problem: GradientProblem, target: Target) -> DepthwiseGradientStructure:
    """The largest part of the kernel whose sums leave some registers free."""
    lanes, (down, across) = target.lanes(_FLOAT), problem.kernel
    most = target.registers - 4
    columns = max(n for n in range(1, across + 1) if across % n == 0 and n <= most)
    rows = max(n for n in range(1, down + 1) if down % n == 0 and n * columns <= most)
    inputs, outputs = problem.channels // problem.groups, problem.out_channels // problem.groups
    return DepthwiseGradientStructure(LaneSource(lanes, inputs, outputs, False), rows, columns, problem.dilation[1])


def _numbers(problem: GradientProblem, structure: DepthwiseGradientStructure) -> dict[T, int]:
    """The entries of the table that depend on nothing but the problem."""
    source = structure.source
    line = source.lanes * _FLOAT
    (tall, wide), (down, across), (height, width) = problem.out, problem.kernel, problem.size
    strip_width = (wide - 1) * problem.stride[1] + (across - 1) * problem.dilation[1] + 1

    def strip_rows(rows: int) -> int:
        return (rows - 1) * problem.stride[0] + (down - 1) * problem.dilation[0] + 1

    rows = min(tall, max(1, -(-_PIXELS // wide)))
    while rows > 1 and strip_rows(rows) * strip_width * source.inputs * line > _STRIP_BYTES:
        rows -= 1
    strip_channel = odd_lines(strip_rows(rows) * strip_width * line)
    dy_at = strip_channel * source.inputs
    vectors = -(-problem.out_channels // source.lanes)
    sums = source.inputs * down * across * line
    return {
        T.VECTORS: vectors,
        T.X_IMAGE: problem.channels * height * width * _FLOAT,
        T.X_CHANNEL: height * width * _FLOAT,
        T.X_ROW: width * _FLOAT,
        T.IN_CHANNELS: problem.channels,
        T.IN_HEIGHT: height,
        T.IN_WIDTH: width,
        T.PAD_TOP: problem.pad[0],
        T.PAD_LEFT: problem.pad[1],
        T.STRIP_WIDTH: strip_width,
        T.STRIP_ROW: strip_width * line,
        T.STRIP_CHANNEL: strip_channel,
        T.STRIDE_DOWN: problem.stride[0],
        T.STRIDE_ACROSS: problem.stride[1],
        T.DILATION_DOWN: problem.dilation[0],
        T.TAPS_DOWN: down,
        T.TAPS_ACROSS: across,
        T.OUT_CHANNELS: problem.out_channels,
        T.OUT_HEIGHT: tall,
        T.OUT_WIDTH: wide,
        T.ROWS: rows,
        T.DY_AT: dy_at,
        T.SLOT_BYTES: -(-(dy_at + rows * wide * line) // 64) * 64,
        T.SUMS_VECTOR: sums,
        T.SUMS_PART: vectors * sums,
    }


@lowering("conv_weight_grad", priority=5, match=_fits)
def depthwise_weight_gradient(context: LoweringContext, node: Node) -> list[Step]:
    """Fill the sums of every part of the batch, then add them up."""
    problem = gradient_problem(node)
    assert problem is not None
    structure = _structure(problem, context.target)
    lanes, plan = structure.source.lanes, _numbers(problem, structure)
    images: Dim = node.inputs[0].shape[0]

    def parts(sizes: Sizes) -> int:
        """Parts of the batch with sums of their own: fixed by sizes alone, so that results are."""
        return max(1, min(evaluated(images, sizes), -(-_ENOUGH_TASKS // plan[T.VECTORS])))

    sums = context.scratch(lambda s: parts(s) * plan[T.SUMS_PART] + lanes * lanes * _FLOAT)
    slots = context.target.processors
    scratch = context.scratch(plan[T.SLOT_BYTES] * slots)
    numbers: dict[T, Arg] = dict(plan)
    numbers |= {
        T.X: context.buffer(node.inputs[0]),
        T.DY: context.buffer(node.inputs[1]),
        T.SUMS: sums,
        T.SCRATCH: scratch,
        T.SLOTS: slots,
        T.IMAGES: images,
        T.IMAGE_PARTS: parts,
    }
    kernel = emitted(structure.key, partial(emit_depthwise_gradient, structure))
    weights = structure.source.inputs * problem.kernel[0] * problem.kernel[1]
    work = node.inputs[1].type.size * weights
    fill = Step(kernel, tuple(numbers[entry] for entry in T), (sums, scratch), lambda s: evaluated(work, s) // 8)
    layout = (plan[T.SUMS_PART], plan[T.SUMS_VECTOR], plan[T.VECTORS])
    return [fill, sum_step(context, node, sums, parts, layout, lanes)]
