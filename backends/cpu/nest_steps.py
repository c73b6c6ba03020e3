"""Loop nests to steps: kernels by structure, arguments by size, long sums split into chunks of a fixed size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from netlang.backends.common.context import Context
from netlang.backends.common.element import BYTES, register_name
from netlang.backends.common.nest import REDUCTIONS, Axis, Nest, Operand, code_of, collapsed
from netlang.backends.common.nest_pieces import partial_total, piece, usual
from netlang.backends.common.steps import Buffer, Scratch, Step
from netlang.backends.common.sweeps import plan_sweeps
from netlang.backends.cpu.kernel import emitted
from netlang.backends.cpu.nest_code import emit_nest
from netlang.backends.cpu.nest_table import CHUNK, arguments

_SHORT = 2 * CHUNK


def nest_steps(context: Context, nest: Nest) -> list[Step]:
    """The steps that carry out a nest."""
    flat = collapsed(nest)
    if _is_long_sum(flat):
        return _split(context, flat)
    return [_step(context, flat)]


def _step(context: Context, nest: Nest, split: bool = False) -> Step:
    code = code_of(nest, split)
    lanes = context.channel_block
    kernel = emitted(f"nest {lanes} {code!r}", emit_nest(code, lanes))
    writes: Sequence[Buffer] = [o.buffer for o, _ in nest.stores]
    return Step(kernel, tuple(arguments(nest)), tuple(writes), nest.work)


def _is_long_sum(nest: Nest) -> bool:
    """One reduced axis and nothing else, probably long, and results that are all fixed along it."""
    if len(nest.axes) != 1 or not nest.axes[0].reduced or any(o.strides != (0,) for o, _ in nest.stores):
        return False
    return not _is_chained(nest) and usual(nest.axes[0].size) > _SHORT


def _is_chained(nest: Nest) -> bool:
    """Whether a reduction depends on another one."""
    depends: list[bool] = []
    for x in nest.instructions:
        below = any(depends[i] for i in x.inputs)
        if below and x.op in REDUCTIONS:
            return True
        depends.append(below or x.op in REDUCTIONS)
    return False


def _split(context: Context, nest: Nest) -> list[Step]:
    """First every chunk's own results, then those combined in order, and what is computed from them."""
    chunks = (nest.axes[0].size + (CHUNK - 1)) // CHUNK
    partial: dict[int, Operand] = {}
    for i, x in enumerate(nest.instructions):
        if x.op in REDUCTIONS:
            dtype = register_name(x.dtype)
            partial[i] = Operand(context.scratch(chunks * BYTES[dtype]), dtype, (1,))
    targets = [(replace(o, strides=(0,)), i) for i, o in partial.items()]
    first = piece(nest, [(nest.axes[0], 0)], targets, {})
    instead = {i: partial_total(nest.instructions[i], o) for i, o in partial.items()}
    second = piece(nest, [(Axis(chunks, True), 0)], nest.stores, instead)
    return [_step(context, first, split=True), _step(context, second)]


def is_in_place_safe(nest: Nest, buffer: Buffer) -> bool:
    """Whether results may be written over `buffer`: each element is read only by the unit that writes its place, and
    before it does. Where something is reduced, the results of rows are written last, and elements must be written by
    the last sweep alone: the ones before it read what they sum up."""
    reads = [o for o in nest.loads if o.buffer == buffer]
    if isinstance(buffer, Scratch) or any(o.offset != 0 for o in reads):
        return False
    reduced = [i for i, a in enumerate(nest.axes) if a.reduced]
    if not reduced:
        return all(o.strides == nest.stores[0][0].strides for o in reads)
    rows = {o.strides for o, _ in nest.stores if all(o.strides[i] == 0 for i in reduced)}
    elements = {o.strides for o, _ in nest.stores} - rows
    if not reads or any(o.strides != reads[0].strides for o in reads):
        return False
    return {reads[0].strides} == (elements if _written_last(nest) and reads[0].strides in elements else rows)


def _written_last(nest: Nest) -> bool:
    """Whether nothing but results of rows is written before the last sweep."""
    plan = plan_sweeps(code_of(collapsed(nest)))
    return not any(plan.stores[:-1]) and not any(plan.spills)
