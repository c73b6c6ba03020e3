"""The argument tables of matrix products C [rows, columns] = A [rows, inner] B [inner, columns]; distances in bytes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import auto

from netlang.backends.cpu.tiles.broadcast_tile import BroadcastTile
from netlang.backends.cpu.tiles.tables import Table


class PanelTable(Table):
    """Packing A into panels [batch][row block][inner][lanes]: a panel holds the rows of one tile side by side."""

    A = auto()
    PANELS = auto()
    BATCH = auto()
    ROWS = auto()
    INNER = auto()
    A_BATCH = auto()
    HEIGHT = auto()  # rows of a panel


class GemmTable(Table):
    """Entries of the table. A task is a part of the row blocks and a part of the column groups of one product."""

    A = auto()
    PANELS = auto()
    B = auto()
    OUT = auto()
    BIAS = auto()
    TENSOR = auto()
    TENSOR_PITCH_FROM = auto()  # the second tensor, or the first again
    BATCH = auto()
    ROWS = auto()
    COLUMNS = auto()
    INNER = auto()
    A_BATCH = auto()
    PANEL_BATCH = auto()
    B_BATCH = auto()
    B_GROUP = auto()  # from one group of columns to the next
    B_INNER = auto()  # from one inner index to the next, where B is not packed
    HEIGHT = auto()  # rows of a tile, and of a panel
    ROW_PARTS = auto()
    GROUP_PARTS = auto()


@dataclass(frozen=True)
class GemmStructure:
    """`tile` covers `tile.columns` rows of A and `tile.vectors` vectors of columns; a single row has a tile of its own.

    `transposed`: A is stored [inner, rows]. `lower`: rows of a second tile where the number of rows is not known when
    the code is generated, and the first would often be half empty; 0 for none.
    """

    tile: BroadcastTile
    transposed: bool
    lower: int = 0

    @property
    def key(self) -> str:
        return f"gemm:{self!r}"
