"""The steps of a Winograd convolution: transforming the weights, computing, and a pool of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from netlang.backends.common.chain import Chain
from netlang.backends.common.conv_problem import ConvProblem, PoolProblem
from netlang.backends.common.steps import Arg, At, Buffer, Scratch, Sizes, Step, evaluated
from netlang.backends.cpu.kernel import emitted
from netlang.backends.cpu.kernels.pool import pool_step
from netlang.backends.cpu.kernels.winograd_plan import WinogradPlan
from netlang.backends.cpu.lower import LoweringContext
from netlang.backends.cpu.tiles.conv_table import ConvTable
from netlang.backends.cpu.tiles.pool_kernel import PoolStructure
from netlang.backends.cpu.tiles.pool_tile import pool_tile
from netlang.backends.cpu.tiles.winograd_kernel import emit_winograd
from netlang.backends.cpu.tiles.winograd_table import TransformStructure
from netlang.backends.cpu.tiles.winograd_table import TransformTable as W
from netlang.backends.cpu.tiles.winograd_table import WinogradTable as T
from netlang.backends.cpu.tiles.winograd_weights import emit_weight_transform
from netlang.ir.dims import Dim


@dataclass(frozen=True)
class Places:
    """Where the operands of a convolution are: x, whose images are `x_image` bytes apart, the weights as they are and
    transformed, per-channel operands, and those of them that belong to what follows the pool."""

    x: Buffer
    x_image: Dim
    kernel: At
    packed: Scratch
    operands: Scratch
    after: At


def transform_step(plan: WinogradPlan, places: Places, channels: list[Buffer]) -> Step:
    """Weights into the transform's positions, per-channel operands into whole vectors."""
    entries: Mapping[str, int] = {entry.name: number for entry, number in plan.numbers.items()}
    given: dict[W, Arg] = {
        W.KERNEL: places.kernel,
        W.PACKED: places.packed,
        W.OPERANDS: places.operands,
        W.PITCH: entries["CHANNEL_PITCH"],
    }
    args = [given[w] if w in given else entries[w.name] for w in W if w is not W.COUNT]
    structure = TransformStructure(plan.structure.lanes, plan.structure.m, plan.structure.taps, len(channels))
    code = emitted(structure.key, partial(emit_weight_transform, structure))
    work = plan.numbers[T.IN_CHANNELS] * plan.numbers[T.OUT_CHANNELS] * plan.structure.positions
    return Step(code, (*args, *channels), (places.packed, places.operands), work)


def compute_step(
    context: LoweringContext,
    problem: ConvProblem,
    plan: WinogradPlan,
    images: Dim,
    places: Places,
    tensors: list[Buffer],
    out: Buffer,
    out_image: Dim,
) -> Step:
    """Input transform, products and output transform, of so many images, into `out`: one every `out_image` bytes."""

    def slots(sizes: Sizes) -> int:
        return max(1, min(context.target.processors, plan.tasks(evaluated(images, sizes))))

    scratch = context.scratch(lambda sizes: plan.numbers[T.SLOT_BYTES] * slots(sizes))
    numbers: dict[T, Arg] = dict(plan.numbers)
    numbers |= {
        T.X: places.x,
        T.X_IMAGE: places.x_image,
        T.KERNEL: places.kernel,
        T.WEIGHTS: places.packed,
        T.CHANNELS: places.operands,
        T.POOL_CHANNELS: places.after,
        T.OUT: out,
        T.OUT_IMAGE: out_image,
        T.SCRATCH: scratch,
        T.SLOTS: slots,
        T.PATCHES: lambda sizes: plan.patches(evaluated(images, sizes)),
        T.CHUNKS: lambda sizes: plan.chunks(evaluated(images, sizes)),
    }
    args = [numbers[entry] for entry in T if entry is not T.COUNT] + tensors
    taps = problem.kernel[0] * problem.kernel[1]
    work = problem.out_channels * problem.out[0] * problem.out[1] * problem.channels * taps // 32
    compute = emitted(plan.structure.key, partial(emit_winograd, plan.structure))
    return Step(compute, tuple(args), (out, scratch), lambda s: evaluated(images, s) * work)


def pool_of_map(
    context: LoweringContext,
    chain: Chain,
    pool: PoolProblem,
    pitch: int,
    places: Places,
    map_: Buffer,
    map_image: Dim,
    results: tuple[Buffer, ...],
) -> Step:
    """The pool of a blocked map, whose images are `map_image` bytes apart, with what follows it; `pitch` is the
    distance of per-channel operands."""
    assert chain.pool is not None and chain.result is not None
    lanes = context.target.lanes(4)
    kind = "max" if pool.kind == "switch" and chain.switch is None else pool.kind
    tile = pool_tile(lanes, kind, pool.kernel, pool.stride[1], tuple(chain.after))
    switch = "" if chain.switch is None else str(chain.switch.dtype)
    structure = PoolStructure(tile, pool.kernel, pool.count_pad, "", switch, True, bool(chain.out_layout))
    entries: dict[ConvTable, Arg] = {
        ConvTable.X: map_,
        ConvTable.X_IMAGE: map_image,
        ConvTable.OUT: results[0],
        ConvTable.OUT_IMAGE: context.image_bytes(results[0], chain.result.type),
        ConvTable.SWITCHES: results[-1],
        ConvTable.POOL_CHANNELS: places.after,
        ConvTable.CHANNEL_PITCH: pitch,
    }
    return pool_step(context, structure, pool, chain.pool.inputs[0].type, entries)
