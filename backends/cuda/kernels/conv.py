"""Lowering of convolutions and their gradients by the input, bare and fused with what follows them, to tiled products.

The gradient of a convolution with a stride is one product for each of its phases, which share the planes of the result.
Convolutions in small groups have a kernel of their own (`depthwise`), and so has what fits no tile (`plain_conv`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from netlang.backends.common.chain import Chain, OuterValues, read_chain, results_of, stored
from netlang.backends.common.conv_problem import ConvProblem, PoolProblem, conv_problems, pool_problem
from netlang.backends.common.lowerings import Sliceable
from netlang.backends.common.steps import Arg, At, Buffer, Scratch, Sizes, Step, evaluated
from netlang.backends.cuda.kernels.conv_plan import ConvPlan, fits, plan_conv
from netlang.backends.cuda.kernels.conv_tiles import supported
from netlang.backends.cuda.lower import LoweringContext, lowering
from netlang.backends.cuda.steps import Launch
from netlang.backends.cuda.tiles.block_tile import DEPTH, FLOAT
from netlang.backends.cuda.tiles.conv_gather import ENTRY_BYTES
from netlang.backends.cuda.tiles.conv_kernel import conv_kernel
from netlang.backends.cuda.tiles.conv_pack import ARGUMENTS, pack_kernel
from netlang.ir.dims import Dim
from netlang.ir.graph import Node

CONVOLUTIONS = frozenset({"conv", "conv_data_grad"})
_PACK_THREADS = 128


@dataclass(frozen=True)
class _Parts:
    """A node in the terms of the kernels, with a plan for each phase, or the one that it is."""

    chain: Chain
    pool: PoolProblem | None
    plans: list[ConvPlan]


def _parts(context: LoweringContext, node: Node) -> _Parts | None:
    """None where the node must be carried out another way."""
    chain = read_chain(node, CONVOLUTIONS, 1)
    problems = conv_problems(chain.main) if chain else []
    if chain is None or not problems or chain.out_layout or not all(map(fits, problems)):
        return None
    pool = None
    if chain.pool is not None:
        pool = pool_problem(chain.pool, chain.pool.inputs[0].type, chain.pool.out.type)
        if pool is None or min(pool.out) < 1:
            return None
    images = _about(context, chain.source.shape[0])
    precision = supported(context.precision, context.target)
    plans = [plan_conv(p, pool, chain, context.target, precision, images) for p in problems]
    found = [plan for plan in plans if plan is not None]
    return _Parts(chain, pool, found) if len(found) == len(plans) else None


def _about(context: LoweringContext, images: Dim) -> int:
    """How many images a call may bring."""
    return images if isinstance(images, int) else context.options.batch or 1


def carries_out(context: LoweringContext, node: Node) -> bool:
    """Whether the kernel of this module can."""
    return _parts(context, node) is not None


def _sliceable(context: LoweringContext, node: Node) -> Sliceable:
    """The map, unless it is an operand of the epilogue too, and the result, but not its positions."""
    parts = _parts(context, node)
    assert parts is not None
    chain, inputs = parts.chain, node.body.inputs if node.body else node.inputs
    read = [i for i, v in enumerate(inputs) if v == stored(chain.source) and v not in chain.tensors]
    written = 0 if node.body is None else [v for _, v in node.body.outputs].index(chain.result)  # type: ignore[arg-type]
    return Sliceable(read, (written,))


@lowering("conv", "conv_data_grad", "fused.conv", priority=10, match=carries_out, slices=_sliceable)
def tiled_conv(context: LoweringContext, node: Node) -> list[Step]:
    """Pack weights, then compute. The first is done once where weights do not change."""
    parts = _parts(context, node)
    assert parts is not None
    return [step for plan in parts.plans for step in _steps(context, node, parts, plan)]


def _steps(context: LoweringContext, node: Node, parts: _Parts, plan: ConvPlan) -> list[Step]:
    chain, s, problem = parts.chain, plan.structure, plan.problem
    outer = OuterValues(context, node)
    k_padded = plan.depth * DEPTH
    packed = context.scratch(max(1, problem.groups * plan.pitch * k_padded) * FLOAT)
    table = context.scratch((k_padded // s.run + 1) * ENTRY_BYTES)
    pack = _pack(plan, outer(chain.main.inputs[1]), packed, table)
    results = results_of(context, node, chain)
    numbers: dict[str, Arg] = dict(_geometry(problem, parts.pool))
    images, (each, tile_columns) = chain.source.shape[0], plan.columns

    def blocks(sizes: Sizes) -> int:
        return -(-evaluated(images, sizes) * each // tile_columns)

    assert chain.result is not None
    numbers |= {"x": outer(chain.source), "weights": packed, "table": table, "out": results[0]}
    numbers |= {"switches": results[-1], "total": images * each, "depth": plan.depth, "pitch": plan.pitch}
    numbers |= {"x_image": context.image_bytes(outer(chain.source), stored(chain.source).type)}
    numbers |= {"out_image": context.image_bytes(results[0], chain.result.type)}
    numbers |= {f"channel{i}": outer(v) for i, v in enumerate(chain.channels)}
    numbers |= {f"tensor{i}": outer(v) for i, v in enumerate(chain.tensors)}
    args = tuple(numbers[name] for name in s.arguments)
    work = images * (problem.out_channels * problem.out[0] * problem.out[1] * k_padded)
    grid = (blocks, plan.row_tiles, problem.groups)
    return [pack, Launch(conv_kernel(s), args, results, work, grid=grid)]


def _geometry(problem: ConvProblem, pool: PoolProblem | None) -> Mapping[str, int]:
    """The numbers of a kernel that follow from the problem alone."""
    (height, width), plane = problem.size, problem.size[0] * problem.size[1] * FLOAT
    whole = problem.whole[0] * problem.whole[1] * FLOAT
    out = pool.out if pool else problem.out
    return {
        "group_x": problem.channels // problem.groups * plane,
        "plane": plane,
        "out_plane": out[0] * out[1] * FLOAT if pool else whole,
        "map_plane": whole,
        "group_out": problem.out_channels // problem.groups,
        "height": height,
        "width": width,
        "map_height": problem.out[0],
        "map_width": problem.out[1],
        "stride_down": problem.stride[0],
        "stride_across": problem.stride[1],
        "pad_top": problem.pad[0],
        "pad_left": problem.pad[1],
        "out_height": out[0],
        "out_width": out[1],
        "first": (problem.phase[0] * problem.whole[1] + problem.phase[1]) * FLOAT,
        "row_step": problem.step[0] * problem.whole[1] * FLOAT,
        "pixel_step": problem.step[1] * FLOAT,
    }


def _pack(plan: ConvPlan, weights: Buffer, packed: Scratch, table: Scratch) -> Launch:
    """Weights in the kernel's order, and the table of that order."""
    problem, s = plan.problem, plan.structure
    group, out, inner, down, across = problem.weight_strides
    taps, k_padded = problem.kernel[0] * problem.kernel[1], plan.depth * DEPTH
    rows = problem.groups * plan.pitch
    numbers: dict[str, Arg] = {
        "weights": weights if problem.weight_start == 0 else At(weights, problem.weight_start * FLOAT),
        "packed": packed,
        "table": table,
        "group_stride": group,
        "out_stride": out,
        "in_stride": inner,
        "down_stride": down,
        "across_stride": across,
        "plane": problem.size[0] * problem.size[1] * FLOAT,
        "rows": rows,
        "pitch": plan.pitch,
        "group_out": problem.out_channels // problem.groups,
        "depth": taps * problem.channels // problem.groups,
        "k_padded": k_padded,
        "taps": taps,
        "taps_across": problem.kernel[1],
        "down_bytes": problem.dilation[0] * problem.size[1] * FLOAT,
        "across_bytes": problem.dilation[1] * FLOAT,
        "dilation_down": problem.dilation[0],
        "dilation_across": problem.dilation[1],
    }
    grid = (rows + 1, max(1, -(-(k_padded + 1) // _PACK_THREADS)), 1)
    kernel = pack_kernel(s.run, _PACK_THREADS)
    return Launch(kernel, tuple(numbers[name] for name in ARGUMENTS), (packed, table), rows * k_padded, grid=grid)
