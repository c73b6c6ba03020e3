"""Loop nests to launches: kernels by structure, arguments by size."""

from __future__ import annotations

from functools import partial

from netlang.backends.common.context import Context
from netlang.backends.common.nest import SOURCES, Nest, code_of, collapsed
from netlang.backends.common.steps import Buffer, Number, Scratch, Sizes, Step, evaluated
from netlang.backends.common.sweeps import plan_sweeps
from netlang.backends.cuda.kernel import Kernel
from netlang.backends.cuda.nest_shape import NestShape, Tiling, arguments, shape_of, units_of
from netlang.backends.cuda.nest_split import Piece, chunks_of, split
from netlang.backends.cuda.nest_tiling import picked_tiling, vectors_of
from netlang.backends.cuda.steps import Launch
from netlang.backends.cuda.target import CudaTarget
from netlang.backends.cuda.tiles.nest_source import nest_source, shared_bytes


def nest_steps(context: Context, target: CudaTarget, nest: Nest) -> list[Step]:
    """The launches that carry out a nest."""
    flat = collapsed(nest)
    vectors = vectors_of(context, flat)
    tiling = picked_tiling(context, target, flat, vectors)
    chunks = chunks_of(target, flat, tiling)
    if chunks == 1:
        return [nest_launch(flat, tiling, vectors)]
    return [_launch_of_piece(context, target, found) for found in split(flat, chunks, context.scratch)]


def _launch_of_piece(context: Context, target: CudaTarget, found: Piece) -> Step:
    flat = collapsed(found.nest)
    vectors = vectors_of(context, flat)
    return nest_launch(flat, picked_tiling(context, target, flat, vectors), vectors, found.chunks)


def nest_launch(nest: Nest, tiling: Tiling, vectors: list[int], chunks: int = 1) -> Launch:
    """One launch of a collapsed nest's kernel, which leaves results of every one of so many chunks of its units."""
    shape = shape_of(nest, tiling, vectors, split=chunks > 1)
    args = arguments(nest, shape, chunks)
    writes = tuple(o.buffer for o, _ in nest.stores)
    grid = (blocks(units_of(nest, tiling), tiling.units), chunks, 1)
    return Launch(nest_kernel(shape), tuple(args), writes, nest.work, grid=grid)


def nest_kernel(shape: NestShape) -> Kernel:
    letters = "".join(kind for _, kind in shape.parameters())
    # What a profile shows of the key is its beginning.
    ops = "_".join(dict.fromkeys(x.op for x in shape.code.instructions if x.op not in SOURCES))
    key = f"{shape.code.axes} {ops or 'copy'} {shape!r}"
    return Kernel(key, partial(nest_source, shape), letters, shape.tiling.threads, shared=shared_bytes(shape))


def blocks(count: Number, of: int) -> Number:
    """Blocks of so many that hold all."""

    def found(sizes: Sizes) -> int:
        return -(-evaluated(count, sizes) // of)

    return found


def writes_in_place(nest: Nest, buffer: Buffer) -> bool:
    """Whether results may be written over `buffer`: every element is read by the thread that writes its place, before
    it does. Elements of reduced axes must be written by the last sweep alone, as the ones before it read what they sum
    up; results of units, which one of the threads writes that share a unit, only where nothing is written besides."""
    reads = {o.strides for o in nest.loads if o.buffer == buffer}
    if isinstance(buffer, Scratch) or any(o.offset != 0 for o in nest.loads if o.buffer == buffer):
        return False
    reduced = [i for i, a in enumerate(nest.axes) if a.reduced]
    if not reduced:
        return reads <= {nest.stores[0][0].strides}
    units = {o.strides for o, _ in nest.stores if all(o.strides[i] == 0 for i in reduced)}
    elements = {o.strides for o, _ in nest.stores} - units
    plan = plan_sweeps(code_of(collapsed(nest)), expensive=())
    return len(reads) == 1 and reads == (units if not elements else set() if any(plan.stores[:-1]) else elements)
