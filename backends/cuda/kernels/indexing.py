"""Lowerings of gather, scatter_add, argmax and topk."""

from __future__ import annotations

from netlang.backends.common.steps import Arg, Sizes, Step, evaluated
from netlang.backends.cuda.kernel import WARP
from netlang.backends.cuda.kernels.pool import threads
from netlang.backends.cuda.lower import LoweringContext, lowering
from netlang.backends.cuda.steps import Launch
from netlang.backends.cuda.tiles import along, best, indexing, rows
from netlang.backends.cuda.tiles.indexing import TILE
from netlang.backends.cuda.tiles.numbers import computed
from netlang.ir.dims import Dim, size
from netlang.ir.graph import Node, Value
from netlang.ir.types import DType

_SEGMENT = 512
"""Indices of a segment, where few rows of the result would otherwise keep few blocks busy for long."""
MOST_SEGMENTS = 65535
"""Blocks that a grid has at most in its second direction."""
_FEW_ROWS = 256
_FEW_COLUMNS = 16
"""With fewer columns a thread for each would leave most of a block idle."""
_VECTOR = 16
"""Most bytes that a thread moves at a time."""


def around(value: Value, axis: int, inner_from: int) -> tuple[Dim, Dim]:
    """Elements before an axis, and from another one on."""
    return size(value.shape[:axis]), size(value.shape[inner_from:])


def _up(a: Dim, b: int) -> Dim:
    return (a + (b - 1)) // b


@lowering("gather")
def gather(context: LoweringContext, node: Node) -> list[Step]:
    """Rows are moved in pieces of 16 bytes where they have a length of that."""
    (x, indices), axis, out = node.inputs, node.attrs["axis"], node.out
    outer, inner = around(x, axis, axis + 1)
    bytes = x.dtype.size
    while isinstance(inner, int) and inner % 2 == 0 and inner and bytes < _VECTOR:
        inner, bytes = inner // 2, bytes * 2
    count = size(indices.shape)
    kernel = indexing.gather_kernel(bytes, indices.dtype.value, threads(context, rows.THREADS))
    return [rows.launch(kernel, (x, indices, out, x.shape[axis], count), outer * count, inner, (out,), size(out.shape))]


@lowering("scatter_add")
def scatter_add(context: LoweringContext, node: Node) -> list[Step]:
    """A thread for each element of the result where there are few columns, else blocks for tiles of rows."""
    (updates, indices), axis, out = node.inputs, node.attrs["axis"], node.out
    outer, inner = around(updates, axis, axis + indices.rank)
    if not isinstance(inner, int) or inner >= _FEW_COLUMNS:
        return _by_tiles(context, node, outer, inner)
    kernel = along.put_kernel(out.dtype.value, indices.dtype.value, True, threads(context, rows.THREADS))
    args = (updates, indices, out, node.attrs["size"], inner, size(indices.shape))
    line = size(indices.shape) * inner
    return [rows.launch(kernel, args, outer, node.attrs["size"] * inner, (out,), size(out.shape), (line,))]


def _by_tiles(context: LoweringContext, node: Node, outer: Dim, inner: Dim) -> list[Step]:
    """One step, or where few tiles would keep few blocks busy for long one for segments of the indices and one for the
    sum of these."""
    (updates, indices), out, length = node.inputs, node.out, node.attrs["size"]
    count, dtype = size(indices.shape), out.dtype.value
    segmented = isinstance(length, int) and length <= _FEW_ROWS
    of_segment = TILE if context.target.small else _SEGMENT

    def segment(sizes: Sizes) -> int:
        indices = evaluated(count, sizes)
        return max(of_segment, -(-indices // MOST_SEGMENTS)) if segmented else indices

    def segments(sizes: Sizes) -> int:
        return -(-evaluated(count, sizes) // segment(sizes)) if segmented else 1

    of_block = threads(context, indexing.THREADS)
    kernel = indexing.scatter_kernel(dtype, indices.dtype.value, segmented, of_block)
    tiles, chunks = _up(length, TILE), _up(inner, of_block)
    bytes = size(out.shape) * DType(computed(dtype)).size
    target = context.scratch(lambda sizes: segments(sizes) * evaluated(bytes, sizes)) if segmented else out
    args = (updates, indices, target, outer, length, inner, count, tiles, chunks, segment)
    grid = (chunks * tiles * outer, segments, 1)
    steps: list[Step] = [Launch(kernel, args, (target,), size(updates.shape), grid=grid)]
    if segmented:
        kernel = indexing.segments_kernel(dtype, threads(context, rows.THREADS))
        further: tuple[Arg, ...] = (target, out, segments, size(out.shape))
        steps.append(rows.launch(kernel, further, outer * length, inner, (out,), size(out.shape)))
    return steps


# ---- argmax and topk


@lowering("argmax")
def argmax(context: LoweringContext, node: Node) -> list[Step]:
    return [_best(context, node.inputs[0], node.attrs["axis"], 1, (node.out,))]


@lowering("topk")
def topk(context: LoweringContext, node: Node) -> list[Step]:
    return [_best(context, node.inputs[0], node.attrs["axis"], node.attrs["k"], node.results)]


def _best(context: LoweringContext, x: Value, axis: int, count: int, results: tuple[Value, ...]) -> Step:
    """The `count` largest along an axis: their values, if wanted, and places. Neighbouring lines are gone through side
    by side where there are many, others by a warp each."""
    outer, inner = around(x, axis, axis + 1)
    length, of_block = x.shape[axis], threads(context, rows.THREADS)
    by_warp = not isinstance(inner, int) or inner < WARP
    kernel = best.best_kernel(x.dtype.value, len(results) > 1, by_warp, of_block)
    args = (x, *results, length, inner, count)
    work = size(x.shape) * count
    if not by_warp:
        return rows.launch(kernel, args, outer, inner, results, work, (length * inner,))
    blocks, lines = _up(outer * inner, of_block // WARP), rows.countable(outer * inner, (length * inner,))
    return Launch(kernel, (*args, lines), results, work, grid=(blocks, 1, 1))
