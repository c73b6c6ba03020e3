"""Lowering of cells: the weights in panels, every gate of a unit beside the others, then one kernel for all of it."""

from __future__ import annotations

from functools import lru_cache, partial

from netlang.backends.common.cell import KIND, Cell, Part, read_cell, viewed
from netlang.backends.common.element import BYTES
from netlang.backends.common.steps import Arg, At, Buffer, Step
from netlang.backends.cpu.kernel import emitted
from netlang.backends.cpu.lower import LoweringContext, lowering
from netlang.backends.cpu.tiles.cell_kernel import emit_cell
from netlang.backends.cpu.tiles.cell_table import CellStructure
from netlang.backends.cpu.tiles.pack_kernel import PackStructure, emit_pack
from netlang.backends.cpu.tiles.pack_table import PackTable as P
from netlang.backends.cpu.tiles.shapes import most_pixels
from netlang.ir.dims import Dim
from netlang.ir.graph import Graph, Node, Value

_FLOAT = 4
_COLUMNS = 4
"""Vectors of a tile's rows, where gates do not make more."""


@lru_cache(maxsize=64)  # asked twice in a row: whether it fits, and to carry it out
def _cell(body: Graph) -> Cell | None:
    return read_cell(body)


def _fits(context: LoweringContext, node: Node) -> bool:
    return node.body is not None and _cell(node.body) is not None


@lowering(f"fused.{KIND}", match=_fits)
def cell(context: LoweringContext, node: Node) -> list[Step]:
    """Pack the weights, multiply and do the rest."""
    assert node.body is not None
    found = _cell(node.body)
    assert found is not None
    inputs: dict[Value, Buffer] = {
        v: context.buffer(outer) for v, outer in zip(node.body.inputs, node.inputs, strict=True)
    }
    results = {v: context.buffer(r) for (_, v), r in zip(node.body.outputs, node.results, strict=True)}
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
    places = [(inputs[p.value], p) for p in found.loads] + [(results[p.value], p) for p in found.stores]
    for operand, (buffer, part) in zip(operands, places, strict=True):
        args += _operand(buffer, part, operand.dtype, operand.rows)
    kernel = emitted(structure.key, partial(emit_cell, structure))
    return [*steps, Step(kernel, tuple(args), tuple(results.values()), work // 8)]


def _operand(buffer: Buffer, part: Part, dtype: str, rows: bool) -> list[Arg]:
    place: Arg = At(buffer, part.start * BYTES[dtype]) if part.start else buffer
    return [place, part.pitch * BYTES[dtype]] if rows else [place]


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
