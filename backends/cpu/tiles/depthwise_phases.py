"""The data gradient of a strided convolution by lanes: all phases of the stride in one kernel.

The results whose places leave the same remainder by the stride are a convolution of dy without a stride, by some of the
taps (a phase). Here a task computes all phases of its rows, each in every so many pixels of the same map, so that the
map is written as a whole, and one strip of dy serves them all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from netlang.backends.cpu.tiles.conv_table import ConvStructure
from netlang.backends.cpu.tiles.conv_table import ConvTable as T
from netlang.backends.cpu.tiles.depthwise_kernel import DepthwiseKernel, DepthwiseStructure
from netlang.backends.cpu.tiles.lane_strip import LaneSource, LaneStripFiller
from netlang.backends.cpu.tiles.lane_tile import LaneTile, emit_lane_tile
from netlang.backends.cpu.tiles.numbers import Number, raw


@dataclass(frozen=True)
class Phase:
    """All as (down, across). `place`: of the first result; `shift`: of the first tap's place in the strip.

    `weights` are the bytes before this phase's in those of a vector.
    """

    place: tuple[int, int]
    taps: tuple[int, int]
    dilation: tuple[int, int]
    shift: tuple[int, int]
    weights: int


@dataclass(frozen=True)
class PhasesStructure:
    """`step` is the distance of a phase's results, `halo` how many rows the strip has besides one for each of them."""

    conv: ConvStructure
    source: LaneSource
    step: tuple[int, int]
    halo: int
    phases: tuple[Phase, ...]

    @property
    def key(self) -> str:
        return f"depthwise:{self!r}"


class PhasesKernel(DepthwiseKernel):
    """Writes the kernel of one structure; rows of tasks are multiples of the step."""

    def __init__(self, structure: PhasesStructure, builder: Any, args: Any, tid: Any, threads: Any) -> None:
        super().__init__(DepthwiseStructure(structure.conv, structure.source), builder, args, tid, threads)
        self.own = structure

    def _planes(self, slot: Number, image: Number, group: Number, first: Number, last: Number) -> Number:
        """The address of the strip, filled with the rows of dy that all phases of these rows read."""
        f, step = self.f, self.own.step[0]
        rows = (last - first + (step - 1)) // step + self.own.halo
        filler = LaneStripFiller(self.e, f, self._strip(), self.source)
        filler.fill(slot, f[T.X] + image * f[T.X_IMAGE], f[T.IN_CHANNELS], group, first // step, rows)
        return slot

    def _run_tiles(self, x: Number, slot: Number, image: Number, group: Number, first: Number, count: Number) -> None:
        """All phases of `count` map rows; the last tiles of a row may overlap their neighbours."""
        f, (down, across) = self.f, self.own.step
        width = f[T.MAP_WIDTH]
        out, tensor, pitch = self._result(slot, image, group, first)
        values: dict[str, Number | int] = dict.fromkeys(LaneTile.ARGUMENTS.split(), 0)
        values |= {"planes": f[T.GROUP_CHANNELS], "x_plane": f[T.STRIP_CHANNEL]}
        values |= {"out_row": width * (down * self.line), "out_pixel": across * self.line}
        values |= {"channels": f[T.CHANNELS] + group * self.line, "channel_pitch": f[T.CHANNEL_PITCH]}
        values |= {"tensor_pitch": pitch}
        for phase in self.own.phases:
            values |= {"w": f[T.WEIGHTS] + group * f[T.WEIGHT_GROUP] + phase.weights}
            values |= {"taps_down": phase.taps[0], "x_down": f[T.STRIP_ROW] * phase.dilation[0]}
            values |= {"taps_across": phase.taps[1], "x_across": phase.dilation[1] * self.line}
            self._run_phase(phase, x, out, tensor, count, values)

    def _run_phase(
        self,
        phase: Phase,
        x: Number,
        out: Number,
        tensor: Number,
        count: Number,
        values: dict[str, Number | int],
    ) -> None:
        """The tiles of one phase, of one row each."""
        f, (down, across), width = self.f, self.own.step, self.f[T.MAP_WIDTH]
        tile = LaneTile(1, self.tile.columns, self.line, self.tile.epilogue)
        rows = (count - phase.place[0] + (down - 1)).at_least(0) // down
        columns = (width - phase.place[1] + (across - 1)) // across
        with f.each(0, rows) as r, f.each(0, (columns + (tile.columns - 1)) // tile.columns) as q:
            column = (q * tile.columns).at_most(columns - tile.columns)
            pixel = (r * down + phase.place[0]) * width + column * across + phase.place[1]
            values["x"] = x + (r + phase.shift[0]) * f[T.STRIP_ROW] + (column + phase.shift[1]) * self.line
            values["out"], values["tensor"] = out + pixel * self.line, tensor + pixel * self.line
            emit_lane_tile(self.e, tile, [raw(v) for v in values.values()])


def emit_phases(structure: PhasesStructure, builder: Any, args: Any, tid: Any, threads: Any) -> None:
    """The body of the kernel, for `kernel.emitted`."""
    PhasesKernel(structure, builder, args, tid, threads).emit()
