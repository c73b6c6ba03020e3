"""Lowering of convolutions, bare and fused with what follows them, to the direct kernel, or to the one by lanes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from netlang.backends.common.chain import Chain, OuterValues, read_chain, results_of, stored
from netlang.backends.common.choices import cheapest
from netlang.backends.common.conv_problem import ConvProblem, PoolProblem, conv_problems, pool_problem
from netlang.backends.common.lowerings import Sliceable
from netlang.backends.common.steps import Arg, At, Buffer, Scratch, Step
from netlang.backends.cpu.kernel import Kernel, emitted
from netlang.backends.cpu.kernels.conv_plan import ConvPlan, has_elements, plan_conv, takes_prologue
from netlang.backends.cpu.kernels.depthwise import (
    by_lanes,
    lane_kernel,
    plan_by_lanes,
    source_of,
    with_lane_packing,
)
from netlang.backends.cpu.kernels.depthwise_phases import plan_phases
from netlang.backends.cpu.lower import LoweringContext, lowering
from netlang.backends.cpu.target import Target
from netlang.backends.cpu.tiles.conv_kernel import emit_conv
from netlang.backends.cpu.tiles.conv_table import ConvTable as T
from netlang.backends.cpu.tiles.depthwise_phases import emit_phases
from netlang.backends.cpu.tiles.pack_kernel import PackStructure, emit_pack
from netlang.backends.cpu.tiles.pack_table import PackTable as P
from netlang.ir.dims import evaluate
from netlang.ir.graph import Node, Value

CONVOLUTIONS = frozenset({"conv", "conv_data_grad"})
_FLOAT = 4
_CACHED_BYTES = 1 << 19
"""Weights of so many bytes stay in the second-level cache: reading half of it would save nothing."""


@dataclass(frozen=True)
class _Parts:
    """A node in the terms of the kernels: `problems` are its phases, or the one that it is."""

    chain: Chain
    problems: list[ConvProblem]
    pool: PoolProblem | None


def _parts(context: LoweringContext, node: Node) -> _Parts | None:
    """None where the node must be carried out another way."""
    chain = read_chain(node, CONVOLUTIONS, 1, prologue=True)
    problems = conv_problems(chain.main) if chain else []
    if chain is None or not problems or not all(map(has_elements, problems)):
        return None
    if chain.prologue and not takes_prologue(problems[0], chain, context.target):
        return None
    apart = _phase_by_phase(problems[0], context.target)
    if len(chain.tensors) > 2 or (apart and any(not v.dtype.is_float for v in chain.tensors)):
        return None
    if chain.pool is None:
        return _Parts(chain, problems, None)
    pool = pool_problem(chain.pool, chain.pool.inputs[0].type, chain.pool.out.type)
    return _Parts(chain, problems, pool) if pool else None


def _phase_by_phase(problem: ConvProblem, target: Target) -> bool:
    """Whether each phase of a stride is computed by itself, and shares the planes of the result with the others."""
    return problem.phased and not by_lanes(problem, target)


def is_convolution(node: Node) -> bool:
    """Whether the node is a convolution, bare or fused."""
    return node.op in CONVOLUTIONS or (node.op == "fused" and node.attrs["kind"] == "conv")


def fits(context: LoweringContext, node: Node) -> bool:
    """Whether the kernels of this module can carry a convolution out."""
    return _parts(context, node) is not None


def result_of(node: Node) -> Value:
    """The result of a convolution that `fits`, not its positions."""
    if node.body is None:
        return node.out
    chain = read_chain(node, CONVOLUTIONS, 1, prologue=True)
    assert chain is not None and chain.result is not None
    return node.results[[v for _, v in node.body.outputs].index(chain.result)]


def writes_blocks(context: LoweringContext, node: Node) -> bool:
    """Whether the kernel can write the result of a convolution in blocks of channels."""
    parts = _parts(context, node)
    return parts is not None and not _phase_by_phase(parts.problems[0], context.target)


def blockable_inputs(context: LoweringContext, node: Node) -> frozenset[int]:
    """The positions of the inputs that the kernel can read in blocks of channels, of a convolution that `fits`."""
    parts = _parts(context, node)
    assert parts is not None
    chain, problem = parts.chain, parts.problems[0]
    lanes = context.target.lanes(_FLOAT)
    if by_lanes(problem, context.target):
        whole = source_of(problem, lanes, blocked=True).readable
    else:
        whole = problem.groups == 1 or problem.channels // problem.groups % lanes == 0
    able = [stored(chain.source)] if whole else []
    if not _phase_by_phase(problem, context.target):
        able += [stored(v) for v in chain.tensors if v.dtype.is_float]
    inputs = node.body.inputs if node.body else node.inputs
    return frozenset(i for i, v in enumerate(inputs) if v in able)


def sliceable(context: LoweringContext, node: Node) -> Sliceable:
    """The map and the result of a convolution by any of these kernels, but of no phase: it shares its planes."""
    parts = _parts(context, node)
    assert parts is not None
    x = stored(parts.chain.source)
    inputs = node.body.inputs if node.body else node.inputs
    written = () if _phase_by_phase(parts.problems[0], context.target) else (result_of(node).index,)
    return Sliceable([i for i, v in enumerate(inputs) if v == x], written)


@lowering("conv", "conv_data_grad", "fused.conv", priority=10, match=fits, slices=sliceable)
def direct_conv(context: LoweringContext, node: Node) -> list[Step]:
    """Pack weights and per-channel operands, then compute. The first is hoisted where weights do not change."""
    parts = _parts(context, node)
    assert parts is not None
    if by_lanes(parts.problems[0], context.target):
        return _steps(context, node, parts, parts.problems)
    return [step for problem in parts.problems for step in _steps(context, node, parts, [problem])]


def _planned(
    context: LoweringContext, parts: _Parts, problems: Sequence[ConvProblem], weights: Buffer
) -> tuple[ConvPlan, Kernel, Sequence[int]]:
    """Plan and kernel of one problem, or of all phases, and the bytes of a vector's weights before each of them."""
    chain, target, problem = parts.chain, context.target, problems[0]
    if not by_lanes(problem, target):
        pick = cheapest if problem.phased else partial(context.pick, "tile")  # phases have a tile each
        plan = plan_conv(problem, parts.pool, chain, target, _weight_bytes(context, problem, weights), pick)
        return plan, emitted(plan.structure.key, partial(emit_conv, plan.structure)), (0,)
    if problem.phased:
        plan, structure = plan_phases(problems, chain, target)
        kernel = emitted(structure.key, partial(emit_phases, structure))
        return plan, kernel, [phase.weights for phase in structure.phases]
    plan = plan_by_lanes(problem, parts.pool, chain, target)
    return plan, lane_kernel(problem, plan, chain), (0,)


def _steps(context: LoweringContext, node: Node, parts: _Parts, problems: Sequence[ConvProblem]) -> list[Step]:
    """The steps of one problem, or of all phases: packing for each, then computing."""
    chain, x = parts.chain, parts.chain.source
    assert chain.result is not None
    outer = OuterValues(context, node)
    weights = outer(chain.main.inputs[1])
    plan, kernel, starts = _planned(context, parts, problems, weights)
    images = x.shape[0]
    packed = context.scratch(plan.weight_floats * plan.structure.tile.w_bytes + 64)
    operands = context.scratch(max(64, plan.operands * plan.channel_pitch))
    channels = [outer(v) for v in chain.channels]
    packing = [
        pack_step(problem, plan, weights, channels, packed, operands, start)
        for problem, start in zip(problems, starts, strict=True)
    ]
    if by_lanes(problems[0], context.target):
        packing = [with_lane_packing(step, plan) for step in packing]
    slots = context.target.processors
    scratch = context.scratch(plan.numbers[T.SLOT_BYTES] * slots)
    results = results_of(context, node, chain)
    numbers: dict[T, Arg] = dict(plan.numbers)
    numbers |= {
        T.X: outer(x),
        T.X_IMAGE: context.image_bytes(outer(x), stored(x).type),
        T.OUT_IMAGE: context.image_bytes(results[0], chain.result.type),
        T.WEIGHTS: packed,
        T.CHANNELS: operands,
        T.POOL_CHANNELS: At(operands, chain.channels_before * plan.channel_pitch),
        T.OUT: results[0],
        T.SWITCHES: results[-1],
        T.SCRATCH: scratch,
        T.SLOTS: slots,
        T.IMAGES: images,
        T.CHUNKS: lambda sizes: plan.chunks(evaluate(images, sizes)),
    }
    args = [numbers[entry] for entry in T if entry is not T.COUNT]
    args += [outer(v) for v in (*chain.tensors, *chain.prepared)]
    work = images * sum(map(_products, problems))
    return [*packing, Step(kernel, tuple(args), (*results, scratch), lambda sizes: evaluate(work, sizes) // 8)]


def _products(problem: ConvProblem) -> int:
    """Multiply-adds of one image; a phase without taps has its results to write all the same."""
    taps = problem.channels // problem.groups * max(1, problem.kernel[0] * problem.kernel[1])
    return problem.out_channels * problem.out[0] * problem.out[1] * taps


def _weight_bytes(context: LoweringContext, problem: ConvProblem, weights: Buffer) -> int:
    """Of a packed weight: fewer, if that is asked for, where all of them together would not stay in the cache."""
    count = problem.out_channels * problem.channels // problem.groups * problem.kernel[0] * problem.kernel[1]
    return context.weight_bytes if context.is_fixed(weights) and count * _FLOAT > _CACHED_BYTES else _FLOAT


def pack_step(
    problem: ConvProblem,
    plan: ConvPlan,
    weights: Buffer,
    channels: Sequence[Buffer],
    packed: Scratch,
    operands: Scratch,
    start: int = 0,
) -> Step:
    """Weights, from `start` bytes on, into the tiles' order, per-channel operands into whole vectors."""
    tile = plan.structure.tile
    group, out, inner, down, across = problem.weight_strides
    numbers: dict[P, Arg] = {
        P.WEIGHTS: At(weights, problem.weight_start * _FLOAT),
        P.PACKED: At(packed, start),
        P.OPERANDS: operands,
        P.PITCH: plan.channel_pitch,
        P.OUT_CHANNELS: problem.out_channels,
        P.GROUPS: plan.groups,
        P.CHANNEL_GROUPS: plan.numbers[T.CHANNEL_GROUPS],
        P.GROUP_BYTES: plan.numbers[T.WEIGHT_GROUP],
        P.GROUP_IN: problem.channels // problem.groups,
        P.GROUP_OUT: problem.out_channels // problem.groups,
        P.TAPS_DOWN: problem.kernel[0],
        P.TAPS_ACROSS: problem.kernel[1],
        P.STRIDE_GROUP: group,
        P.STRIDE_OUT: out,
        P.STRIDE_IN: inner,
        P.STRIDE_DOWN: down,
        P.STRIDE_ACROSS: across,
    }
    args = [numbers[entry] for entry in P if entry is not P.COUNT] + list(channels)
    structure = PackStructure(tile.lanes, tile.vectors, plan.operands, tile.w_bytes)
    kernel = emitted(f"pack:{structure}", partial(emit_pack, structure))
    return Step(kernel, tuple(args), (packed, operands), plan.weight_floats)
