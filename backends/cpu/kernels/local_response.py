"""Lowerings of local response normalisation: by blocks of channels with the pool after it, or along pixels."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from netlang.backends.common.chain import Chain, OuterValues, read_chain, results_of, stored
from netlang.backends.common.conv_problem import PoolProblem, pair, pool_problem, static
from netlang.backends.common.lowerings import Sliceable
from netlang.backends.common.steps import Arg, Step, evaluated
from netlang.backends.cpu.kernel import emitted
from netlang.backends.cpu.kernels.pool import pool_sizes, pool_step
from netlang.backends.cpu.lower import LoweringContext, lowering
from netlang.backends.cpu.tiles.conv_table import ConvTable as T
from netlang.backends.cpu.tiles.pool_kernel import PoolStructure
from netlang.backends.cpu.tiles.pool_tile import pool_tile
from netlang.backends.cpu.tiles.response import Response
from netlang.backends.cpu.tiles.response_kernel import ResponseStructure, emit_response
from netlang.backends.cpu.tiles.response_rows import VECTORS, ResponseRowsStructure, emit_response_rows
from netlang.backends.cpu.tiles.response_rows import ResponseTable as R
from netlang.ir.dims import size
from netlang.ir.graph import Node
from netlang.ir.types import DType

OPS = ("local_response_norm", "local_response_norm_grad")
_FLOAT = 4


def _response(node: Node) -> Response:
    a = node.attrs
    return Response(a["size"], float(a["alpha"]), float(a["beta"]), float(a["k"]))


# ---- by blocks


def is_response(node: Node) -> bool:
    """Whether the node is a normalisation, bare or fused."""
    return node.op == OPS[0] or (node.op == "fused" and node.attrs["kind"] == "response")


def _parts(context: LoweringContext, node: Node) -> tuple[Chain, PoolProblem] | None:
    """The chain of a normalisation and its pool, one of single elements if there is none; None where blocks will not
    do."""
    chain = read_chain(node, frozenset(OPS[:1]), 1)
    if chain is None or chain.before or chain.after:
        return None
    main = chain.main
    if not static(main.inputs[0].type) or main.inputs[0].rank not in (3, 4):
        return None
    if main.attrs["size"] // 2 > context.target.lanes(_FLOAT):
        return None
    if chain.pool is None:
        plane = pair(main.out.shape[2:])
        return chain, PoolProblem("max", (1, 1), (1, 1), (0, 0, 0, 0), plane, plane, True)
    pool = pool_problem(chain.pool, main.out.type, chain.pool.out.type)
    return (chain, pool) if pool else None


def fits(context: LoweringContext, node: Node) -> bool:
    """Whether a normalisation can be carried out by blocks of channels."""
    return _parts(context, node) is not None


def _sliceable(context: LoweringContext, node: Node) -> Sliceable:
    """The map and the result, not its positions."""
    return Sliceable((0,), (0,))


@lowering("fused.response", priority=10, match=fits, slices=_sliceable)
def response_by_blocks(context: LoweringContext, node: Node) -> list[Step]:
    """Normalise and pool; either tensor may have its channels in blocks."""
    parts = _parts(context, node)
    assert parts is not None
    chain, problem = parts
    large, lanes = chain.main.out.type, context.target.lanes(_FLOAT)
    kind = "max" if problem.kind == "switch" and chain.switch is None else problem.kind
    results = results_of(context, node, chain)
    switch = str(chain.switch.dtype) if chain.switch is not None and len(results) > 1 else ""
    pool = PoolStructure(
        pool_tile(lanes, "max" if kind == "switch" and not switch else kind, problem.kernel, problem.stride[1]),
        problem.kernel,
        problem.count_pad,
        switch=switch,
        x_blocked=bool(stored(chain.main.inputs[0]).type.layout),
        out_blocked=bool(chain.out_layout),
    )
    structure = ResponseStructure(_response(chain.main), pool, chain.pool is not None)
    sizes = pool_sizes(problem, large, lanes, whole=False)
    pitch = -(-(sizes[T.MAP_VECTOR] + lanes * lanes * _FLOAT) // 64) * 64
    x = OuterValues(context, node)(chain.main.inputs[0])
    assert chain.result is not None
    places: dict[T, Arg] = {
        T.X: x,
        T.X_IMAGE: context.image_bytes(x, stored(chain.main.inputs[0]).type),
        T.OUT: results[0],
        T.OUT_IMAGE: context.image_bytes(results[0], chain.result.type),
    }
    if switch:
        places[T.SWITCHES] = results[1]
    if not pool.x_blocked:
        end = sizes[T.SLOT_BYTES]
        places |= {T.TENSORS_AT: end, T.TENSOR_PITCH: pitch, T.SLOT_BYTES: end + 3 * pitch}
    step = pool_step(context, pool, problem, large, places)
    work = large.size * (structure.response.size + 8)
    return [replace(step, kernel=emitted(structure.key, partial(emit_response, structure)), work=work)]


# ---- along pixels


def _plain(context: LoweringContext, node: Node) -> bool:
    return all(v.dtype == DType.F32 and not v.type.layout for v in (*node.inputs, node.out))


@lowering(*OPS, priority=10, match=_plain)
def response_along_pixels(context: LoweringContext, node: Node) -> list[Step]:
    """One step, for tensors of any rank and size."""
    gradient, lanes = node.op == OPS[1], context.target.lanes(_FLOAT)
    structure = ResponseRowsStructure(_response(node), lanes, gradient)
    x, out = context.buffer(node.inputs[0]), context.buffer(node.out)
    images, channels, *spatial = node.out.shape
    slot = VECTORS * lanes * _FLOAT
    slots = context.target.processors
    scratch = context.scratch(lambda sizes: evaluated(channels, sizes) * slot * slots if gradient else 64)
    numbers: dict[R, Arg] = {
        R.X: x,
        R.DY: context.buffer(node.inputs[1]) if gradient else x,
        R.OUT: out,
        R.SCRATCH: scratch,
        R.SLOTS: slots,
        R.IMAGES: images,
        R.CHANNELS: channels,
        R.PIXELS: size(spatial),
    }
    kernel = emitted(structure.key, partial(emit_response_rows, structure))
    work = node.out.type.size * (structure.response.size + 8) * (2 if gradient else 1)
    return [Step(kernel, tuple(numbers[entry] for entry in R), (out, scratch), work)]
