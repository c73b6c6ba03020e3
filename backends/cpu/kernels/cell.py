"""Lowering of cells: the weights in panels, every gate of a unit beside the others, then one kernel for all of it."""

from __future__ import annotations

from functools import partial

from netlang.backends.common.cell import KIND, Cell, viewed
from netlang.backends.common.element import BYTES
from netlang.backends.common.placed_cell import is_cell, part_address, placed_cell
from netlang.backends.common.steps import Arg, Buffer, Step
from netlang.backends.cpu.kernel import emitted
from netlang.backends.cpu.lower import LoweringContext, lowering
from netlang.backends.cpu.tiles.cell_kernel import emit_cell
from netlang.backends.cpu.tiles.cell_table import CellStructure
from netlang.backends.cpu.tiles.pack_kernel import PackStructure, emit_pack
from netlang.backends.cpu.tiles.pack_table import PackTable as P
from netlang.backends.cpu.tiles.shapes import most_pixels
from netlang.ir.dims import Dim
from netlang.ir.graph import Node

_FLOAT = 4
_COLUMNS = 4
"""Vectors of a tile's rows, where gates do not make more."""


@lowering(f"fused.{KIND}", match=is_cell)
def cell(context: LoweringContext, node: Node) -> list[Step]:
    """Pack the weights, multiply and do the rest."""
    placed = placed_cell(context, node)
    found, inputs = placed.cell, placed.inputs
    structure = _structure(context, found)
    steps: list[Step] = []
    args: list[Arg] = [0, 0, 0, 0]
    work: Dim = found.rows * found.units * len(found.code.instructions)
    if found.main is not None:
        a, w = found.main.inputs
        inner = w.shape[1] if found.main.attrs["transpose_b"] else w.shape[0]
        steps, packed = _packed(context, found, structure, inputs[viewed(w)])
        args = [inputs[viewed(a)], inner * _FLOAT, packed, inner]
        work = work + found.rows * inner * found.units * structure.code.sums
    args += [found.rows, found.units, *found.numbers]
    operands = (*found.code.loads, *(o for o, _ in found.code.stores))
    for operand, (buffer, part) in zip(operands, placed.parts, strict=True):
        args.append(part_address(buffer, part, operand.dtype))
        if operand.rows:
            args.append(part.pitch * BYTES[operand.dtype])
    kernel = emitted(structure.key, partial(emit_cell, structure))
    return [*steps, Step(kernel, tuple(args), tuple(placed.results.values()), work // 8)]


def _structure(context: LoweringContext, cell: Cell) -> CellStructure:
    """The tile: all gates of one vector, of several where gates are few, and as many rows as there are registers."""
    lanes = context.target.lanes(_FLOAT)
    gates, whole = max(1, cell.code.sums), -(-cell.units // lanes)
    vectors = max(1, min(_COLUMNS // gates, whole)) if cell.main is not None else 1
    rows = most_pixels(context.target, vectors * gates)
    if isinstance(cell.rows, int):
        blocks = -(-max(1, cell.rows) // rows)
        rows = -(-max(1, cell.rows) // blocks)
    masked = cell.units % (lanes * vectors) != 0
    return CellStructure(lanes, vectors, rows, masked, len(cell.numbers), cell.code)


def _packed(context: LoweringContext, cell: Cell, structure: CellStructure, w: Buffer) -> tuple[list[Step], Buffer]:
    """The step that packs the weights, all gates of a unit side by side, and where it puts them. Cells with the same
    weights share them."""
    assert cell.main is not None
    transposed = bool(cell.main.attrs["transpose_b"])
    rows, columns = cell.main.inputs[1].shape
    assert isinstance(rows, int) and isinstance(columns, int)
    inner, width = (columns, rows) if transposed else (rows, columns)
    gates, lanes = structure.code.sums, structure.lanes
    groups = -(-cell.units // (structure.vectors * lanes))
    line = structure.vectors * lanes * _FLOAT
    pack = PackStructure(lanes, structure.vectors, 0, _FLOAT, gates)
    key = context.owner, w, (pack, transposed, cell.units)
    if key in context.packed:
        return [], context.packed[key]
    packed = context.packed[key] = context.scratch(groups * inner * gates * line)
    stride_out, stride_in = (inner, 1) if transposed else (1, width)
    numbers: dict[P, Arg] = {
        P.WEIGHTS: w,
        P.PACKED: packed,
        P.OPERANDS: packed,
        P.PITCH: 0,
        P.OUT_CHANNELS: 0,
        P.GROUPS: groups * gates,
        P.CHANNEL_GROUPS: groups,
        P.GROUP_BYTES: inner * gates * line,
        P.GROUP_IN: inner,
        P.GROUP_OUT: cell.units,
        P.TAPS_DOWN: 1,
        P.TAPS_ACROSS: 1,
        P.STRIDE_GROUP: cell.units * stride_out,
        P.STRIDE_OUT: stride_out,
        P.STRIDE_IN: stride_in,
        P.STRIDE_DOWN: 0,
        P.STRIDE_ACROSS: 0,
    }
    kernel = emitted(f"pack:{pack}", partial(emit_pack, pack))
    args = tuple(numbers[entry] for entry in P if entry is not P.COUNT)
    return [Step(kernel, args, (packed,), inner * cell.units * gates)], packed
