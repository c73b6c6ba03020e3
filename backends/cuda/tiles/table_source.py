"""The kernel of many loops of one structure: every block takes a row of a table, a part of one of the loops.

A row has the addresses of the operands, loads before stores, at the part's first element, and the number of elements.
"""

from __future__ import annotations

from dataclasses import replace

from netlang.backends.common.nest import SOURCES
from netlang.backends.cuda.nest_shape import NestShape, Tiling
from netlang.backends.cuda.tiles.nest_values import Scope, Values
from netlang.backends.cuda.tiles.writer import Writer


def table_source(shape: NestShape) -> str:
    """The kernel of a nest over one axis with nothing reduced; its one parameter is the address of the table."""
    w = Writer(["table"])
    threads, lanes, operands = shape.tiling.threads, shape.tiling.lanes, len(shape.patterns)
    w.line(f"row = i64(block_x()) * {row_bytes(shape)}")
    for operand in range(operands):
        w.line(f"a{operand} = u64(load_i64(table, row + {8 * operand}))")
    w.line(f"count = i32(load_i64(table, row + {8 * operands}))")
    fixed = _fixed(shape, w)
    if lanes > 1:
        w.line("unit = u32(thread())")
        with w.block(f"while unit < u32(count >> {lanes.bit_length() - 1})"):
            _elements(shape, w, fixed)
            w.line(f"unit = u32(unit + u32({threads}))")
        w.line(f"unit = u32((count & {-lanes}) + thread())")
    else:
        w.line("unit = u32(thread())")
    with w.block("while unit < u32(count)"):
        _elements(replace(shape, tiling=Tiling(1, 1, threads), vectors=()), w, fixed)
        w.line(f"unit = u32(unit + u32({threads}))")
    return w.text


def row_bytes(shape: NestShape) -> int:
    """Of the table."""
    return 8 * (len(shape.patterns) + 1)


def _fixed(shape: NestShape, w: Writer) -> Scope:
    """What is the same for all elements, read before any is written."""
    scope, values = Scope({}), Values(replace(shape, tiling=Tiling(1, 1, shape.tiling.threads), vectors=()), w, "unit")
    for position, x in enumerate(shape.code.instructions):
        if x.op == "load" and set(shape.code.loads[x.attr("operand")].strides) == {"0"}:
            values.value(position, 0, scope)
        assert x.op not in SOURCES or x.op in ("load", "constant")
    return scope


def _elements(shape: NestShape, w: Writer, fixed: Scope) -> None:
    Values(shape, w, "unit").store(range(len(shape.code.stores)), Scope({}, known=dict(fixed.known)))
