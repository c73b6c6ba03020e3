"""Lowerings of pools and of their gradients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from netlang.backends.common.lowerings import Sliceable
from netlang.backends.common.steps import Arg, Buffer, Step
from netlang.backends.cuda.kernel import WARP
from netlang.backends.cuda.lower import LoweringContext, lowering
from netlang.backends.cuda.steps import Launch
from netlang.backends.cuda.tiles import rows
from netlang.backends.cuda.tiles.pool import MAXIMA, SUMS, Pool, pool_kernel
from netlang.backends.cuda.tiles.text import MOST_UNROLLED
from netlang.backends.cuda.tiles.whole_pool import whole_pool_kernel
from netlang.backends.cuda.tiles.windows import Geometry
from netlang.ir.dims import size
from netlang.ir.graph import Node, Value
from netlang.ir.types import DType

_KINDS: Mapping[str, str] = {
    "max_pool": "max",
    "max_pool_switch": "switch",
    "sum_pool": "sum",
    "avg_pool": "mean",
    "l2_pool": "l2",
    "max_pool_pick": "pick",
    "max_unpool": "unpool",
    "max_pool_grad": "found",
    "sum_pool_grad": "spread",
    "avg_pool_grad": "share",
}
_FORWARD = ("max_pool", "max_pool_switch", "sum_pool", "avg_pool", "l2_pool")


def threads(context: LoweringContext, usual: int) -> int:
    """Threads of a block: one warp where each is slow."""
    return WARP if context.target.small else usual


def _sliceable(context: LoweringContext, node: Node) -> Sliceable:
    """Map and result of a pool; of what reads or writes further tensors nothing."""
    return Sliceable((0,), (0,)) if node.op in _FORWARD else Sliceable()


@lowering(*_KINDS, slices=_sliceable)
def pool(context: LoweringContext, node: Node) -> list[Step]:
    """A thread for each element of the result."""
    source, out = node.inputs[0], node.out
    map_, pooled = _map_and_pooled(node)
    structure = pool_structure(context, node)
    kernel = pool_kernel(structure, threads(context, rows.THREADS))
    places: list[Buffer] = [*map(context.buffer, node.inputs), context.buffer(out)]
    written = [context.buffer(v) for v in node.results]
    args: list[Arg] = [*places, *written[1:], *map_.shape[2:], *pooled.shape[2:]]
    args += _slices(context, source, out) if structure.sliced else []
    work = size(pooled.shape) * structure.geometry.taps
    planes = size(map_.shape[2:]), size(pooled.shape[2:])
    return [rows.launch(kernel, args, size(out.shape[:2]), size(out.shape[2:]), written, work, planes)]


def pool_structure(context: LoweringContext, node: Node) -> Pool:
    """What decides on the code of a pool or of its gradient."""
    kind, geometry = _KINDS[node.op], Geometry.of(node.attrs)
    map_, _ = _map_and_pooled(node)
    ahead = _goes_ahead(kind, geometry, map_)
    return Pool(
        kind,
        node.out.dtype.value,
        geometry,
        _positions(node),
        bool(node.attrs.get("count_include_pad", True)),
        ahead,
        ahead and _in_pairs(geometry, map_),
        _is_sliced(context, node.inputs[0], node.out),
    )


def _map_and_pooled(node: Node) -> tuple[Value, Value]:
    """The tensors with the sizes of the map and of its windows."""
    if node.op in _FORWARD:
        return node.inputs[0], node.out
    if node.op == "max_pool_pick":
        return node.inputs[0], node.out
    return node.out, node.inputs[-1] if node.op == "max_pool_grad" else node.inputs[0]


def _positions(node: Node) -> str:
    """The element type of the positions that a node writes or reads."""
    if node.op == "max_pool_switch":
        return node.results[1].dtype.value
    return node.inputs[1].dtype.value if node.op in ("max_unpool", "max_pool_pick") else ""


def _goes_ahead(kind: str, g: Geometry, map_: Value) -> bool:
    """Whether all taps of a window can be loaded at once: a pool with small windows over a map of known size."""
    known = all(isinstance(d, int) and d > 0 for d in map_.shape[2:])
    return kind in (*MAXIMA, *SUMS) and known and g.taps <= MOST_UNROLLED


def _in_pairs(g: Geometry, map_: Value) -> bool:
    """Whether the first two taps of a row of a window lie side by side, at an even place of an even row."""
    last, width = -1, map_.shape[-1]
    even = isinstance(width, int) and width % 2 == 0 and g.stride[last] == 2 and g.low[last] == 0
    return even and g.kernel[last] >= 2 and g.dilation[last] == 1 and map_.dtype == DType.F32


def _is_sliced(context: LoweringContext, source: Value, out: Value) -> bool:
    return any(context.buffer(v) in context.slices for v in (source, out))


def _slices(context: LoweringContext, source: Value, out: Value) -> Sequence[Arg]:
    """Channels, and bytes from image to image of both."""
    return [source.shape[1], *(context.image_bytes(context.buffer(v), v.type) for v in (source, out))]


# ---- whole maps

_WHOLE: Mapping[str, str] = {k: v for k, v in _KINDS.items() if k in _FORWARD and v != "switch"}


def _is_whole(context: LoweringContext, node: Node) -> bool:
    """Whether one window is the whole map, which is large enough for a warp."""
    g, x = Geometry.of(node.attrs), node.inputs[0]
    alike = g.kernel == x.shape[2:] and not any((*g.low, *g.high)) and set(g.dilation) == {1}
    return alike and size(node.out.shape[2:]) == 1 and g.taps >= WARP // 2


@lowering(*_WHOLE, priority=10, match=_is_whole, slices=_sliceable)
def whole_pool(context: LoweringContext, node: Node) -> list[Step]:
    """A warp for each plane."""
    (x,), out, count = node.inputs, node.out, threads(context, 128)
    sliced, planes = _is_sliced(context, x, out), size(x.shape[:2])
    kernel = whole_pool_kernel(_WHOLE[node.op], x.dtype.value, sliced, count)
    args: list[Arg] = [context.buffer(x), context.buffer(out), planes, size(x.shape[2:])]
    args += _slices(context, x, out) if sliced else []
    blocks = (planes + (count // WARP - 1)) // (count // WARP)
    return [Launch(kernel, tuple(args), (context.buffer(out),), size(x.shape), grid=(blocks, 1, 1))]
