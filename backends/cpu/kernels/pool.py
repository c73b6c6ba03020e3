"""Lowering of pools that stand alone, and of their gradients, to kernels on blocks of channels."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from netlang.backends.common.chain import POOLS
from netlang.backends.common.conv_problem import PoolProblem, pool_problem
from netlang.backends.common.lowerings import Sliceable
from netlang.backends.common.steps import Arg, Scratch, Step
from netlang.backends.cpu.kernel import emitted
from netlang.backends.cpu.lower import LoweringContext, lowering
from netlang.backends.cpu.tiles.conv_table import ConvTable as T
from netlang.backends.cpu.tiles.pool_kernel import PoolStructure, emit_pool
from netlang.backends.cpu.tiles.pool_tile import pool_tile
from netlang.ir.dims import Dim
from netlang.ir.graph import Node, Value
from netlang.ir.types import TensorType

_FLOAT = 4
_MAP_BYTES = 1 << 17
"""About how much of a map a pool works on at a time."""
_BACKWARD: Mapping[str, str] = {
    "max_unpool": "switch",
    "max_pool_grad": "switch",
    "sum_pool_grad": "sum",
    "avg_pool_grad": "mean",
}


def _problem(node: Node) -> tuple[PoolProblem, TensorType] | None:
    """The pool, and the type of its map."""
    backward = node.op in _BACKWARD
    if backward:
        pooled = node.inputs[2 if node.op == "max_pool_grad" else 0].type
        large = node.out.type
    else:
        large, pooled = node.inputs[0].type, node.out.type
    problem = pool_problem(node, large, pooled)
    return (problem, large) if problem else None


def fits(context: LoweringContext, node: Node) -> bool:
    return _problem(node) is not None


def _sliceable(context: LoweringContext, node: Node) -> Sliceable:
    """Map and result of a pool; of a gradient nothing."""
    return Sliceable() if node.op in _BACKWARD else Sliceable((0,), (0,))


@lowering("fused.pool", priority=10, slices=_sliceable)
def pool_between_layouts(context: LoweringContext, node: Node) -> list[Step]:
    """A pool that reads or writes channels in blocks, as the layout pass makes it."""
    assert node.body is not None
    pool = next(n for n in node.body.nodes if n.op in POOLS)
    x, out = node.inputs[0], node.out
    return _steps(context, pool, x, out)


@lowering("max_pool", "max_pool_switch", "avg_pool", "sum_pool", *_BACKWARD, priority=10, match=fits, slices=_sliceable)
def blocked_pool(context: LoweringContext, node: Node) -> list[Step]:
    """One step: blocks of channels are pooled, or spread, by themselves."""
    return _steps(context, node, node.inputs[0], node.out)


def _steps(context: LoweringContext, node: Node, source: Value, result: Value) -> list[Step]:
    """The steps of a pool node that reads `source` and writes `result`, as they are stored."""
    found = _problem(node)
    assert found is not None
    problem, large = found
    backward = node.op in _BACKWARD
    kind = _BACKWARD.get(node.op, problem.kind)
    tile = pool_tile(context.target.lanes(_FLOAT), kind, problem.kernel, problem.stride[1])
    mode = "" if not backward else "found" if node.op == "max_pool_grad" else "given"
    switch = _switch(node)
    blocked = bool(source.type.layout), bool(result.type.layout)
    structure = PoolStructure(
        tile, problem.kernel, problem.count_pad, mode, str(switch.dtype) if switch else "", *blocked
    )
    x, out = context.buffer(source), context.buffer(result)
    places: dict[T, Arg] = {
        T.X: x,
        T.X_IMAGE: context.image_bytes(x, source.type),
        T.OUT: out,
        T.OUT_IMAGE: context.image_bytes(out, result.type),
    }
    if node.op == "max_pool_grad":
        places[T.WEIGHTS] = context.buffer(node.inputs[2])
    if switch is not None:
        places[T.SWITCHES] = context.buffer(switch)
    return [pool_step(context, structure, problem, large, places)]


def pool_step(
    context: LoweringContext, structure: PoolStructure, problem: PoolProblem, large: TensorType, places: dict[T, Arg]
) -> Step:
    """The step of a pool of the map `large`. `places` are the addresses of the map (X) and the result (OUT) and their
    images' distances, and as far as the structure asks for them the addresses of dy (WEIGHTS), the positions (SWITCHES)
    and the epilogue's operands. A kernel that needs a larger slot than a pool says so there too."""
    numbers: dict[T, Arg] = dict.fromkeys(T, 0)
    numbers |= pool_sizes(problem, large, structure.tile.lanes, whole=bool(structure.backward))
    numbers |= {T.WEIGHTS: places[T.X], T.SWITCHES: places[T.OUT]} | places
    scratch = context.scratch(int(str(numbers[T.SLOT_BYTES])) * context.target.processors)
    numbers |= {T.SCRATCH: scratch, T.SLOTS: context.target.processors, T.IMAGES: large.shape[0]}
    writes = [places[T.OUT]] + ([places[T.SWITCHES]] if structure.switch and not structure.backward else [])
    buffers = tuple(b for b in (*writes, scratch) if isinstance(b, Value | Scratch))
    args = tuple(numbers[entry] for entry in T if entry is not T.COUNT)
    return Step(emitted(structure.key, partial(emit_pool, structure)), args, buffers, large.size)


def _switch(node: Node) -> Value | None:
    """The positions that a node writes or reads."""
    if node.op == "max_pool_switch":
        return node.results[1]
    return node.inputs[1] if node.op == "max_unpool" else None


def pool_sizes(problem: PoolProblem, large: TensorType, lanes: int, whole: bool) -> dict[T, int]:
    """Sizes of windows, map, result and slot. `whole`: planes are not cut into rows."""
    line, slack = lanes * _FLOAT, lanes * lanes * _FLOAT
    height, width = problem.size
    tall, wide = problem.out
    rows = tall
    while rows > 1 and not whole and ((rows - 1) * problem.stride[0] + problem.kernel[0]) * width * line > _MAP_BYTES:
        rows = -(-rows // 2)
    map_rows = height if whole else min(height, (rows - 1) * problem.stride[0] + problem.kernel[0])
    vector, pooled = map_rows * width * line, rows * wide * line
    pooled_at = -(-(vector + slack) // 64) * 64
    switches_at = pooled_at + -(-(pooled + slack) // 64) * 64
    channels: Dim = large.shape[1]
    assert isinstance(channels, int)
    return {
        T.GROUPS: -(-channels // lanes),
        T.OUT_CHANNELS: channels,
        T.MAP_HEIGHT: height,
        T.MAP_WIDTH: width,
        T.OUT_HEIGHT: tall,
        T.OUT_WIDTH: wide,
        T.ROWS: rows,
        T.ROW_TASKS: -(-tall // rows),
        T.POOL_DOWN: problem.kernel[0],
        T.POOL_ACROSS: problem.kernel[1],
        T.POOL_STRIDE_DOWN: problem.stride[0],
        T.POOL_STRIDE_ACROSS: problem.stride[1],
        T.POOL_TOP: problem.pad[0],
        T.POOL_LEFT: problem.pad[1],
        T.POOL_BOTTOM: problem.pad[2],
        T.POOL_RIGHT: problem.pad[3],
        T.MAP_VECTOR: vector,
        T.POOLED_AT: pooled_at,
        T.SWITCHES_AT: switches_at,
        T.POOLED_VECTOR: pooled,
        T.SLOT_BYTES: switches_at + -(-(pooled + slack) // 64) * 64,
    }
