"""Lowering of the weight gradient of convolutions without stride to Winograd's, where it is faster and exact enough."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from netlang.backends.common.gradient_problem import GradientProblem, gradient_problem
from netlang.backends.common.steps import Arg, Step, evaluated
from netlang.backends.common.winograd_choice import gradient_transform
from netlang.backends.cpu.kernel import emitted
from netlang.backends.cpu.lower import LoweringContext, lowering
from netlang.backends.cpu.target import Target
from netlang.backends.cpu.tiles.winograd_gradient import emit_gradient
from netlang.backends.cpu.tiles.winograd_gradient_sum import emit_gradient_sum
from netlang.backends.cpu.tiles.winograd_gradient_table import SIZE, VECTORS, GradientStructure
from netlang.backends.cpu.tiles.winograd_gradient_table import GradientSumTable as S
from netlang.backends.cpu.tiles.winograd_gradient_table import GradientTable as T
from netlang.ir.dims import Dim
from netlang.ir.graph import Node

_FLOAT = 4
_CHANNELS = 8
"""Input channels of the tile of the products where there are 32 registers."""
_POSITIONS = SIZE * SIZE
_SLOT_BYTES = 1 << 20
"""About how large V and U of the patches at hand may be: the second-level cache."""
_FEWEST_PATCHES, _MOST_PATCHES = 32, 128
"""At a time: fewer spend their time adding sums to memory, more gain nothing."""
_SUMS_BYTES = 40 << 20
"""Most memory for the sums of all parts of the batch, where there is a choice."""
_ENOUGH_TASKS = 8
_TRANSFORM = 270
"""What bringing one patch of a plain tensor into blocks and its transform cost, in FMAs of vectors."""
_SUMS_COST = 4
"""What a vector of sums costs that is stored, and loaded and transformed later."""
_EFFICIENCY, _DIRECT_EFFICIENCY = 0.85, 0.8
_GAIN = 1.1
"""How much faster than the direct kernel it must be: it also needs more memory."""


@dataclass(frozen=True)
class WinogradGradientPlan:
    """`numbers` are the entries of the table that depend on nothing but the problem."""

    structure: GradientStructure
    numbers: dict[T, int]

    def parts(self, images: int) -> int:
        """Parts of the batch with sums of their own: fixed by sizes alone, so that results are."""
        return max(1, min(images, _ENOUGH_TASKS, _SUMS_BYTES // self.numbers[T.SUMS_PART]))

    def group_parts(self, images: int) -> int:
        return max(1, min(self.numbers[T.GROUPS], -(-_ENOUGH_TASKS // self.parts(images))))


def _chosen(context: LoweringContext, node: Node) -> int:
    """m of the transform to use, 0 for none."""
    if context.exact:
        return 0
    problem = gradient_problem(node)
    m = gradient_transform(problem) if problem else 0
    if problem is None or not m:
        return 0
    images = node.inputs[0].shape[0]
    count = images if isinstance(images, int) else 16
    return m if worth_it(problem, m, count, context.target) else 0


def worth_it(problem: GradientProblem, m: int, images: int, target: Target) -> bool:
    """Whether the transform is faster than the direct kernel, by a model of both in FMAs of vectors."""
    plan = plan_winograd_gradient(problem, m, target)
    lanes = target.lanes(_FLOAT)
    blocks, vectors = -(-problem.channels // lanes), plan.numbers[T.GROUPS] * VECTORS
    patches = images * plan.numbers[T.DOWN] * plan.numbers[T.ACROSS]
    tile = plan.structure.channels
    products = patches * _POSITIONS * -(-problem.channels // tile) * tile * vectors / _EFFICIENCY
    spare = 32 / target.registers
    transforms = patches * (blocks * plan.group_parts(images) + vectors) * _TRANSFORM * spare
    sums = plan.parts(images) * _POSITIONS * problem.channels * vectors * _SUMS_COST
    taps = problem.kernel[0] * problem.kernel[1]
    pixels = images * problem.out[0] * problem.out[1]
    direct = pixels * taps * problem.channels * -(-problem.out_channels // lanes) / _DIRECT_EFFICIENCY
    return (products + transforms + sums) * _GAIN < direct


def plan_winograd_gradient(problem: GradientProblem, m: int, target: Target) -> WinogradGradientPlan:
    """Patches, slot and sums of a problem."""
    lanes = target.lanes(_FLOAT)
    line = lanes * _FLOAT
    blocks, groups = -(-problem.channels // lanes), -(-problem.out_channels // (VECTORS * lanes))
    down, across = (-(-size // m) for size in problem.out)
    (height, width), (tall, wide) = problem.size, problem.out
    sums_group = blocks * lanes * VECTORS * line
    sums_position = groups * sums_group + 5 * line
    structure = GradientStructure(lanes, m, min(lanes, _CHANNELS if target.registers >= 32 else _CHANNELS // 2))
    numbers = {
        T.GROUPS: groups,
        T.X_IMAGE: problem.channels * height * width * _FLOAT,
        T.IN_CHANNELS: problem.channels,
        T.IN_HEIGHT: height,
        T.IN_WIDTH: width,
        T.PAD_TOP: problem.pad[0],
        T.PAD_LEFT: problem.pad[1],
        T.DY_IMAGE: problem.out_channels * tall * wide * _FLOAT,
        T.OUT_CHANNELS: problem.out_channels,
        T.OUT_HEIGHT: tall,
        T.OUT_WIDTH: wide,
        T.DOWN: down,
        T.ACROSS: across,
        T.SUMS_GROUP: sums_group,
        T.SUMS_POSITION: sums_position,
        T.SUMS_PART: sums_position * _POSITIONS,
    }
    part_groups = -(-groups // WinogradGradientPlan(structure, numbers).group_parts(_ENOUGH_TASKS))
    return WinogradGradientPlan(structure, numbers | _slot(numbers, m, lanes, blocks, part_groups))


def _slot(numbers: dict[T, int], m: int, lanes: int, blocks: int, groups: int) -> dict[T, int]:
    """Where everything is in a thread's slot. Some lines between positions keep them off each other's cache sets."""
    line = lanes * _FLOAT
    patch_bytes = _POSITIONS * (blocks + groups * VECTORS) * line
    held = max(_FEWEST_PATCHES, min(_MOST_PATCHES, _SLOT_BYTES // patch_bytes))
    v_block, u_group = held * line, held * VECTORS * line
    v_position, u_position = blocks * v_block + 5 * line, numbers[T.GROUPS] * u_group + 5 * line
    u_at = v_position * _POSITIONS
    strip_at = u_at + u_position * _POSITIONS
    strip_row = (min(held, numbers[T.ACROSS]) * m + SIZE) * line
    end = strip_at + strip_row * SIZE + lanes * line
    return {
        T.GROUP_PATCHES: held,
        T.V_BLOCK: v_block,
        T.V_POSITION: v_position,
        T.U_AT: u_at,
        T.U_GROUP: u_group,
        T.U_POSITION: u_position,
        T.STRIP_AT: strip_at,
        T.STRIP_ROW: strip_row,
        T.SLOT_BYTES: -(-end // 64) * 64,
    }


def _fits(context: LoweringContext, node: Node) -> bool:
    return _chosen(context, node) > 0


@lowering("conv_weight_grad", priority=20, match=_fits)
def winograd_weight_gradient(context: LoweringContext, node: Node) -> list[Step]:
    """Fill the sums of every part of the batch, then add them up and transform them."""
    problem, m = gradient_problem(node), _chosen(context, node)
    assert problem is not None
    plan = plan_winograd_gradient(problem, m, context.target)
    structure, images = plan.structure, node.inputs[0].shape[0]
    slots = context.target.processors
    line = structure.lanes * _FLOAT
    sums = context.scratch(lambda s: plan.parts(evaluated(images, s)) * plan.numbers[T.SUMS_PART])
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
    kernel = emitted(structure.key("parts"), partial(emit_gradient, structure))
    work: Dim = images * (problem.out[0] * problem.out[1] * problem.out_channels * problem.channels)
    fill = Step(kernel, tuple(numbers[entry] for entry in T), (sums, scratch), work)
    # The slots are free again: the second kernel's are no larger.
    block = (structure.lanes * structure.taps**2 + structure.lanes) * line
    assert block <= plan.numbers[T.SLOT_BYTES]
    given: dict[str, Arg] = {entry.name: number for entry, number in numbers.items()}
    given |= {"OUT": context.buffer(node.out), "PARTS": numbers[T.IMAGE_PARTS]}
    add = emitted(structure.key("sum"), partial(emit_gradient_sum, structure))
    moved = problem.out_channels * problem.channels * _POSITIONS
    writes = (context.buffer(node.out), scratch)
    return [fill, Step(add, tuple(given[entry.name] for entry in S), writes, lambda s: moved)]
