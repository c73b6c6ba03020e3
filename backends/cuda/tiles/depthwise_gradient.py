"""Source of the gradient by the weights of convolution in small groups.

A block has one pair of channels, a few rows of its kernel and one part of the batch. Its threads go through cells of
neighbouring elements of dy, whose windows of x overlap; each has a sum for every tap. At the end those of all threads
are added up by way of shared memory, and the sums of the part are left in memory for `split_sum`.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property

from netlang.backends.cuda.kernel import WARP, Kernel
from netlang.backends.cuda.tiles.text import Text

Pair = tuple[int, int]
_FLOAT = 4


@dataclass(frozen=True)
class DepthwiseGradient:
    """kernel    taps of the whole kernel, down and across
    rows      rows of the kernel that a block has: a divisor of all
    cell      elements of dy (down, across) that a thread takes together
    flip      the weights lie reversed
    """

    kernel: Pair
    rows: int
    stride: Pair
    dilation: Pair
    cell: Pair
    flip: bool
    threads: int

    @property
    def taps(self) -> int:
        """Sums of a thread."""
        return self.rows * self.kernel[1]

    @cached_property
    def uses(self) -> dict[int, dict[int, list[tuple[int, int, int]]]]:
        """What elements of x are multiplied by, by row and column: (tap, row of the cell, column of the cell)."""
        found: dict[int, dict[int, list[tuple[int, int, int]]]] = defaultdict(lambda: defaultdict(list))
        for i in range(self.cell[0]):
            for j in range(self.cell[1]):
                for a in range(self.rows):
                    for b in range(self.kernel[1]):
                        row = i * self.stride[0] + a * self.dilation[0]
                        column = j * self.stride[1] + b * self.dilation[1]
                        found[row][column].append((a * self.kernel[1] + b, i, j))
        return {row: dict(sorted(columns.items())) for row, columns in sorted(found.items())}

    def code(self) -> Kernel:
        """Its arguments are `ARGUMENTS`; the grid is (pairs of channels * parts of the kernel, parts of the batch)."""
        shared = self.threads * self.taps * _FLOAT
        arguments = "".join(ARGUMENTS.values())
        return Kernel(f"depthwise_gradient:{self}", lambda: _source(self), arguments, self.threads, shared)


ARGUMENTS = {
    "x": "p",
    "y": "p",
    "sums": "p",  # [parts][weights]
    "weights": "i",  # how many there are
    "cells": "i",  # of one channel in all images; read as unsigned
    "cells_down": "i",  # of a plane
    "cells_across": "i",
    "per_in": "i",  # channels of a group
    "per_out": "i",
    "x_image": "l",  # bytes from an image to the next
    "y_image": "l",
    "height": "i",  # of x
    "width": "i",
    "out_height": "i",
    "out_width": "i",
    "pad_top": "i",
    "pad_left": "i",
}


def _source(s: DepthwiseGradient) -> str:
    t = Text()
    t.open(f"def kernel({', '.join(ARGUMENTS)}):")
    _find_channels(t, s)
    t("; ".join(f"s{tap} = f32(0)" for tap in range(s.taps)))
    t("cell = u32(first + u32(thread()))")
    with t.block("while cell < end:"):
        _add_cell(t, s)
        t(f"cell = u32(cell + u32({s.threads}))")
    _add_up(t, s)
    return str(t)


def _find_channels(t: Text, s: DepthwiseGradient) -> None:
    """Which channels, taps and cells this block has."""
    blocks = s.kernel[0] // s.rows
    t(f"pair = i32(div_u32(u32(block_x()), u32({blocks})))")
    t(f"tap_row = i32(i32(block_x() - i32(pair * i32({blocks}))) * i32({s.rows}))")
    t("out = i32(div_u32(u32(pair), u32(per_in)))", "group = i32(div_u32(u32(out), u32(per_out)))")
    t("inner = i32(i32(pair - i32(out * per_in)) + i32(group * per_in))")
    t(f"source = u64(x + u64(i64(inner) * i64(height) * i64(width) * i64({_FLOAT})))")
    t(f"other = u64(y + u64(i64(out) * i64(out_height) * i64(out_width) * i64({_FLOAT})))")
    for name, part in (("first", "block_y()"), ("end", "i32(block_y() + i32(1))")):
        t(f"{name} = u32(u64(u64(u32(cells)) * u64({part})) // u64(blocks_y()))")


def _add_cell(t: Text, s: DepthwiseGradient) -> None:
    """Add the products of one cell to all sums."""
    t("above = div_u32(cell, u32(cells_across))", "across = i32(cell - u32(above * u32(cells_across)))")
    t("image = div_u32(above, u32(cells_down))", "down = i32(above - u32(image * u32(cells_down)))")
    t(f"out_row = i32(down * i32({s.cell[0]}))", f"out_column = i32(across * i32({s.cell[1]}))")
    t("at = i64(image) * y_image + (i64(out_row) * i64(out_width) + i64(out_column)) * i64(4)")
    for i in range(s.cell[0]):
        for j in range(s.cell[1]):
            t(f"y{i}_{j} = f32(0)")
            with t.block(f"if i32(out_row + i32({i})) < out_height and i32(out_column + i32({j})) < out_width:"):
                t(f"y{i}_{j} = load_fixed_f32(other, at + (i64({i}) * i64(out_width) + i64({j})) * i64({_FLOAT}))")
    t(f"row0 = i32(i32(out_row * i32({s.stride[0]})) + i32(i32(tap_row * i32({s.dilation[0]})) - pad_top))")
    t(f"column0 = i32(i32(out_column * i32({s.stride[1]})) - pad_left)")
    for row, columns in s.uses.items():
        t(f"row = i32(row0 + i32({row}))")
        with t.block("if u32(row) < u32(height):"):
            t(f"at = i64(image) * x_image + (i64(row) * i64(width) + i64(column0)) * i64({_FLOAT})")
            for column, products in columns.items():
                t("value = f32(0)")
                with t.block(f"if u32(i32(column0 + i32({column}))) < u32(width):"):
                    t(f"value = load_fixed_f32(source, at + i64({column * _FLOAT}))")
                t(*(f"s{tap} = s{tap} + value * y{i}_{j}" for tap, i, j in products))


def _add_up(t: Text, s: DepthwiseGradient) -> None:
    """The sums of all threads, in a fixed order, to the part's place in memory: a warp adds up those of a tap."""
    warps, pitch = s.threads // WARP, s.threads * _FLOAT
    t(f"own = u32(shared_base() + u32(i32(thread() * i32({_FLOAT}))))")
    t(*(f"store_shared_f32(own, i32({tap * pitch}), s{tap})" for tap in range(s.taps)))
    t("sync()", "tap = warp()")
    with t.block(f"while tap < i32({s.taps}):"):
        t(f"from_lane = u32(shared_base() + u32(i32(i32(tap * i32({pitch})) + i32(lane() * i32({_FLOAT})))))")
        t("total = load_shared_f32(from_lane, i32(0))")
        for i in range(1, warps):
            t(f"total = f32(total + load_shared_f32(from_lane, i32({i * WARP * _FLOAT})))")
        t(*(f"total = f32(total + shuffle_xor_f32(total, i32({d})))" for d in (16, 8, 4, 2, 1)))
        with t.block("if lane() == i32(0):"):
            whole = s.kernel[0] * s.kernel[1]
            place = f"i32(i32(tap_row * i32({s.kernel[1]})) + tap)"
            place = f"i32(i32({whole - 1}) - {place})" if s.flip else place
            t(f"weight = i64(block_y()) * i64(weights) + i64(pair) * i64({whole}) + i64({place})")
            t(f"store_f32(sums, weight * i64({_FLOAT}), total)")
        t(f"tap = i32(tap + i32({warps}))")
