"""From a convolution problem to the kernel that carries it out: tile, tasks, and where things are in scratch memory."""

from __future__ import annotations

from dataclasses import dataclass, replace

from netlang.backends.common.chain import Chain, stored
from netlang.backends.common.choices import Candidate, Pick, cheapest
from netlang.backends.common.conv_problem import ConvProblem, PoolProblem
from netlang.backends.cpu.kernels.conv_tasks import chunks, cut, map_rows, strip_rows
from netlang.backends.cpu.target import Target
from netlang.backends.cpu.tiles.broadcast_tile import BroadcastTile
from netlang.backends.cpu.tiles.conv_table import ConvStructure
from netlang.backends.cpu.tiles.conv_table import ConvTable as T
from netlang.backends.cpu.tiles.pool_tile import PoolTile, pool_tile
from netlang.backends.cpu.tiles.shapes import channel_vectors, pixel_block, pixel_blocks

_FLOAT = 4
SECOND_LEVEL = 1 << 20
"""Bytes of a second-level cache."""
ONE_ROW = 100
"""Most pixels of a map that is taken as one row: tasks are whole rows, and larger maps need several."""


@dataclass(frozen=True)
class ConvPlan:
    """`numbers` are the entries of the table that depend on nothing but the problem."""

    structure: ConvStructure
    numbers: dict[T, int]
    groups: int
    row_tasks: int
    weight_floats: int
    channel_pitch: int
    operands: int

    def chunks(self, images: int) -> int:
        """Parts into which the groups of output channels are split for this many images."""
        return chunks(self.groups, self.row_tasks, images)


def has_elements(problem: ConvProblem) -> bool:
    """Whether there is anything to read and to compute."""
    return min(*problem.out, *problem.size, problem.channels, problem.out_channels) >= 1


def kernel_fits(problem: ConvProblem, target: Target) -> bool:
    """Whether the kernel can do it: with several groups, each must fill whole vectors."""
    per_group = problem.out_channels // problem.groups
    return has_elements(problem) and (problem.groups == 1 or per_group % target.lanes(_FLOAT) == 0)


def plan_conv(
    problem: ConvProblem,
    pool: PoolProblem | None,
    chain: Chain,
    target: Target,
    w_bytes: int = _FLOAT,
    pick: Pick = cheapest,
) -> ConvPlan:
    """The plan for a problem that the kernel can do. `w_bytes`: of a packed weight, as `BroadcastTile` has it; `pick`
    decides on the tile."""
    lanes = target.lanes(_FLOAT)
    problem, pool = as_pixels(problem, pool)
    whole = -(-(problem.out_channels // problem.groups) // lanes)
    vectors = channel_vectors(target, whole)
    if whole % vectors and (problem.groups > 1 or chain.out_layout):
        vectors = 1
    structure = conv_structure(problem, pool, chain, target, vectors, w_bytes, pick)
    groups = problem.groups * -(-whole // vectors)
    pitch = groups * vectors * lanes * _FLOAT
    numbers = {T.CHANNEL_GROUPS: groups // problem.groups, T.GROUPS: groups, T.CHANNEL_PITCH: pitch}
    group_floats = problem.channels // problem.groups * problem.kernel[0] * problem.kernel[1] * vectors * lanes
    numbers[T.WEIGHT_GROUP] = group_floats * w_bytes
    numbers |= geometry_numbers(problem, pool)
    if structure.x_blocked:
        numbers |= _blocked_input(problem, numbers, lanes)
    tasks = cut(problem, pool, structure.tile.rows, groups, vectors * lanes, target.processors)
    numbers |= slot_numbers(problem, pool, structure, tasks.rows)
    numbers |= {T.ROWS: tasks.rows, T.ROW_TASKS: tasks.row_tasks}
    return ConvPlan(
        structure, numbers, groups, tasks.row_tasks, groups * group_floats, pitch, structure.channel_operands
    )


def as_pixels(problem: ConvProblem, pool: PoolProblem | None) -> tuple[ConvProblem, PoolProblem | None]:
    """A small map of a 1x1 convolution as one row of pixels, which tiles cover with less waste, and the pool of the
    whole map as one of that row; other problems as they are."""
    pixels = problem.out[0] * problem.out[1]
    alone = problem.kernel == problem.stride == (1, 1) and problem.pad == (0, 0) and problem.out == problem.size
    if not alone or problem.phased or pixels > ONE_ROW or (pool and not _of_whole_map(pool)):
        return problem, pool
    row = (1, pixels)
    pool = pool and replace(pool, kernel=row, stride=row, size=row)
    return replace(problem, size=row, out=row, whole=row), pool


def _of_whole_map(pool: PoolProblem) -> bool:
    """Whether the pool has a single window: the map, without anything around it."""
    return pool.kernel == pool.size and pool.out == (1, 1) and not any(pool.pad) and pool.kind != "switch"


def conv_structure(
    problem: ConvProblem,
    pool: PoolProblem | None,
    chain: Chain,
    target: Target,
    vectors: int,
    w_bytes: int = _FLOAT,
    pick: Pick = cheapest,
) -> ConvStructure:
    lanes = target.lanes(_FLOAT)
    blocked = bool(stored(chain.source).type.layout)
    rows, columns = _block(problem, target, vectors, pick)
    pixel = problem.stride[1] * _FLOAT * (lanes if blocked else 1)
    stripped = needs_strip(problem) or bool(chain.prologue)
    ahead = blocked and not stripped and _comes_from_afar(problem)
    tile = BroadcastTile(
        lanes, vectors, rows, columns, pixel, blocked, ahead=ahead, epilogue=tuple(chain.before), w_bytes=w_bytes
    )
    return ConvStructure(
        tile,
        stripped,
        problem.phased,
        tuple("f32" if v.dtype.is_float else "bool" for v in chain.tensors),
        _pool_tile(pool, chain, lanes),
        pool.count_pad if pool else True,
        "" if chain.switch is None else str(chain.switch.dtype),
        blocked,
        bool(chain.out_layout),
        tuple(bool(stored(v).type.layout) for v in chain.tensors),
        tuple(chain.prologue),
    )


def takes_prologue(problem: ConvProblem, chain: Chain, target: Target) -> bool:
    """Whether the kernel can work on the input before it convolves it: pixels are read once each, by whole vectors of
    channels, and none of them is padding."""
    alone = problem.kernel == problem.stride == (1, 1) and problem.groups == 1 and not needs_strip(problem)
    blocked = bool(stored(chain.source).type.layout) and problem.channels % target.lanes(_FLOAT) == 0
    return alone and blocked and not problem.phased and kernel_fits(problem, target)


def _block(problem: ConvProblem, target: Target, vectors: int, pick: Pick) -> tuple[int, int]:
    """Rows and columns of the tile: the one that is usual for such a map, or what `pick` prefers."""
    usual, scores = pixel_block(target, vectors, *problem.out), pixel_blocks(target, vectors, *problem.out)
    scores |= {usual: max(scores.values())}  # of about equal ones it has the fewest rows
    blocks = {f"{rows}x{columns}": (rows, columns) for rows, columns in (usual, *scores)}
    return blocks[pick([Candidate(name, 1 / scores[block]) for name, block in blocks.items()])]


def _comes_from_afar(problem: ConvProblem) -> bool:
    """Whether reading x is much of the work, and x too large for the second-level cache."""
    x_bytes = problem.channels * problem.size[0] * problem.size[1] * _FLOAT
    return problem.out_channels < problem.channels and x_bytes > SECOND_LEVEL


def _blocked_input(problem: ConvProblem, plain: dict[T, int], lanes: int) -> dict[T, int]:
    """What differs where the input has its channels in blocks: a row is that of `lanes` channels side by side."""
    blocks = -(-problem.channels // lanes)
    per_channel = (T.X_CHANNEL, T.X_ROW, T.IN_WIDTH, T.PAD_LEFT, T.STRIP_WIDTH, T.STRIP_ROW, T.ACROSS)
    numbers = {entry: plain[entry] * lanes for entry in per_channel}
    return numbers | {T.IN_CHANNELS: blocks}


def needs_strip(problem: ConvProblem) -> bool:
    """Whether taps reach beyond the input, or begin inside it."""
    if problem.pad != (0, 0) or 0 in problem.kernel:
        return True
    spans = zip(problem.out, problem.stride, problem.kernel, problem.dilation, problem.size, strict=True)
    return any((o - 1) * s + (k - 1) * d + 1 > size for o, s, k, d, size in spans)


def _pool_tile(pool: PoolProblem | None, chain: Chain, lanes: int) -> PoolTile | None:
    if pool is None:
        return None
    kind = "max" if pool.kind == "switch" and chain.switch is None else pool.kind
    return pool_tile(lanes, kind, pool.kernel, pool.stride[1], tuple(chain.after))


def geometry_numbers(problem: ConvProblem, pool: PoolProblem | None) -> dict[T, int]:
    """Sizes of the input, the kernel, the map and the result."""
    (height, width), (tall, wide) = problem.size, problem.out
    strip_width = (wide - 1) * problem.stride[1] + (problem.kernel[1] - 1) * problem.dilation[1] + 1
    out = pool.out if pool else problem.out
    numbers = {
        T.X_CHANNEL: height * width * _FLOAT,
        T.X_ROW: width * _FLOAT,
        T.IN_CHANNELS: problem.channels,
        T.GROUP_CHANNELS: problem.channels // problem.groups,
        T.IN_HEIGHT: height,
        T.IN_WIDTH: width,
        T.PAD_TOP: problem.pad[0],
        T.PAD_LEFT: problem.pad[1],
        T.STRIP_WIDTH: strip_width,
        T.STRIP_ROW: strip_width * _FLOAT,
        T.TAPS_DOWN: problem.kernel[0],
        T.TAPS_ACROSS: problem.kernel[1],
        T.DILATION_DOWN: problem.dilation[0],
        T.ACROSS: problem.dilation[1] * _FLOAT,
        T.STRIDE_DOWN: problem.stride[0],
        T.MAP_HEIGHT: tall,
        T.MAP_WIDTH: wide,
        T.OUT_CHANNELS: problem.out_channels,
        T.OUT_HEIGHT: out[0],
        T.OUT_WIDTH: out[1],
        T.PHASE_START: problem.phase[0] * problem.whole[1] + problem.phase[1],
        T.PHASE_ROW: problem.step[0] * problem.whole[1],
        T.PHASE_PIXEL: problem.step[1],
        T.PHASE_PLANE: problem.whole[0] * problem.whole[1],
    }
    kernel, stride, pad = (pool.kernel, pool.stride, pool.pad) if pool else ((1, 1), (1, 1), (0, 0, 0, 0))
    numbers |= dict(zip((T.POOL_DOWN, T.POOL_ACROSS), kernel, strict=True))
    numbers |= dict(zip((T.POOL_STRIDE_DOWN, T.POOL_STRIDE_ACROSS), stride, strict=True))
    return numbers | dict(zip((T.POOL_TOP, T.POOL_LEFT, T.POOL_BOTTOM, T.POOL_RIGHT), pad, strict=True))


def slot_numbers(
    problem: ConvProblem, pool: PoolProblem | None, structure: ConvStructure, task_rows: int
) -> dict[T, int]:
    """Where strip, map, tensors and pooled rows are in a thread's slot. Blocks have room for `lanes` pixels more."""
    tile = structure.tile
    line, slack = tile.lanes * _FLOAT, tile.lanes * tile.lanes * _FLOAT
    held_rows = map_rows(problem, pool, task_rows, tile.rows)
    strip_width = (problem.out[1] - 1) * problem.stride[1] + (problem.kernel[1] - 1) * problem.dilation[1] + 1
    blocked = tile.lanes if structure.x_blocked else 1
    strip_channel = odd_lines(strip_rows(problem, held_rows) * strip_width * blocked * _FLOAT)
    strip = strip_channel * -(-problem.channels // blocked) if structure.stripped else 0
    map_vector = held_rows * problem.out[1] * line
    pitch = _aligned(map_vector * tile.vectors + slack)
    pooled_vector = task_rows * (pool.out[1] if pool else 0) * line
    pooled = _aligned(pooled_vector * tile.vectors + slack) if pool else 0
    map_at = _aligned(strip)
    tensors_at = map_at + pitch
    pooled_at = tensors_at + pitch * len(structure.tensors)
    end = pooled_at + pooled * (2 if pool else 0)
    return {
        T.STRIP_CHANNEL: strip_channel,
        T.MAP_AT: map_at,
        T.MAP_VECTOR: map_vector,
        T.TENSORS_AT: tensors_at,
        T.TENSOR_PITCH: pitch,
        T.POOLED_AT: pooled_at,
        T.SWITCHES_AT: pooled_at + pooled,
        T.POOLED_VECTOR: pooled_vector,
        T.SLOT_BYTES: end,
    }


def odd_lines(bytes: int) -> int:
    """At least `bytes`, an odd number of 64-byte lines: channels then spread over the sets of the cache."""
    lines = -(-bytes // 64)
    return (lines + 1 - lines % 2) * 64


def _aligned(bytes: int) -> int:
    return -(-bytes // 64) * 64
