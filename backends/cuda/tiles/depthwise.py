"""Source of convolution in small groups, such as depthwise ones, and of its gradient by the input.

A thread computes a cell: some neighbouring results of one channel, which read overlapping windows of x, so that each
element it loads serves several of them. The gradient of a strided convolution is computed for all phases of the stride
together: a cell then has, for each of its places, one result of every phase. Sums are taken in the order of the group's
channels, rows and columns of x, whatever the grid.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from netlang.backends.common.conv_problem import ConvProblem
from netlang.backends.common.epilogue import Epilogue
from netlang.backends.cuda.kernel import Kernel
from netlang.backends.cuda.tiles import epilogue
from netlang.backends.cuda.tiles.text import Text

Pair = tuple[int, int]
_FLOAT = 4


@dataclass(frozen=True)
class Phase:
    """One kernel of a cell, as `ConvProblem` describes it: `weight` is the place of its first tap and `weight_step`
    the distance to the next tap down and across, in elements."""

    place: Pair
    kernel: Pair
    dilation: Pair
    pad: Pair
    weight: int
    weight_step: Pair

    @staticmethod
    def of(problem: ConvProblem) -> Phase:
        return Phase(
            problem.phase,
            problem.kernel,
            problem.dilation,
            problem.pad,
            problem.weight_start,
            (problem.weight_strides[3], problem.weight_strides[4]),
        )


@dataclass(frozen=True)
class Product:
    """What an element of x is multiplied by, and the number of the sum that it is added to."""

    weight: int
    sum: int


@dataclass(frozen=True)
class Depthwise:
    """cell      places (down, across) that a thread computes
    stride    elements of x from a place to the next
    step      results from a place to the next: as many as there are phases on the axis
    single    groups have one channel of x
    after     what happens to the sums before they are stored
    tensors   element types of its operands of the result's shape: f32 or bool
    """

    phases: tuple[Phase, ...]
    cell: Pair
    stride: Pair
    step: Pair
    single: bool
    after: Epilogue
    tensors: tuple[str, ...]
    threads: int

    @cached_property
    def uses(self) -> dict[int, dict[int, list[Product]]]:
        """The products of a cell by row and column of x, counted from the first place's own."""
        found: dict[int, dict[int, list[Product]]] = defaultdict(lambda: defaultdict(list))
        for number, (_, phase, down, across) in enumerate(self.results):
            for a in range(phase.kernel[0]):
                for b in range(phase.kernel[1]):
                    row = down * self.stride[0] + a * phase.dilation[0] - phase.pad[0]
                    column = across * self.stride[1] + b * phase.dilation[1] - phase.pad[1]
                    weight = phase.weight + a * phase.weight_step[0] + b * phase.weight_step[1]
                    found[row][column].append(Product(weight, number))
        return {row: dict(sorted(columns.items())) for row, columns in sorted(found.items())}

    @cached_property
    def results(self) -> Sequence[tuple[int, Phase, int, int]]:
        """Number, phase and place in the cell of each result."""
        places = [(p, i, j) for p in self.phases for i in range(self.cell[0]) for j in range(self.cell[1])]
        return [(number, *place) for number, place in enumerate(places)]

    @property
    def weights(self) -> list[int]:
        """Places of all weights that are used."""
        products = (p for columns in self.uses.values() for found in columns.values() for p in found)
        return sorted({p.weight for p in products})

    @property
    def columns(self) -> list[int]:
        """All columns of x that are read."""
        return sorted({c for columns in self.uses.values() for c in columns})

    def code(self) -> Kernel:
        """Its arguments are `ARGUMENTS` and the operands of the epilogue; the grid has a thread for each cell."""
        kinds = "".join(ARGUMENTS.values()) + "p" * len(epilogue.arguments(self.after))
        return Kernel(f"depthwise:{self}", lambda: _source(self), kinds, self.threads)


ARGUMENTS = {
    "x": "p",
    "w": "p",
    "y": "p",
    "cells": "i",  # of all images and channels; read as unsigned
    "cells_down": "i",  # of a plane
    "cells_across": "i",
    "out_channels": "i",
    "per_in": "i",  # channels of a group
    "per_out": "i",
    "x_image": "l",  # bytes from an image to the next
    "y_image": "l",
    "height": "i",  # of x
    "width": "i",
    "out_height": "i",
    "out_width": "i",
    "by_group": "i",  # elements from a group's first weight to the next one's, and between output and input channels
    "by_out": "i",
    "by_in": "i",
}


def _source(s: Depthwise) -> str:
    t = Text()
    t.open(f"def kernel({', '.join([*ARGUMENTS, *epilogue.arguments(s.after)])}):")
    _find_cell(t, s)
    t("; ".join(f"s{number} = f32(0)" for number, *_ in s.results))
    if s.single:
        _add_channel(t, s)
    else:
        t("inner = i32(0)")
        with t.block("while inner < per_in:"):
            _add_channel(t, s)
            t("source = u64(source + u64(plane_bytes))", f"weight = u64(weight + u64(i64(by_in) * i64({_FLOAT})))")
            t("inner = i32(inner + i32(1))")
    _store(t, s)
    return str(t)


def _find_cell(t: Text, s: Depthwise) -> None:
    """Where this thread's cell reads and writes."""
    t(f"index = u32(u32(block_x()) * u32({s.threads}) + u32(thread()))")
    with t.block("if index >= u32(cells):"):
        t("return")
    for name, count, rest in (("across", "cells_across", "above"), ("down", "cells_down", "plane")):
        t(f"{rest} = div_u32(index, u32({count}))", f"{name} = i32(index - u32({rest} * u32({count})))")
        t(f"index = {rest}")
    t("image = i64(div_u32(plane, u32(out_channels)))", "channel = i32(plane - u32(image) * u32(out_channels))")
    t("group = i32(div_u32(u32(channel), u32(per_out)))")
    t(f"plane_bytes = i64(height) * i64(width) * i64({_FLOAT})")
    t("source = u64(x + u64(image * x_image + i64(group) * i64(per_in) * plane_bytes))")
    t("first = i64(group) * i64(by_group) + i64(i32(channel - i32(group * per_out))) * i64(by_out)")
    t(f"weight = u64(w + u64(first * i64({_FLOAT})))")
    t(f"row0 = i32(down * i32({s.cell[0] * s.stride[0]}))", f"column0 = i32(across * i32({s.cell[1] * s.stride[1]}))")
    for number, column in enumerate(s.columns):
        t(f"inside{number} = u32(i32(column0 + i32({column}))) < u32(width)")


def _add_channel(t: Text, s: Depthwise) -> None:
    """Add the products of one channel of x."""
    names = {place: f"w{number}" for number, place in enumerate(s.weights)}
    for place, name in names.items():
        t(f"{name} = load_fixed_f32(weight, i64({place * _FLOAT}))")
    known = {column: f"inside{number}" for number, column in enumerate(s.columns)}
    for row, columns in s.uses.items():
        t(f"row = i32(row0 + i32({row}))")
        with t.block("if u32(row) < u32(height):"):
            t(f"at = u64(source + u64((i64(row) * i64(width) + i64(column0)) * i64({_FLOAT})))")
            for column, products in columns.items():
                t("value = f32(0)")
                with t.block(f"if {known[column]}:"):
                    t(f"value = load_fixed_f32(at, i64({column * _FLOAT}))")
                for p in products:
                    t(f"s{p.sum} = s{p.sum} + value * {names[p.weight]}")


def _places(s: Depthwise) -> Iterator[tuple[int, str, str]]:
    """Number, row and column of each result."""
    for number, phase, i, j in s.results:
        row = f"i32(i32(down * i32({s.cell[0] * s.step[0]})) + i32({i * s.step[0] + phase.place[0]}))"
        column = f"i32(i32(across * i32({s.cell[1] * s.step[1]})) + i32({j * s.step[1] + phase.place[1]}))"
        yield number, row, column


def _store(t: Text, s: Depthwise) -> None:
    t("plane_elements = i64(out_height) * i64(out_width)", "whole = (image * out_channels + channel) * plane_elements")
    t(f"target = u64(y + u64(image * y_image + i64(channel) * plane_elements * i64({_FLOAT})))")
    for number, row, column in _places(s):
        t(f"row = {row}", f"column = {column}")
        with t.block("if row < out_height and column < out_width:"):
            t("element = i64(row) * i64(out_width) + i64(column)")
            epilogue.apply(t, s.after, [f"s{number}"], "channel", "whole + element", types=s.tensors)
            t(f"store_f32(target, element * i64({_FLOAT}), s{number})")
