"""Lowering of convolutions and their gradients by the input, bare and fused with what follows them, to tiled products.

The gradient of a convolution with a stride is one product for each of its phases, which share the planes of the result.
Convolutions in small groups have a kernel of their own (`depthwise`), and so has what fits no tile (`plain_conv`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from netlang.backends.common.chain import Chain, OuterValues, read_chain, results_of, stored
from netlang.backends.common.conv_problem import ConvProblem, PoolProblem, conv_problems, pool_problem
from netlang.backends.common.lowerings import Sliceable
from netlang.backends.common.steps import Arg, At, Buffer, Number, Scratch, Sizes, Step, evaluated
from netlang.backends.cuda.kernels.conv_plan import ConvPlan, fits, plans_of
from netlang.backends.cuda.kernels.conv_ways import Costs, ways
from netlang.backends.cuda.kernels.winograd import winograd_ways
from netlang.backends.cuda.lower import LoweringContext, lowering
from netlang.backends.cuda.steps import Launch
from netlang.backends.cuda.tiles.block_tile import DEPTH, FLOAT
from netlang.backends.cuda.tiles.channels_last import ARGUMENTS as CHANNELS_LAST
from netlang.backends.cuda.tiles.channels_last import WORDS, channels_last_kernel
from netlang.backends.cuda.tiles.conv_gather import ENTRY_BYTES
from netlang.backends.cuda.tiles.conv_kernel import conv_kernel
from netlang.backends.cuda.tiles.conv_pack import ARGUMENTS, pack_kernel
from netlang.backends.cuda.tiles.conv_structure import ConvStructure
from netlang.backends.cuda.ways import Needed, best_way
from netlang.diagnostics import error
from netlang.ir.graph import Node

CONVOLUTIONS = frozenset({"conv", "conv_data_grad"})
_PACK_THREADS = 128
_MOST_COLUMNS = (1 << 31) - 1024


@dataclass(frozen=True)
class _Parts:
    """A node in the terms of the kernels, with plans for each phase, or the one that it is: one for each tile."""

    chain: Chain
    pool: PoolProblem | None
    phases: list[list[ConvPlan]]


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
    phases = [plans_of(problem, pool, chain, context.target, context.precision) for problem in problems]
    return _Parts(chain, pool, phases) if all(phases) else None


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
    return [step for plans in parts.phases for step in _Phase(context, node, parts, plans).steps()]


@dataclass(frozen=True)
class _Prepared:
    """What a kernel reads besides x, and the step that makes it."""

    weights: Scratch
    table: Scratch
    pack: Launch


@dataclass(frozen=True)
class _Phase:
    """One product of a node, or the one that it is. `prepared`: by how x is read."""

    context: LoweringContext
    node: Node
    parts: _Parts
    plans: list[ConvPlan]
    prepared: dict[tuple[bool, str], _Prepared] = field(default_factory=dict)

    def steps(self) -> list[Step]:
        """Packing, and then the launches of the best way."""
        images = self.parts.chain.source.shape[0]
        offered = ways(Costs(self.context, images), self.plans, self._launches)
        offered += winograd_ways(self.context, self.node, self.parts.chain, self.plans[0].problem, self.parts.pool)
        return list(best_way(self.context, "conv", offered, [images]))

    def _prepare(self, plan: ConvPlan) -> _Prepared:
        """Weights and table, which plans share that read x alike."""
        kind = (plan.structure.last, plan.format)
        if kind not in self.prepared:
            context, k_padded = self.context, plan.depth * DEPTH
            packed = context.scratch(max(1, plan.problem.groups * self.pitch * k_padded) * FLOAT)
            entries = 0 if plan.structure.pointwise else k_padded // plan.structure.run + 1
            table = context.scratch(entries * ENTRY_BYTES)
            weights = OuterValues(context, self.node)(self.parts.chain.main.inputs[1])
            self.prepared[kind] = _Prepared(packed, table, _pack(plan, self.pitch, weights, packed, table))
        return self.prepared[kind]

    @property
    def pitch(self) -> int:
        """Rows of packed weights in a group: whole tiles, whichever."""
        return max(plan.row_tiles * plan.structure.tile.rows for plan in self.plans)

    def _launches(self, plan: ConvPlan, splits: Number, needed: Needed) -> list[Launch]:
        s, groups = plan.structure, plan.problem.groups
        args, before = self._arguments(plan, splits), [self._prepare(plan).pack]
        images = self.parts.chain.source.shape[0]
        if s.last:
            step, args["x"] = self._channels_last(plan, needed)
            before.append(step)
        results = results_of(self.context, self.node, self.parts.chain)
        work = images * (plan.problem.out_channels * plan.columns[0] * max(1, plan.depth) * DEPTH)

        def columns(sizes: Sizes) -> int:
            return plan.column_tiles(evaluated(images, sizes))

        def launch(s: ConvStructure, rows: Number, z: Number, writes: tuple[Buffer, ...]) -> Launch:
            given = tuple(args[name] for name in s.arguments)
            return Launch(conv_kernel(s), given, writes, work, grid=(columns, rows, z))

        if splits == 1:
            return [*before, launch(s, plan.row_tiles, groups, results)]
        part = groups * self.pitch * s.tile.columns * FLOAT
        parts = self.context.scratch(needed(lambda sizes: evaluated(splits, sizes) * columns(sizes) * part))
        args["parts"] = parts
        rest = replace(s, role="rest")
        group_out = plan.problem.out_channels // groups
        return [
            *before,
            launch(replace(s, role="parts"), plan.row_tiles, lambda sizes: evaluated(splits, sizes) * groups, (parts,)),
            launch(rest, -(-group_out // rest.rows), groups, results),
        ]

    def _channels_last(self, plan: ConvPlan, needed: Needed) -> tuple[Launch, Scratch]:
        """x as the kernel reads it."""
        context, chain, threads = self.context, self.parts.chain, 32 if self.context.target.small else 256
        x, images = OuterValues(context, self.node)(chain.source), chain.source.shape[0]
        pixels = plan.problem.size[0] * plan.problem.size[1]
        blocks, chunks = -(-pixels // threads), plan.words // WORDS
        out = context.scratch(needed(images * (pixels * plan.pixel_bytes)))
        numbers: dict[str, Arg] = {
            "x": x,
            "out": out,
            "x_image": context.image_bytes(x, stored(chain.source).type),
            "pixels": pixels,
            "blocks": blocks,
            "channels": plan.problem.channels,
            "words": plan.words,
        }
        kernel = channels_last_kernel(plan.format, threads)
        args = tuple(numbers[name] for name in CHANNELS_LAST)
        return Launch(kernel, args, (out,), images * (pixels * plan.words), grid=(images * blocks, chunks, 1)), out

    def _arguments(self, plan: ConvPlan, splits: Number) -> dict[str, Arg]:
        """By the names of `ConvStructure.arguments`."""
        context, chain = self.context, self.parts.chain
        outer = OuterValues(context, self.node)
        results = results_of(context, self.node, chain)
        x, images, prepared = outer(chain.source), chain.source.shape[0], self._prepare(plan)
        assert chain.result is not None
        numbers: dict[str, Arg] = dict(_geometry(plan.problem, self.parts.pool))
        numbers |= {"x": x, "out": results[0], "switches": results[-1], "groups": plan.problem.groups}
        numbers |= {
            "total": _total(self.node, images, plan),
            "depth": plan.depth,
            "words": plan.k,
            "pitch": self.pitch,
            "splits": splits,
        }
        numbers |= {"split_depth": lambda sizes: -(-plan.depth // evaluated(splits, sizes))}
        pixels = plan.problem.size[0] * plan.problem.size[1]
        packed, image = pixels * plan.pixel_bytes, context.image_bytes(x, stored(chain.source).type)
        numbers |= {"x_image": packed if plan.structure.last else image, "pixel_bytes": plan.pixel_bytes}
        numbers |= {"weights": prepared.weights, "table": prepared.table}
        numbers |= {"out_image": context.image_bytes(results[0], chain.result.type)}
        numbers |= {f"channel{i}": outer(v) for i, v in enumerate(chain.channels)}
        return numbers | {f"tensor{i}": outer(v) for i, v in enumerate(chain.tensors)}


def _total(node: Node, images: Number, plan: ConvPlan) -> Number:
    """Columns of all images, an int32 in the kernel with room for the last tile."""

    def total(sizes: Sizes) -> int:
        found = evaluated(images, sizes) * plan.columns[0]
        if found > _MOST_COLUMNS:
            hint = f"at most {_MOST_COLUMNS // plan.columns[0]} images of this size can be computed in one call"
            raise error(f"a convolution of {found} pixels at once is too large", *node.spans, hint=hint)
        return found

    return total


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


def _pack(plan: ConvPlan, pitch: int, weights: Buffer, packed: Scratch, table: Scratch) -> Launch:
    """Weights in the kernel's order, and the table of that order."""
    problem, s = plan.problem, plan.structure
    group, out, inner, down, across = problem.weight_strides
    taps, k_padded = problem.kernel[0] * problem.kernel[1], plan.depth * DEPTH
    rows = problem.groups * pitch
    numbers: dict[str, Arg] = {
        "weights": weights if problem.weight_start == 0 else At(weights, problem.weight_start * FLOAT),
        "packed": packed,
        "table": table,
        "group_stride": group,
        "out_stride": out,
        "in_stride": inner,
        "down_stride": down,
        "across_stride": across,
        "channel_bytes": FLOAT if s.last else problem.size[0] * problem.size[1] * FLOAT,
        "rows": rows,
        "pitch": pitch,
        "group_out": problem.out_channels // problem.groups,
        "per_group": problem.channels // problem.groups,
        "depth": plan.k,
        "k_padded": k_padded,
        "taps": taps,
        "taps_across": problem.kernel[1],
        "down_bytes": problem.dilation[0] * problem.size[1] * plan.pixel_bytes,
        "across_bytes": problem.dilation[1] * plan.pixel_bytes,
        "dilation_down": problem.dilation[0],
        "dilation_across": problem.dilation[1],
    }
    table_rows = 0 if s.pointwise else 1
    grid = (rows + table_rows, max(1, -(-(k_padded + 1) // _PACK_THREADS)), 1)
    kernel = pack_kernel(s.run, plan.format, _PACK_THREADS)
    written = (packed, table)[: 1 + table_rows]
    return Launch(kernel, tuple(numbers[name] for name in ARGUMENTS), written, rows * k_padded, grid=grid)
