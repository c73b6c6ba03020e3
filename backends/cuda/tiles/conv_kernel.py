"""The kernel of a convolution with all that is fused into it."""

from __future__ import annotations

from functools import partial

from netlang.backends.cuda.kernel import Kernel
from netlang.backends.cuda.tiles import sums_tile
from netlang.backends.cuda.tiles.conv_gather import Gather
from netlang.backends.cuda.tiles.conv_results import write_results
from netlang.backends.cuda.tiles.conv_structure import ConvStructure
from netlang.backends.cuda.tiles.ffma_loop import FfmaLoop
from netlang.backends.cuda.tiles.mma_loop import MmaLoop
from netlang.backends.cuda.tiles.stages import ring
from netlang.backends.cuda.tiles.text import Text

_REGISTERS = 65536
"""Of a multiprocessor."""
_USUAL, _MANY = 128, 168
"""Registers of a thread, and where each element has its own entry in the table or passes through registers: so many
blocks are to fit."""


def conv_kernel(s: ConvStructure) -> Kernel:
    """See `ConvStructure.arguments` for what it is launched with."""
    tile = s.tile
    resident = max(1, _REGISTERS // (_registers(s) * tile.threads))
    return Kernel(s.key, partial(_source, s), "".join(s.arguments.values()), tile.threads, tile.shared, resident)


def _registers(s: ConvStructure) -> int:
    """Of a thread."""
    return _MANY if s.run == 1 or not s.tile.asynchronous else _USUAL


def _source(s: ConvStructure) -> str:
    t = Text()
    gather = Gather(s)
    loop = FfmaLoop(s.tile) if s.tile.precision == "float32" else MmaLoop(s.tile)
    t.open(f"def kernel({', '.join(s.arguments)}):")
    t("base = shared_base()")
    gather.begin(t)
    loop.begin(t)
    ring(t, s.tile, "depth", partial(gather.load, t), partial(loop.stage, t))
    sums_tile.exchange(t, loop.put)
    write_results(t, s)
    return str(t)
