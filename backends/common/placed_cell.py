"""A cell, the step of a recurrent layer, with the tensors that its node reads and writes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from netlang.backends.common.cell import Cell, Part, read_cell
from netlang.backends.common.context import Context
from netlang.backends.common.element import BYTES
from netlang.backends.common.steps import Arg, At, Buffer
from netlang.ir.graph import Graph, Node, Value


@dataclass(frozen=True)
class PlacedCell:
    """`inputs`, `results`: by the values of the node's body."""

    cell: Cell
    inputs: dict[Value, Buffer]
    results: dict[Value, Buffer]

    @property
    def parts(self) -> list[tuple[Buffer, Part]]:
        """Where what the cell loads is, then where what it stores goes."""
        loads = [(self.inputs[p.value], p) for p in self.cell.loads]
        return loads + [(self.results[p.value], p) for p in self.cell.stores]


def is_cell(context: Context, node: Node) -> bool:
    """Whether the body of a fused node is a cell."""
    return node.body is not None and _read(node.body) is not None


def placed_cell(context: Context, node: Node) -> PlacedCell:
    """The cell of a node of which `is_cell` is true."""
    assert node.body is not None
    found = _read(node.body)
    assert found is not None
    inputs = {v: context.buffer(outer) for v, outer in zip(node.body.inputs, node.inputs, strict=True)}
    results = {v: context.buffer(r) for (_, v), r in zip(node.body.outputs, node.results, strict=True)}
    return PlacedCell(found, inputs, results)


def part_address(buffer: Buffer, part: Part, dtype: str) -> Arg:
    """Where the first element of a part is."""
    return At(buffer, part.start * BYTES[dtype]) if part.start else buffer


@lru_cache(maxsize=64)  # asked twice in a row: whether it fits, and to carry it out
def _read(body: Graph) -> Cell | None:
    return read_cell(body)
