"""Lowering of 3x3 and 5x5 convolutions without stride to Winograd's, where that is faster and exact enough."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

from netlang.backends.common.chain import Chain, OuterValues, read_chain, results_of, stored
from netlang.backends.common.context import storage_bytes
from netlang.backends.common.conv_problem import ConvProblem, PoolProblem, conv_problems, pool_problem
from netlang.backends.common.steps import At, Step
from netlang.backends.common.winograd_choice import suitable
from netlang.backends.cpu.kernels.conv import CONVOLUTIONS, sliceable
from netlang.backends.cpu.kernels.conv_plan import kernel_fits
from netlang.backends.cpu.kernels.winograd_choice import Circumstances, choose
from netlang.backends.cpu.kernels.winograd_plan import plan_winograd
from netlang.backends.cpu.kernels.winograd_steps import Places, compute_step, pool_of_map, transform_step
from netlang.backends.cpu.lower import LoweringContext, lowering
from netlang.backends.cpu.tiles.winograd_table import WinogradTable as T
from netlang.ir.graph import Node
from netlang.ir.types import TensorType

_FLOAT = 4
TRAINED_IMAGES = 16
"""Images of a training step where the graph does not say how many: the choice is the same for most batches."""


@dataclass(frozen=True)
class _Parts:
    """A node in the terms of Winograd's kernel; `m` is the transform to use. `apart` is the pool, where that is a
    kernel of its own: then `result` is the size of the map."""

    chain: Chain
    problem: ConvProblem
    result: tuple[int, int]
    apart: PoolProblem | None
    images: int
    m: int

    @property
    def kernel_chain(self) -> Chain:
        """What Winograd's kernel does of the chain."""
        if self.apart is None:
            return self.chain
        return replace(self.chain, pool=None, after=[], switch=None)


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
    pool = pool_problem(chain.pool, chain.pool.inputs[0].type, chain.pool.out.type) if chain.pool else None
    if chain.pool is not None and pool is None:
        return None
    within = pool is not None and _within(pool, chain)
    result = pool.out if pool and within else problem.out
    count, apart = _expected_images(context, chain), None if within else pool
    changing = bool(context.graph.updates)
    given = Circumstances(result, count, context.target.processors, within, apart is not None, changing)
    m = choose(problem, given, context.target, partial(context.pick, "algorithm"))
    return _Parts(chain, problem, result, apart, count, m) if m else None


def _expected_images(context: LoweringContext, chain: Chain) -> int:
    """Images of a call. Where the graph leaves that open, what is expected: if nothing is, one; in training, a few."""
    images = chain.main.inputs[0].shape[0]
    if isinstance(images, int):
        return images
    return context.options.batch or (TRAINED_IMAGES if context.graph.updates else 1)


def _within(pool: PoolProblem, chain: Chain) -> bool:
    """Whether the output transform can do the pool: a 2x2 maximum of whole windows, without positions."""
    if pool.kind not in ("max", "switch") or chain.switch is not None or chain.tensors:
        return False
    if pool.kernel != (2, 2) or pool.stride != (2, 2) or pool.pad[:2] != (0, 0) or min(pool.out) < 1:
        return False
    return all(2 * out <= size for out, size in zip(pool.out, pool.size, strict=True))


def _fits(context: LoweringContext, node: Node) -> bool:
    return _parts(context, node) is not None


@lowering("conv", "conv_data_grad", "fused.conv", priority=20, match=_fits, slices=sliceable)
def winograd(context: LoweringContext, node: Node) -> list[Step]:
    """Transform the weights, compute, and pool where that is a step of its own. The first is hoisted where weights do
    not change."""
    parts = _parts(context, node)
    assert parts is not None
    chain, problem, apart = parts.chain, parts.problem, parts.apart
    blocked = bool(chain.out_layout) or apart is not None
    plan = plan_winograd(problem, parts.result, parts.kernel_chain, context.target, parts.m, parts.images, blocked)
    outer = OuterValues(context, node)
    pitch = plan.numbers[T.CHANNEL_PITCH]
    packed = context.scratch(plan.weight_bytes + 64)
    operands = context.scratch(max(64, len(chain.channels) * pitch))
    x, weights = (outer(v) for v in chain.main.inputs)
    kernel, after = At(weights, problem.weight_start * _FLOAT), At(operands, chain.channels_before * pitch)
    x_image = context.image_bytes(x, stored(chain.main.inputs[0]).type)
    places = Places(x, x_image, kernel, packed, operands, after)
    transform = transform_step(plan, places, [outer(v) for v in chain.channels])
    results = results_of(context, node, chain)
    map_type = _blocked(context, chain.main.out.type)
    assert chain.result is not None
    map_ = context.scratch(storage_bytes(map_type)) if apart else results[0]
    out_image = context.image_bytes(map_, map_type if apart else chain.result.type)
    images, tensors = chain.main.inputs[0].shape[0], [outer(v) for v in chain.tensors]
    compute = compute_step(context, problem, plan, images, places, tensors, map_, out_image)
    if apart is None:
        return [transform, compute]
    return [transform, compute, pool_of_map(context, chain, apart, pitch, places, map_, out_image, results)]


def _blocked(context: LoweringContext, plain: TensorType) -> TensorType:
    """The type with channels in blocks."""
    return plain.with_layout(f"c{context.target.lanes(_FLOAT)}")
