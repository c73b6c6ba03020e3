"""How the threads of a GPU share a nest: chosen from its sizes, a batch of 32 where they depend on one. With measured
choices blocks may have half or twice the threads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod

from netlang.backends.common.choices import Candidate
from netlang.backends.common.context import Context
from netlang.backends.common.nest import Nest, Operand
from netlang.backends.common.nest_pieces import usual
from netlang.backends.cuda.kernel import WARP
from netlang.backends.cuda.nest_shape import VECTORS, Tiling
from netlang.backends.cuda.target import CudaTarget
from netlang.ir.dims import Dim

_VECTOR = 4
"""Elements of float32 in 16 bytes."""
_THREADS, _FEW_THREADS = 256, 64
"""Of a block at most, on a GPU and in the simulator."""
_REDUCERS = 512
"""The same where they all reduce one unit, neighbours."""
_APART = 16
"""Threads that reduce a unit together where neighbours have other units: each reads what all of them have found."""
_STEPS = 8
"""Elements, or vectors, that a thread adds up at least where there are enough units to fill the GPU."""
_OTHER_THREADS = {"half": 0.5, "double": 2.0}
_MOST_THREADS = 512
"""Of a block whose size is a choice by measurement."""
_FEWEST = 1 << 18
"""Elements of a nest that takes longer than its launch, so that how it is cut up may be worth a measurement."""
_RESIDENT = 1024
"""Threads on a multiprocessor that hide the latency of memory."""


def vectors_of(context: Context, nest: Nest) -> list[int]:
    """The operands of a collapsed nest that four neighbours of the last axis can access as 16 bytes, or as the words of
    one block of random numbers; none where that does not help, or would make a very long kernel."""
    if not _divides(nest.axes[-1].size) or any(o.strides[-1] not in (0, 1) for o in nest.operands):
        return []
    if any(x.op == "normal" for x in nest.instructions):
        return []
    return aligned_operands(context, nest)


def aligned_operands(context: Context, nest: Nest) -> list[int]:
    """The operands whose every four neighbours from a multiple of four on are one access."""
    indices = {x.attr("operand") for x in nest.instructions if x.op == "index"}
    return [i for i, o in enumerate(nest.operands) if (i in indices or o.dtype in VECTORS) and _is_aligned(context, o)]


def _is_aligned(context: Context, operand: Operand) -> bool:
    """Whether every four neighbours lie in 16 bytes: buffers start on multiples of more than that."""
    inner = operand.strides[-1] == 1
    outer = (*operand.strides[:-1], operand.offset)
    return inner and all(map(_divides, outer)) and _divides(context.start(operand.buffer), 4 * _VECTOR)


def _divides(dim: Dim, by: int = _VECTOR) -> bool:
    return dim % by == 0


def tiling_of(target: CudaTarget, nest: Nest, vectors: Sequence[int]) -> Tiling:
    """The tiling of a collapsed nest."""
    lanes = _VECTOR if vectors else 1
    sizes = [usual(a.size) for a in nest.axes]
    sizes[-1] = -(-sizes[-1] // lanes)
    units = max(1, prod(n for n, a in zip(sizes, nest.axes, strict=True) if not a.reduced))
    most = _FEW_THREADS if target.small else _THREADS
    many = 1 if target.small else target.multiprocessors
    if not any(a.reduced for a in nest.axes):
        return Tiling(lanes, 1, _power(units // (2 * many), WARP, most))
    length = max(1, prod(n for n, a in zip(sizes, nest.axes, strict=True) if a.reduced))
    most_together = _FEW_THREADS if target.small else _REDUCERS
    wanted = _power(length // _STEPS, 1, most_together)
    while wanted < min(length, most_together) and units * wanted < many * _RESIDENT:
        wanted *= 2
    if nest.axes[-1].reduced:
        return Tiling(lanes, wanted, max(wanted, _power(units * wanted // (2 * many), WARP, 128)))
    side_by_side = _power(units, 1, WARP)
    reducers = min(wanted, most // side_by_side, _APART)
    return Tiling(lanes, reducers, max(WARP, reducers * side_by_side))


def tilings_of(target: CudaTarget, nest: Nest, vectors: Sequence[int]) -> dict[str, Tiling]:
    """Tilings that may be the fastest, by name. The first one is the best by all that is known of GPUs; the others have
    blocks of half or twice the threads, which share a unit where it has a block of its own."""
    usual = tiling_of(target, nest, vectors)
    found = {"usual": usual}
    for name, by in _OTHER_THREADS.items():
        threads = int(usual.threads * by)
        reducers = threads if 1 < usual.reducers == usual.threads else usual.reducers
        if max(WARP, reducers) <= threads <= _MOST_THREADS:
            found[name] = replace(usual, threads=threads, reducers=reducers)
    return found


def picked_tiling(context: Context, target: CudaTarget, nest: Nest, vectors: Sequence[int]) -> Tiling:
    """The tiling that is chosen for a nest of the node being lowered."""
    steps = prod(usual(a.size) for a in nest.axes)
    if (steps < _FEWEST and not target.small) or all(context.is_fixed(o.buffer) for o in nest.loads):
        return tiling_of(target, nest, vectors)
    tilings = tilings_of(target, nest, vectors)
    # The model knows no more than that the first one is the best: the others are worth a measurement.
    return tilings[context.pick("loops", [Candidate(name, 1.0 + 0.1 * i) for i, name in enumerate(tilings)])]


def _power(number: int, least: int, most: int) -> int:
    """The power of two that is not below a number, within powers of two."""
    return min(max(1 << (max(1, number) - 1).bit_length(), least), most)
