"""Convolutions in groups that do not fill vectors, such as depthwise ones: their plan and kernels.

Their lowering is that of all convolutions (`conv`), which asks this module where the direct kernel cannot do it.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from netlang.backends.common.chain import Chain, stored
from netlang.backends.common.conv_problem import ConvProblem, PoolProblem
from netlang.backends.common.steps import Step
from netlang.backends.cpu.kernel import Kernel, emitted
from netlang.backends.cpu.kernels.conv_plan import (
    ConvPlan,
    conv_structure,
    geometry_numbers,
    has_elements,
    kernel_fits,
    slot_numbers,
)
from netlang.backends.cpu.kernels.conv_tasks import ENOUGH_TASKS, map_rows, strip_rows
from netlang.backends.cpu.target import Target
from netlang.backends.cpu.tiles.conv_table import ConvTable as T
from netlang.backends.cpu.tiles.depthwise_kernel import DepthwiseStructure, emit_depthwise, emit_lane_pack
from netlang.backends.cpu.tiles.lane_strip import LaneSource
from netlang.backends.cpu.tiles.pack_kernel import PackStructure

_FLOAT = 4
_CACHE_BYTES = 1 << 17
"""How much of the second-level cache the rows of a task may take."""


def by_lanes(problem: ConvProblem, target: Target) -> bool:
    """Whether this kernel carries a problem out: where the direct one cannot."""
    return has_elements(problem) and not kernel_fits(problem, target)


def source_of(problem: ConvProblem, lanes: int, blocked: bool) -> LaneSource:
    """Where lanes find their input; `blocked`: whether x has its channels in blocks."""
    return LaneSource(lanes, problem.channels // problem.groups, problem.out_channels // problem.groups, blocked)


def source_in(problem: ConvProblem, chain: Chain, lanes: int) -> LaneSource:
    """Where lanes find their input in a node: blocked if x is."""
    return source_of(problem, lanes, bool(stored(chain.main.inputs[0]).type.layout))


def plan_by_lanes(
    problem: ConvProblem, pool: PoolProblem | None, chain: Chain, target: Target, step: int = 1
) -> ConvPlan:
    """The plan of a problem: as for the direct kernel of one vector, with a strip for each vector. Without a pool the
    rows of a task are a multiple of `step`."""
    lanes = target.lanes(_FLOAT)
    line = lanes * _FLOAT
    source = source_in(problem, chain, lanes)
    # What one vector reads: `inputs` planes of whole vectors.
    one = replace(problem, channels=source.inputs * lanes, groups=1)
    base = conv_structure(problem, pool, chain, target, 1)
    tile = replace(base.tile, blocked=True, pixel_bytes=problem.stride[1] * line)
    structure = replace(base, tile=tile, stripped=base.stripped or not source.same, x_blocked=True)
    groups = -(-problem.out_channels // lanes)
    task_rows = -(-_rows_of_task(one, pool, tile.rows, groups) // step) * step
    numbers = geometry_numbers(problem, pool)
    row_tasks = -(-numbers[T.OUT_HEIGHT] // task_rows)
    numbers |= slot_numbers(one, pool, structure, task_rows)
    numbers |= {T.STRIP_ROW: numbers[T.STRIP_WIDTH] * line, T.ACROSS: problem.dilation[1] * line}
    if source.blocked:
        row = problem.size[1] * line
        plane = problem.size[0] * row
        numbers |= {T.X_ROW: row, T.X_CHANNEL: plane}
    group_floats = source.inputs * problem.kernel[0] * problem.kernel[1] * lanes
    numbers |= {T.ROWS: task_rows, T.ROW_TASKS: row_tasks, T.GROUPS: groups, T.CHANNEL_GROUPS: groups}
    numbers |= {T.CHANNEL_PITCH: groups * line, T.WEIGHT_GROUP: group_floats * _FLOAT}
    operands = structure.channel_operands
    return ConvPlan(structure, numbers, groups, row_tasks, groups * group_floats, groups * line, operands)


def _rows_of_task(one: ConvProblem, pool: PoolProblem | None, tile_rows: int, groups: int) -> int:
    """Rows of the result: few enough for the cache and for all threads to have something to do."""
    height = pool.out[0] if pool else one.out[0]

    def fits(rows: int) -> bool:
        held = map_rows(one, pool, rows, tile_rows)
        strip = strip_rows(one, held) * one.channels * (one.size[1] + one.kernel[1])
        return (strip + held * one.out[1] * (one.channels if pool else 0)) * _FLOAT <= _CACHE_BYTES

    most = max((rows for rows in range(1, height + 1) if fits(rows)), default=1)
    parts = max(-(-height // most), min(-(-ENOUGH_TASKS // groups), height // tile_rows))
    rows = -(-height // parts)
    return rows if pool else min(most, -(-rows // tile_rows) * tile_rows)


def with_lane_packing(pack: Step, plan: ConvPlan) -> Step:
    """The packing of the direct kernel with this one's machine code."""
    packing = PackStructure(plan.structure.tile.lanes, 1, plan.operands)
    return replace(pack, kernel=emitted(f"pack_lanes:{packing}", partial(emit_lane_pack, packing)))


def lane_kernel(problem: ConvProblem, plan: ConvPlan, chain: Chain) -> Kernel:
    """The kernel that computes a problem without phases."""
    structure = DepthwiseStructure(plan.structure, source_in(problem, chain, plan.structure.tile.lanes))
    return emitted(structure.key, partial(emit_depthwise, structure))
