"""The argument table and the structure of a cell's kernel; distances in bytes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import auto

from netlang.backends.common.cell import CellCode
from netlang.backends.cpu.tiles.tables import Table


class CellTable(Table):
    """Entries of the table. After `COUNT` come the run-time numbers, then for every operand that is read, and every one
    that is written, its address and, if it has rows, the distance from one to the next."""

    A = auto()
    A_ROW = auto()
    W = auto()  # panels [group of units][inner][gate][vector][lanes]
    INNER = auto()
    ROWS = auto()
    UNITS = auto()
    COUNT = auto()


@dataclass(frozen=True)
class CellStructure:
    """A tile is `vectors` of units, all gates of each, for up to `rows` rows; `masked` where units may be left over."""

    lanes: int
    vectors: int
    rows: int
    masked: bool
    numbers: int
    code: CellCode

    @property
    def columns(self) -> int:
        """Vectors of a row of the product."""
        return self.vectors * self.code.sums

    @property
    def key(self) -> str:
        return f"cell:{self!r}"
