"""Lowerings of local response normalisation, of its gradient, and with the pool after it."""

from __future__ import annotations

from dataclasses import replace

from netlang.backends.common.chain import Chain, OuterValues, read_chain
from netlang.backends.common.lowerings import Sliceable
from netlang.backends.common.steps import Arg, Buffer, Step
from netlang.backends.cuda.kernels.pool import pool_structure, threads
from netlang.backends.cuda.lower import LoweringContext, lowering
from netlang.backends.cuda.tiles import rows
from netlang.backends.cuda.tiles.response import MOST_CHANNELS, RUN, Response, response_kernel
from netlang.ir.dims import size
from netlang.ir.graph import Node, Value

_OP, _GRADIENT = "local_response_norm", "local_response_norm_grad"


def _fits(context: LoweringContext, node: Node) -> bool:
    """Whether the window of channels is written out. Wider ones are composed of other ops."""
    return int(node.attrs["size"]) <= MOST_CHANNELS


def _sliceable(context: LoweringContext, node: Node) -> Sliceable:
    """The map and the result, not its positions."""
    return Sliceable((0,), (0,)) if node.op != _GRADIENT else Sliceable()


def _structure(node: Node) -> Response:
    a = node.attrs
    numbers = float(a["alpha"]), float(a["beta"]), float(a["k"])
    return Response(a["size"], *numbers, node.out.dtype.value, node.op == _GRADIENT)


@lowering(_OP, _GRADIENT, match=_fits, slices=_sliceable)
def response(context: LoweringContext, node: Node) -> list[Step]:
    """One step for tensors of any rank."""
    buffers = [context.buffer(v) for v in (*node.inputs, node.out)]
    return [_step(context, _structure(node), node.inputs[0], node.out, buffers, buffers[-1:])]


def _step(
    context: LoweringContext,
    structure: Response,
    x: Value,
    y: Value,
    places: list[Buffer],
    written: list[Buffer],
) -> Step:
    """The step that makes y of x; `places` are its addresses in order."""
    images, channels, *spatial = x.shape
    runs = (channels + (RUN - 1)) // RUN
    out = places[-2] if structure.pool and structure.pool.kind == "switch" else places[-1]
    pitches = context.image_bytes(places[0], x.type), context.image_bytes(out, y.type)
    args: list[Arg] = [*places, channels, runs, size(spatial), *pitches]
    if structure.pool:
        args += [*spatial, *y.shape[2:]]
    kernel = response_kernel(structure, threads(context, rows.THREADS))
    work = size(y.shape) * (structure.size + 8)
    return rows.launch(kernel, args, images * runs, size(y.shape[2:]), written, work)


# ---- with the pool after it


def _chain(context: LoweringContext, node: Node) -> Chain | None:
    """A normalisation and its pool, and nothing else."""
    chain = read_chain(node, frozenset({_OP}), 1)
    if chain is None or chain.before or chain.after or chain.pool is None:
        return None
    return chain if _fits(context, chain.main) else None


def _pool_fits(context: LoweringContext, node: Node) -> bool:
    return _chain(context, node) is not None


@lowering("fused.response", match=_pool_fits, slices=_sliceable)
def response_and_pool(context: LoweringContext, node: Node) -> list[Step]:
    """One step; the normalised map is nowhere in memory."""
    chain = _chain(context, node)
    assert chain is not None and chain.pool is not None and chain.result is not None and node.body is not None
    found = {v: context.buffer(r) for (_, v), r in zip(node.body.outputs, node.results, strict=True)}
    pool = pool_structure(context, chain.pool)
    if chain.switch not in found:
        pool = replace(pool, kind="max" if pool.kind == "switch" else pool.kind, positions="")
    written = [found[v] for v in (chain.result, chain.switch) if v in found]
    x = chain.main.inputs[0]
    places = [OuterValues(context, node)(x), *written]
    return [_step(context, replace(_structure(chain.main), pool=pool), x, chain.result, places, written)]
