"""The plan of the data gradient of a strided convolution in groups that do not fill vectors: all phases together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from netlang.backends.common.chain import Chain
from netlang.backends.common.conv_problem import ConvProblem
from netlang.backends.cpu.kernels.conv_plan import ConvPlan
from netlang.backends.cpu.kernels.depthwise import plan_by_lanes, source_in
from netlang.backends.cpu.target import Target
from netlang.backends.cpu.tiles.conv_table import ConvTable as T
from netlang.backends.cpu.tiles.depthwise_phases import Phase, PhasesStructure
from netlang.backends.cpu.tiles.shapes import pixel_block

_FLOAT = 4


def plan_phases(problems: Sequence[ConvProblem], chain: Chain, target: Target) -> tuple[ConvPlan, PhasesStructure]:
    """The plan of all phases: that of a convolution without stride that reaches as far as any of them."""
    lanes = target.lanes(_FLOAT)
    line, first = lanes * _FLOAT, problems[0]
    source = source_in(first, chain, lanes)
    before, reach = zip(*(_reach(problems, axis) for axis in (0, 1)), strict=True)
    whole = replace(
        first,
        out=first.whole,
        kernel=(reach[0] + 1, reach[1] + 1),
        dilation=(1, 1),
        pad=(before[0], before[1]),
        phase=(0, 0),
        step=(1, 1),
    )
    plan = plan_by_lanes(whole, None, chain, target, first.step[0])
    columns = pixel_block(target, 1, 1, min(p.out[1] for p in problems))[1]
    tile = replace(plan.structure.tile, rows=1, columns=columns)
    width = max(p.out[1] for p in problems) + reach[1]
    taps = [p.kernel[0] * p.kernel[1] for p in problems]
    vector = sum(taps) * source.inputs * line
    numbers = plan.numbers | {T.STRIP_WIDTH: width, T.STRIP_ROW: width * line, T.WEIGHT_GROUP: vector}
    phases = tuple(
        Phase(
            p.phase,
            p.kernel,
            p.dilation,
            (before[0] - p.pad[0], before[1] - p.pad[1]) if p.kernel[0] else (0, 0),
            sum(taps[:i]) * source.inputs * line,
        )
        for i, p in enumerate(problems)
    )
    structure = replace(plan.structure, tile=tile, stripped=True)
    plan = replace(plan, structure=structure, numbers=numbers, weight_floats=plan.groups * vector // _FLOAT)
    return plan, PhasesStructure(structure, source, first.step, reach[0], phases)


def _reach(problems: Sequence[ConvProblem], axis: int) -> tuple[int, int]:
    """How far before its own place the first tap of any phase reads, and from there to the last tap of any."""
    ends = [(p.pad[axis], (p.kernel[axis] - 1) * p.dilation[axis] - p.pad[axis]) for p in problems if p.kernel[0]]
    before = max((low for low, _ in ends), default=0)
    return before, before + max((high for _, high in ends), default=0)
