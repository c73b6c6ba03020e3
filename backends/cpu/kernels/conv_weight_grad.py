"""Lowering of the weight gradient of convolutions to the tiled kernel: sums per part of the batch, then their sum."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from netlang.backends.common.conv_problem import whole_number
from netlang.backends.common.epilogue import EpilogueStep
from netlang.backends.common.gradient_problem import GradientProblem, gradient_problem
from netlang.backends.common.steps import Arg, Scratch, Sizes, Step, evaluated
from netlang.backends.cpu.kernel import emitted
from netlang.backends.cpu.kernels.conv_plan import odd_lines
from netlang.backends.cpu.lower import LoweringContext, lowering
from netlang.backends.cpu.target import Target
from netlang.backends.cpu.tiles.broadcast_tile import BroadcastTile
from netlang.backends.cpu.tiles.shapes import channel_vectors, most_pixels
from netlang.backends.cpu.tiles.weight_gradient import emit_sum, emit_weight_gradient
from netlang.backends.cpu.tiles.weight_gradient_table import SumTable, WeightGradientStructure
from netlang.backends.cpu.tiles.weight_gradient_table import WeightGradientTable as T
from netlang.ir.dims import Dim, size
from netlang.ir.graph import Node

_FLOAT = 4
_PIXELS = 144
"""About how many pixels of dy a tile sums over before it adds to memory: a group of them stays in the L1 cache."""
_SAME_SETS = 1 << 10
"""Channels that are a multiple of so many bytes apart would push each other out of the L1 cache."""
_STRIP_BYTES = 1 << 20
_SUMS_BYTES = 1 << 24
"""Most memory for the sums of all parts of the batch."""
_ENOUGH_TASKS = 8
_ENOUGH_SUMS = 8
"""Sums that must be under way at once to hide the latency of an FMA."""
_MOST_CHANNELS = 8
"""Input channels of a tile: each has an address of its own."""


def _tile(problem: GradientProblem, target: Target) -> BroadcastTile | None:
    """Vectors of output channels times input channels times columns of the kernel."""
    lanes, across = target.lanes(_FLOAT), problem.kernel[1]
    per_group = problem.out_channels // problem.groups
    if problem.groups > 1 and per_group % lanes:
        return None
    whole = -(-per_group // lanes)
    vectors = min(2, channel_vectors(target, whole))
    if most_pixels(target, vectors) < across or (problem.groups > 1 and whole % vectors):
        vectors = 1
    most = min(_MOST_CHANNELS, most_pixels(target, vectors) // across)
    if most < 1:
        return None
    rows = _tile_channels(problem.channels // problem.groups, most, vectors, across)
    add = (EpilogueStep("tensor", "add"),)
    return BroadcastTile(lanes, vectors, rows, across, problem.dilation[1] * _FLOAT, False, fenced=True, epilogue=add)


def _tile_channels(channels: int, most: int, vectors: int, across: int) -> int:
    """Input channels of a tile: of few ones in the last tile, and of more loads than need be, what costs less."""

    def cost(rows: int) -> float:
        sums = vectors * rows * across
        loads = (vectors + rows * across) / sums
        return -(-channels // rows) * rows * (1 + 0.1 * loads) / min(1.0, sums / _ENOUGH_SUMS)

    return min(range(min(channels, most), 0, -1), key=cost)


def _fits(context: LoweringContext, node: Node) -> bool:
    problem = gradient_problem(node)
    return problem is not None and _tile(problem, context.target) is not None


@dataclass(frozen=True)
class GradientPlan:
    """How a problem is carried out; `numbers` are the entries of the table that depend on nothing else."""

    structure: WeightGradientStructure
    numbers: dict[T, int]

    @property
    def groups(self) -> int:
        return self.numbers[T.GROUPS]

    def parts(self, images: int) -> int:
        """Parts of the batch with sums of their own: fixed by sizes alone, so that results are."""
        return max(1, min(images, _ENOUGH_TASKS, _SUMS_BYTES // self.numbers[T.SUMS_PART]))

    def group_parts(self, images: int) -> int:
        return max(1, min(self.groups, -(-_ENOUGH_TASKS // self.parts(images))))


def plan_gradient(problem: GradientProblem, tile: BroadcastTile) -> GradientPlan:
    """Tasks, strip and sums of a problem."""
    line = tile.lanes * _FLOAT
    (tall, wide), (down, across) = problem.out, problem.kernel
    whole = -(-(problem.out_channels // problem.groups) // tile.lanes)
    per_group = -(-whole // tile.vectors)
    groups = problem.groups * per_group
    inner = problem.channels // problem.groups
    vector = -(-inner // tile.rows) * tile.rows * down * across * line
    height, width = problem.size
    numbers = {
        T.GROUPS: groups,
        T.CHANNEL_GROUPS: per_group,
        T.X_IMAGE: problem.channels * height * width * _FLOAT,
        T.X_CHANNEL: height * width * _FLOAT,
        T.X_ROW: width * _FLOAT,
        T.IN_CHANNELS: problem.channels,
        T.GROUP_CHANNELS: inner,
        T.SPARE_CHANNELS: tile.rows - 1,
        T.IN_HEIGHT: height,
        T.IN_WIDTH: width,
        T.PAD_TOP: problem.pad[0],
        T.PAD_LEFT: problem.pad[1],
        T.STRIDE_DOWN: problem.stride[0],
        T.STRIDE_ACROSS: problem.stride[1],
        T.DILATION_DOWN: problem.dilation[0],
        T.TAPS_DOWN: down,
        T.OUT_CHANNELS: problem.out_channels,
        T.OUT_HEIGHT: tall,
        T.OUT_WIDTH: wide,
        T.SUMS_VECTOR: vector,
        T.SUMS_PART: groups * tile.vectors * vector,
    }
    stripped = inner % tile.rows > 0 or not _inside(problem) or numbers[T.X_CHANNEL] % _SAME_SETS == 0
    numbers |= _slot(problem, numbers, stripped)
    dy_bytes = numbers[T.IMAGES_TOGETHER] * numbers[T.ROWS] * wide * tile.vectors * line
    numbers[T.SLOT_BYTES] = -(-(numbers[T.DY_AT] + dy_bytes) // 64) * 64
    return GradientPlan(WeightGradientStructure(tile, stripped), numbers)


def _inside(problem: GradientProblem) -> bool:
    """Whether all taps of all pixels are inside x."""
    axes = zip(problem.out, problem.stride, problem.kernel, problem.dilation, problem.size, strict=True)
    return problem.pad == (0, 0) and all((o - 1) * s + (k - 1) * d < size for o, s, k, d, size in axes)


def _slot(problem: GradientProblem, plain: dict[T, int], stripped: bool) -> dict[T, int]:
    """The pixels at a time, and where they are in a thread's slot."""
    (tall, wide), (down, across) = problem.out, problem.kernel
    strip_width = (wide - 1) * problem.stride[1] + (across - 1) * problem.dilation[1] + 1

    def strip_rows(rows: int) -> int:
        return (rows - 1) * problem.stride[0] + (down - 1) * problem.dilation[0] + 1

    def too_large(rows: int, images: int) -> bool:
        return stripped and images * strip_rows(rows) * strip_width * problem.channels * _FLOAT > _STRIP_BYTES

    rows = min(tall, max(1, round(_PIXELS / wide)))
    while rows > 1 and too_large(rows, 1):
        rows -= 1
    images = max(1, round(_PIXELS / (tall * wide))) if rows == tall else 1
    while images > 1 and too_large(rows, images):
        images -= 1
    numbers = {T.ROWS: rows, T.IMAGES_TOGETHER: images, T.STRIP_WIDTH: strip_width}
    if not stripped:
        own = {T.STRIP_ROW: T.X_ROW, T.STRIP_IMAGE: T.X_IMAGE, T.STRIP_CHANNEL: T.X_CHANNEL}
        return numbers | {entry: plain[same] for entry, same in own.items()} | {T.DY_AT: 0}
    image = strip_rows(rows) * strip_width * _FLOAT
    channel = odd_lines(images * image)
    numbers |= {T.STRIP_ROW: strip_width * _FLOAT, T.STRIP_IMAGE: image, T.STRIP_CHANNEL: channel}
    return numbers | {T.DY_AT: channel * (problem.channels + plain[T.SPARE_CHANNELS]) + 64}


@lowering("conv_weight_grad", priority=10, match=_fits)
def tiled_weight_gradient(context: LoweringContext, node: Node) -> list[Step]:
    """Fill the sums of every part of the batch, then add them up."""
    problem = gradient_problem(node)
    assert problem is not None
    tile = _tile(problem, context.target)
    assert tile is not None
    plan = plan_gradient(problem, tile)
    images: Dim = node.inputs[0].shape[0]
    slack = tile.lanes * tile.lanes * _FLOAT
    sums = context.scratch(lambda s: plan.parts(evaluated(images, s)) * plan.numbers[T.SUMS_PART] + slack)
    slots = context.target.processors
    scratch = context.scratch(plan.numbers[T.SLOT_BYTES] * slots)
    numbers: dict[T, Arg] = dict(plan.numbers)
    numbers |= {
        T.X: context.buffer(node.inputs[0]),
        T.DY: context.buffer(node.inputs[1]),
        T.SUMS: sums,
        T.SCRATCH: scratch,
        T.SLOTS: slots,
        T.IMAGES: images,
        T.IMAGE_PARTS: lambda s: plan.parts(evaluated(images, s)),
        T.GROUP_PARTS: lambda s: plan.group_parts(evaluated(images, s)),
    }
    structure = plan.structure
    kernel = emitted(structure.key, partial(emit_weight_gradient, structure))
    weights = problem.channels // problem.groups * problem.kernel[0] * problem.kernel[1]
    work = node.inputs[1].type.size * weights

    def effort(sizes: Sizes) -> int:
        return evaluated(work, sizes) // 8

    fill = Step(kernel, tuple(numbers[entry] for entry in T), (sums, scratch), effort)
    layout = (plan.numbers[T.SUMS_PART], plan.numbers[T.SUMS_VECTOR], plan.groups * tile.vectors)
    return [fill, sum_step(context, node, sums, lambda s: plan.parts(evaluated(images, s)), layout, tile.lanes)]


def sum_step(
    context: LoweringContext,
    node: Node,
    sums: Scratch,
    parts: Callable[[Sizes], int],
    layout: tuple[int, int, int],
    lanes: int,
) -> Step:
    """Add up the sums of all parts of the batch. `layout`: bytes of a part and of a vector, vectors of a part."""
    out_channels, *rest = node.out.shape
    weights = size(rest)
    entry = SumTable
    numbers: dict[SumTable, Arg] = {
        entry.SUMS: sums,
        entry.OUT: context.buffer(node.out),
        entry.PARTS: parts,
        entry.PART: layout[0],
        entry.VECTOR: layout[1],
        entry.VECTORS: layout[2],
        entry.OUT_CHANNELS: out_channels,
        entry.TAPS: weights,
    }
    add = emitted(f"weight_gradient_sum:{lanes}", partial(emit_sum, lanes))
    moved = whole_number(node.out.type.size)
    return Step(add, tuple(numbers[e] for e in entry), (context.buffer(node.out), sums), lambda s: moved * parts(s))
