"""Lowering of convolutions from few channels to few: the direct kernel's plan, carried out along rows."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from netlang.backends.common.chain import Chain, read_chain, stored
from netlang.backends.common.choices import Candidate
from netlang.backends.common.conv_problem import ConvProblem, PoolProblem, conv_problems, pool_problem
from netlang.backends.common.steps import Step
from netlang.backends.cpu.kernel import emitted
from netlang.backends.cpu.kernels import conv
from netlang.backends.cpu.kernels.conv_plan import plan_conv
from netlang.backends.cpu.lower import LoweringContext, lowering
from netlang.backends.cpu.target import Target
from netlang.backends.cpu.tiles.conv_table import ConvTable as T
from netlang.backends.cpu.tiles.row_kernel import ROWS, RowStructure, emit_rows
from netlang.ir.graph import Node
from netlang.ir.types import DType

_FLOAT = 4
_MASKED_LANES = 8
"""Vectors of fewer lanes cannot be read with a mask: SSE and NEON would do it lane by lane."""
_BETTER = 1.2
"""By how much more of a vector must be used than by the direct kernel."""


def structure_for(context: LoweringContext, node: Node) -> RowStructure | None:
    """The kernel along rows for a convolution; None where it cannot be, or would not be faster."""
    chain = read_chain(node, conv.CONVOLUTIONS, 1)
    if chain is None or not conv.fits(context, node) or not _plain(chain):
        return None
    problem, *others = conv_problems(chain.main)
    if others or problem.phased:
        return None
    pool = pool_problem(chain.pool, chain.pool.inputs[0].type, chain.pool.out.type) if chain.pool else None
    columns = _columns(problem, context.target)
    if not _can(problem, pool, context.target) or not columns:
        return None
    plan = plan_conv(problem, pool, chain, context.target)
    if plan.groups > 1 or (pool is None and plan.numbers[T.ROWS] < ROWS):
        return None
    return RowStructure(plan.structure, problem.channels, problem.out_channels, columns)


def fits(context: LoweringContext, node: Node) -> bool:
    """Whether a convolution is carried out along rows."""
    if structure_for(context, node) is None:
        return False
    return context.pick("rows", [Candidate("rows", 1.0), Candidate("direct", _BETTER)]) == "rows"


def _plain(chain: Chain) -> bool:
    """Nothing in blocks of channels, and no tensors but numbers of the size of a result that is not pooled."""
    blocked = chain.out_layout or any(stored(v).type.layout for v in (chain.main.inputs[0], *chain.tensors))
    alike = all(v.dtype == DType.F32 for v in chain.tensors) and not (chain.tensors and chain.pool)
    return not blocked and alike and (chain.switch is None or chain.switch.dtype == DType.I8)


def _can(problem: ConvProblem, pool: PoolProblem | None, target: Target) -> bool:
    if problem.groups > 1 or problem.stride[1] > 1 or problem.channels > target.lanes(_FLOAT) or problem.out[0] < ROWS:
        return False
    halves = (problem.out[0] // 2, problem.out[1] // 2)
    square = (2, 2)
    return pool is None or (
        pool.kind in ("max", "switch")
        and pool.kernel == pool.stride == square
        and not any(pool.pad)
        and pool.out == halves
    )


def _columns(problem: ConvProblem, target: Target) -> int:
    """Vectors of pixels of a tile; 0 where channels fill vectors about as well as pixels would."""
    lanes = target.lanes(_FLOAT)
    width, channels = problem.out[1], problem.out_channels
    if lanes < _MASKED_LANES:
        return 0
    most = target.registers * 3 // 4 // (channels * ROWS)
    columns = min(most, -(-width // lanes), 2)
    if not columns or channels > lanes // 2:
        return 0
    used = width / (-(-width // (columns * lanes)) * columns * lanes)
    return columns if used > _BETTER * channels / lanes else 0


@lowering("conv", "conv_data_grad", "fused.conv", priority=30, match=fits, slices=conv.sliceable)
def row_conv(context: LoweringContext, node: Node) -> list[Step]:
    """The steps of the direct kernel, the second with another machine code."""
    structure = structure_for(context, node)
    assert structure is not None
    pack, compute = conv.direct_conv(context, node)
    return [pack, replace(compute, kernel=emitted(structure.key, partial(emit_rows, structure)))]
