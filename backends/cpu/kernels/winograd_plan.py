"""From a convolution to Winograd's kernel for it: which transform, if any, and where things are in scratch memory."""

from __future__ import annotations

from dataclasses import dataclass, replace

from netlang.backends.common.chain import Chain, stored
from netlang.backends.common.conv_problem import ConvProblem
from netlang.backends.cpu.kernels.winograd_choice import NARROW_CHANNELS, most_patches
from netlang.backends.cpu.kernels.winograd_cost import Work, best_cut, tile_patches, with_chunks, work_of
from netlang.backends.cpu.target import Target
from netlang.backends.cpu.tiles.winograd_table import VECTORS, WinogradStructure
from netlang.backends.cpu.tiles.winograd_table import WinogradTable as T

_FLOAT = 4


@dataclass(frozen=True)
class WinogradPlan:
    """`numbers` are the entries of the table that depend on nothing but the problem. `work` is that of the images it
    was made for."""

    structure: WinogradStructure
    numbers: dict[T, int]
    weight_bytes: int
    work: Work
    processors: int

    def patches(self, images: int) -> int:
        return images * self.numbers[T.DOWN] * self.numbers[T.ACROSS]

    def chunks(self, images: int) -> int:
        """Parts into which the channel groups are split for this many images."""
        if not images:
            return 1
        work = replace(self.work, patches=self.patches(images))
        return with_chunks(work, self.numbers[T.GROUP_PATCHES], self.processors).chunks

    def tasks(self, images: int) -> int:
        return -(-self.patches(images) // self.numbers[T.GROUP_PATCHES]) * self.chunks(images)


def plan_winograd(
    problem: ConvProblem,
    result: tuple[int, int],
    chain: Chain,
    target: Target,
    m: int,
    images: int,
    blocked: bool,
) -> WinogradPlan:
    """The plan for F(m x m, taps x taps). `result` is the size of the result, after the pool if the chain has one;
    `images` is how many the tasks are cut for, any number can be computed. `blocked`: how the result is stored."""
    lanes = target.lanes(_FLOAT)
    step = m // 2 if chain.pool else m
    down, across = (-(-size // step) for size in result)
    work = work_of(problem, result, images, target, m, chain.pool is not None)
    group = best_cut(work, most_patches(problem), target.processors).group
    structure = _structure(problem, chain, lanes, m, tile_patches(group, work.most), blocked)
    narrow = problem.channels <= NARROW_CHANNELS
    numbers = _sizes(problem, result, lanes) | {
        T.DOWN: down,
        T.ACROSS: across,
        T.GROUP_PATCHES: group,
    }
    group_bytes = problem.channels * VECTORS * lanes * _FLOAT
    position = numbers[T.GROUPS] * group_bytes
    if narrow:
        numbers |= {T.WEIGHT_POSITION: group_bytes, T.WEIGHT_GROUP: group_bytes * structure.positions}
    else:
        numbers |= {T.WEIGHT_POSITION: position, T.WEIGHT_GROUP: group_bytes}
    numbers[T.BATCH] = 1 if narrow else numbers[T.GROUPS]
    whole = numbers | _slot(structure, numbers)
    return WinogradPlan(structure, whole, position * structure.positions, work, target.processors)


def _structure(
    problem: ConvProblem, chain: Chain, lanes: int, m: int, patches: int, blocked: bool
) -> WinogradStructure:
    return WinogradStructure(
        lanes,
        m,
        problem.kernel[0],
        patches,
        tuple(chain.before),
        chain.pool is not None,
        tuple(chain.after),
        tuple("f32" if v.dtype.is_float else "bool" for v in chain.tensors),
        bool(stored(chain.main.inputs[0]).type.layout),
        blocked,
        tuple(bool(stored(v).type.layout) for v in chain.tensors),
    )


def _sizes(problem: ConvProblem, result: tuple[int, int], lanes: int) -> dict[T, int]:
    """Sizes of input, weights and result."""
    height, width = problem.size
    groups = -(-problem.out_channels // (VECTORS * lanes))
    _, by_out, by_in, row, column = problem.weight_strides
    return {
        T.IN_CHANNELS: problem.channels,
        T.IN_HEIGHT: height,
        T.IN_WIDTH: width,
        T.PAD_TOP: problem.pad[0],
        T.PAD_LEFT: problem.pad[1],
        T.OUT_CHANNELS: problem.out_channels,
        T.OUT_HEIGHT: result[0],
        T.OUT_WIDTH: result[1],
        T.GROUPS: groups,
        T.CHANNEL_PITCH: groups * VECTORS * lanes * _FLOAT,
        T.STRIDE_OUT: by_out,
        T.STRIDE_IN: by_in,
        T.STRIDE_DOWN: row,
        T.STRIDE_ACROSS: column,
    }


def _slot(s: WinogradStructure, numbers: dict[T, int]) -> dict[T, int]:
    """Where everything is in a thread's slot. Some lines between positions keep them off each other's cache sets."""
    line = s.lanes * _FLOAT
    held = max(numbers[T.GROUP_PATCHES], s.patches)
    v_block = held * line
    v_position = -(-numbers[T.IN_CHANNELS] // s.lanes) * v_block + 5 * line
    m_position = held * VECTORS * line + line
    m_group = m_position * s.positions
    side = min(numbers[T.GROUP_PATCHES], numbers[T.ACROSS])
    strip_row = (side * s.m + s.taps - 1) * line
    map_row = side * s.step * line
    tensor_pitch = map_row * s.step
    slack = s.lanes * line
    m_at = v_position * s.positions
    strip_at = m_at + m_group * numbers[T.BATCH]
    patch_at = strip_at + strip_row * s.size
    map_at = patch_at + s.m * s.m * line
    tensors_at = map_at + tensor_pitch + slack
    end = tensors_at + tensor_pitch * len(s.tensors)
    return {
        T.V_BLOCK: v_block,
        T.V_POSITION: v_position,
        T.M_AT: m_at,
        T.M_GROUP: m_group,
        T.M_POSITION: m_position,
        T.STRIP_AT: strip_at,
        T.STRIP_ROW: strip_row,
        T.PATCH_AT: patch_at,
        T.MAP_AT: map_at,
        T.MAP_ROW: map_row,
        T.TENSORS_AT: tensors_at,
        T.TENSOR_PITCH: tensor_pitch,
        T.SLOT_BYTES: -(-end // 64) * 64,
    }
