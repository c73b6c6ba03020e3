"""The kernel of a convolution with all that is fused into it."""

from __future__ import annotations

from functools import partial

from netlang.backends.common.epilogue import operands
from netlang.backends.cuda.kernel import Kernel
from netlang.backends.cuda.tiles import sums_tile
from netlang.backends.cuda.tiles.conv_gather import Gather
from netlang.backends.cuda.tiles.conv_lines import ChannelLines
from netlang.backends.cuda.tiles.conv_parts import places, write_part
from netlang.backends.cuda.tiles.conv_results import write_results
from netlang.backends.cuda.tiles.conv_rows import Channels, PixelRows
from netlang.backends.cuda.tiles.conv_structure import ConvStructure
from netlang.backends.cuda.tiles.conv_weights import WeightCopies
from netlang.backends.cuda.tiles.gemm import blocks_of, main_loop, warps
from netlang.backends.cuda.tiles.stages import ring
from netlang.backends.cuda.tiles.text import Text

_MANY = 64
"""Sums of a thread."""


def conv_kernel(s: ConvStructure) -> Kernel:
    """See `ConvStructure.arguments` for what it is launched with."""
    tile = s.tile
    shared, resident = 0 if s.role == "rest" else tile.shared, blocks_of(tile, _warps(s))
    return Kernel(s.key, partial(_source, s), "".join(s.arguments.values()), tile.threads, shared, resident)


def _warps(s: ConvStructure) -> int:
    """Of a scheduler at a time: see `warps`. Pixels take registers too where they pass through them, and more where
    each element has its own entry in the table, which FFMA has none to spare for. So do the places of a pool, and
    of a tensor that is added, beside the fragments of tensor cores."""
    tile, entries = s.tile, s.run == 1 and not s.pointwise
    fewer = (entries or not tile.asynchronous) + (entries and tile.precision == "float32")
    placed = s.pool is not None or operands((*s.before, *s.after), "tensor") > 0
    many = tile.precision != "float32" and tile.rows * tile.columns >= _MANY * tile.threads
    return max(2, warps(tile) - max(fewer, placed and many))


def _pixels(s: ConvStructure) -> PixelRows | ChannelLines:
    """How pixels are copied."""
    if s.tile.n_major:
        return ChannelLines(s)
    return Channels(s) if s.pointwise else Gather(s)


def _source(s: ConvStructure) -> str:
    t = Text()
    t.open(f"def kernel({', '.join(s.arguments)}):")
    if s.role == "rest":
        t("group = block_z()")
        write_results(t, s)
        return str(t)
    t("base = shared_base()")
    if s.role == "parts":
        t(*places("block_z()"), "first_stage = i32(split * split_depth)")
    else:
        t("group = block_z()")
    copies, loop = (_pixels(s), WeightCopies(s)), main_loop(s.tile)
    for part in copies:
        part.begin(t)
    loop.begin(t)

    def load(stage: str) -> None:
        for part in copies:
            part.load(t, stage)

    stages = "min_i32(split_depth, i32(depth - first_stage))" if s.role == "parts" else "depth"
    ring(t, s.tile, stages, load, partial(loop.stage, t))
    sums_tile.exchange(t, loop.put)
    if s.role == "parts":
        write_part(t, s)
    else:
        write_results(t, s)
    return str(t)
