"""Lowering of 3x3 convolutions without stride to Winograd's, where that is faster and exact enough."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from netlang.backends.cpu.kernel import emitted
from netlang.backends.cpu.kernels.chain import Chain, OuterValues, read_chain
from netlang.backends.cpu.kernels.conv import CONVOLUTIONS, results_of
from netlang.backends.cpu.kernels.conv_plan import kernel_fits
from netlang.backends.cpu.kernels.conv_problem import ConvProblem, conv_problems, pool_problem
from netlang.backends.cpu.kernels.winograd_choice import choose
from netlang.backends.cpu.kernels.winograd_plan import WinogradPlan, plan_winograd
from netlang.backends.cpu.lower import Arg, At, Buffer, LoweringContext, Scratch, Sizes, Step, evaluated, lowering
from netlang.backends.cpu.threads import available
from netlang.backends.cpu.tiles.winograd_kernel import emit_winograd
from netlang.backends.cpu.tiles.winograd_table import TransformStructure
from netlang.backends.cpu.tiles.winograd_table import TransformTable as W
from netlang.backends.cpu.tiles.winograd_table import WinogradTable as T
from netlang.backends.cpu.tiles.winograd_weights import emit_weight_transform
from netlang.ir.graph import Node

_FLOAT = 4


@dataclass(frozen=True)
class _Parts:
    """A node in the terms of Winograd's kernel; `m` is the transform to use."""

    chain: Chain
    problem: ConvProblem
    result: tuple[int, int]
    images: int
    m: int


def _parts(context: LoweringContext, node: Node) -> _Parts | None:
    """None where the node must, or had better, be carried out another way."""
    if context.exact:
        return None
    chain = read_chain(node, CONVOLUTIONS, 1)
    problems = conv_problems(chain.main) if chain else []
    if chain is None or len(problems) != 1 or len(chain.tensors) > 2:
        return None
    problem = problems[0]
    if not kernel_fits(problem, context.target) or not suitable(problem):
        return None
    result = _result_size(chain, problem)
    if result is None:
        return None
    images = chain.main.inputs[0].shape[0]
    count = images if isinstance(images, int) else 1
    m = choose(problem, result, count, context.target, pooled=chain.pool is not None)
    return _Parts(chain, problem, result, count, m) if m else None


def suitable(problem: ConvProblem) -> bool:
    """Whether it is a convolution of the kind that Winograd's transforms are for."""
    plain = problem.stride == problem.dilation == (1, 1) and problem.groups == 1 and not problem.phased
    return plain and problem.kernel == (3, 3)


def _result_size(chain: Chain, problem: ConvProblem) -> tuple[int, int] | None:
    """The size of the result; None where there is a pool other than a 2x2 maximum of whole windows."""
    if chain.pool is None:
        return problem.out
    pool = pool_problem(chain.pool, chain.pool.inputs[0].type, chain.pool.out.type)
    if pool is None or pool.kind not in ("max", "switch") or chain.switch is not None or chain.tensors:
        return None
    if pool.kernel != (2, 2) or pool.stride != (2, 2) or pool.pad[:2] != (0, 0) or min(pool.out) < 1:
        return None
    whole = all(2 * out <= size for out, size in zip(pool.out, pool.size, strict=True))
    return pool.out if whole else None


def _fits(context: LoweringContext, node: Node) -> bool:
    return _parts(context, node) is not None


@lowering("conv", "conv_data_grad", "fused.conv", priority=20, match=_fits)
def winograd(context: LoweringContext, node: Node) -> list[Step]:
    """Transform the weights, then compute. The first is hoisted where weights do not change."""
    parts = _parts(context, node)
    assert parts is not None
    chain, problem = parts.chain, parts.problem
    plan = plan_winograd(problem, parts.result, chain, context.target, parts.m, parts.images)
    outer = OuterValues(context, node)
    images = chain.main.inputs[0].shape[0]
    packed = context.scratch(plan.weight_bytes + 64)
    operands = context.scratch(max(64, plan.structure.channel_operands * plan.numbers[T.CHANNEL_PITCH]))
    kernel = At(outer(chain.main.inputs[1]), problem.weight_start * _FLOAT)

    def slots(sizes: Sizes) -> int:
        return min(available(), plan.tasks(evaluated(images, sizes)))

    scratch = context.scratch(lambda sizes: plan.numbers[T.SLOT_BYTES] * slots(sizes))
    results = results_of(context, node, chain)
    numbers: dict[T, Arg] = dict(plan.numbers)
    numbers |= {
        T.X: outer(chain.main.inputs[0]),
        T.KERNEL: kernel,
        T.WEIGHTS: packed,
        T.CHANNELS: operands,
        T.POOL_CHANNELS: At(operands, chain.channels_before * plan.numbers[T.CHANNEL_PITCH]),
        T.OUT: results[0],
        T.SCRATCH: scratch,
        T.SLOTS: slots,
        T.PATCHES: lambda sizes: plan.patches(evaluated(images, sizes)),
        T.CHUNKS: lambda sizes: plan.chunks(evaluated(images, sizes)),
    }
    args = [numbers[entry] for entry in T if entry is not T.COUNT] + [outer(v) for v in chain.tensors]
    work = problem.out_channels * problem.out[0] * problem.out[1] * problem.channels * 9 // 32
    compute = emitted(plan.structure.key, partial(emit_winograd, plan.structure))
    transform = _transform_step(plan, kernel, [outer(v) for v in chain.channels], packed, operands)
    return [transform, Step(compute, tuple(args), (*results, scratch), lambda s: evaluated(images, s) * work)]


def _transform_step(plan: WinogradPlan, kernel: At, channels: list[Buffer], packed: Scratch, operands: Scratch) -> Step:
    """Weights into the transform's positions, per-channel operands into whole vectors."""
    entries: Mapping[str, int] = {entry.name: number for entry, number in plan.numbers.items()}
    given: dict[W, Arg] = {W.KERNEL: kernel, W.PACKED: packed, W.OPERANDS: operands, W.PITCH: entries["CHANNEL_PITCH"]}
    args = [given[w] if w in given else entries[w.name] for w in W if w is not W.COUNT]
    structure = TransformStructure(plan.structure.lanes, plan.structure.m, plan.structure.channel_operands)
    code = emitted(structure.key, partial(emit_weight_transform, structure))
    work = plan.numbers[T.IN_CHANNELS] * plan.numbers[T.OUT_CHANNELS] * plan.structure.positions
    return Step(code, (*args, *channels), (packed, operands), work)
