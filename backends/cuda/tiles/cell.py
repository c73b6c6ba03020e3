"""The kernel of a cell (`netlang.backends.common.cell`): a product whose sums go through all that follows.

Sums of all gates of a unit meet in shared memory, whoever computed them, and one thread does the rest of a unit: loads,
instructions, stores. Where there are few rows the sums are thin, else those of a tile; without a product there are
none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from netlang.backends.common.cell import CellCode, CellOperand
from netlang.backends.common.element import BYTES, register_name
from netlang.backends.cuda.kernel import Kernel
from netlang.backends.cuda.tiles import sums_tile
from netlang.backends.cuda.tiles.block_tile import BlockTile
from netlang.backends.cuda.tiles.expressions import EXPRESSIONS
from netlang.backends.cuda.tiles.gemm import multiply
from netlang.backends.cuda.tiles.integers import wrapped
from netlang.backends.cuda.tiles.lines import Lines
from netlang.backends.cuda.tiles.matrix_copies import Kind, MatrixCopies, padded
from netlang.backends.cuda.tiles.text import Text
from netlang.backends.cuda.tiles.thin import Thin, read_sum, write_sums
from netlang.backends.cuda.tiles.writer import FLOATS, Term, literal

SIZES = ("rows", "units", "groups")
"""int32 arguments: rows, units, and groups of units, each of which is a block for some rows."""
PRODUCT = ("inner", "a_pitch", "b_pitch")
"""int32 arguments of a product: K, and elements from a line of A and of B to the next."""


@dataclass(frozen=True)
class TiledSums:
    """The sums of a tile, and how B lies in memory; `a` has its numbers of k side by side."""

    tile: BlockTile
    a: Kind
    b: Kind


@dataclass(frozen=True)
class CellKernel:
    """numbers   run-time sizes that the code asks for
    threads   of a block, where there is no product
    """

    code: CellCode
    numbers: int
    sums: TiledSums | Thin | None
    threads: int = 256

    @property
    def operands(self) -> tuple[CellOperand, ...]:
        """Everything that is read or written."""
        return (*self.code.loads, *(operand for operand, _ in self.code.stores))

    @property
    def rows(self) -> int:
        """Of a block."""
        return self.sums.tile.rows if isinstance(self.sums, TiledSums) else self.sums.rows if self.sums else 1

    @property
    def units(self) -> int:
        """Of a block."""
        if isinstance(self.sums, TiledSums):
            return self.sums.tile.columns // padded(self.code.sums)
        return self.sums.groups * self.sums.beside if self.sums else self.threads

    @property
    def kernel(self) -> Kernel:
        """Arguments: A and B if there is a product, the address of every operand; SIZES; PRODUCT; int64 numbers; int64
        elements from row to row of every operand that has rows. The blocks of the grid are one row: groups of units,
        then of rows."""
        pitches = sum(operand.rows for operand in self.operands)
        product = self.sums is not None
        arguments = "pp" * product + "p" * len(self.operands) + "i" * (len(SIZES) + len(PRODUCT) * product)
        arguments += "l" * (self.numbers + pitches)
        held = self.sums.tile if isinstance(self.sums, TiledSums) else self.sums
        threads, shared = (held.threads, held.shared) if held else (self.threads, 0)
        # Without a bound on registers: what follows a product needs some, and there are few blocks.
        return Kernel(f"cell:{self!r}", partial(_source, self), arguments, threads, shared)


def _source(cell: CellKernel) -> str:
    t = Text()
    names = [f"x{i}" for i in range(len(cell.operands))]
    numbers = [f"n{i}" for i in range(cell.numbers)]
    pitches = [f"pitch{i}" for i, operand in enumerate(cell.operands) if operand.rows]
    product = ["a", "b"] if cell.sums else []
    t.open(f"def kernel({', '.join([*product, *names, *SIZES, *(PRODUCT if product else ()), *numbers, *pitches])}):")
    t(
        "above = div_u32(u32(block_x()), u32(groups))",
        f"unit0 = i32(i32(u32(block_x()) - u32(above * u32(groups))) * i32({cell.units}))",
        f"row0 = i32(i32(above) * i32({cell.rows}))",
    )
    if isinstance(cell.sums, TiledSums):
        _tiled(t, cell, cell.sums)
    elif cell.sums is not None:
        _thin(t, cell, cell.sums)
    else:
        t("row = row0", "unit = i32(unit0 + thread())")
        _unit(t, cell, [])
    return str(t)


def _tiled(t: Text, cell: CellKernel, sums: TiledSums) -> None:
    tile, each, gates = sums.tile, cell.units, cell.code.sums
    t(
        "base = shared_base()",
        "a_first = row0",
        "b_first = unit0",
        "a_last = i32(i32(rows - row0) - i32(1))",
        "b_last = i32(i32(units - unit0) - i32(1))",
        "first_k = i32(0)",
        "left = inner",
    )
    multiply(t, tile, [MatrixCopies(tile, "a", sums.a), MatrixCopies(tile, "b", sums.b, gates)])
    t("place = thread()")
    with t.block(f"while place < i32({tile.rows * each}):"):
        t(f"line = i32(place >> i32({each.bit_length() - 1}))", f"beside = i32(place & i32({each - 1}))")
        found = [
            sums_tile.read(t, tile, "line", f"i32(beside + i32({gate * each}))", 1, f"gate{gate}_")[0]
            for gate in range(gates)
        ]
        t("row = i32(row0 + line)", "unit = i32(unit0 + beside)")
        _unit(t, cell, found)
        t(f"place = i32(place + i32({tile.threads}))")


def _thin(t: Text, cell: CellKernel, thin: Thin) -> None:
    gates, last = cell.code.sums, f"i32(units - i32({1 if thin.along else thin.vector}))"
    t("base = shared_base()", "a_row = a_pitch", "a_inner = i32(1)")
    beside = "group" if thin.along else "lane_column"
    write_sums(t, thin, lambda gate: f"i32(min_i32(i32(unit0 + {beside}), {last}) + i32(units * i32({gate})))")
    t("place = thread()")
    with t.block(f"while place < i32({thin.rows * cell.units}):"):
        t(
            f"line = i32(place & i32({thin.rows - 1}))",
            f"beside = i32(place >> i32({thin.rows.bit_length() - 1}))",
        )
        first = f"i32(beside * i32({thin.rows * gates})) + i32(line * i32({gates}))"
        if not thin.along:
            first = f"beside + i32(line * i32({thin.width}))"
        t(f"first = i32({first})")
        for gate in range(gates):
            read_sum(t, thin, f"i32(first + i32({gate * thin.beside}))", f"gate{gate}")
        t("row = i32(row0 + line)", "unit = i32(unit0 + beside)")
        _unit(t, cell, [f"gate{gate}" for gate in range(gates)])
        t(f"place = i32(place + i32({thin.threads}))")


def _unit(t: Text, cell: CellKernel, sums: Sequence[str]) -> None:
    """What follows the sums of all gates of one unit: `unit` of `row`, if they are there."""
    w, code = Lines(t), cell.code
    with t.block("if row < rows and unit < units:"):
        found: list[Term] = []
        for x in code.instructions:
            kind = register_name(x.dtype)
            if x.op == "sum":
                found.append(Term(sums[x.attr("gate")], "f32"))
            elif x.op == "load":
                operand = x.attr("operand")
                dtype = code.loads[operand].dtype
                found.append(Term(w.let(f"load_{dtype}(x{operand}, {_bytes(cell, operand)})", "r"), kind))
            elif x.op == "constant":
                found.append(Term(literal(kind, x.attr("value")), kind))
            elif x.op == "number":
                number = f"n{x.attr('number')}"
                found.append(Term(w.let(f"{kind}({number})" if kind in FLOATS else wrapped(kind, number), "r"), kind))
            else:
                inputs = [found[i] for i in x.inputs]
                found.append(Term(w.let(EXPRESSIONS[x.op](w, dict(x.attrs), inputs), "r"), kind))
        for i, (operand, position) in enumerate(code.stores, start=len(code.loads)):
            t(f"store_{operand.dtype}(x{i}, {_bytes(cell, i)}, {found[position]})")


def _bytes(cell: CellKernel, operand: int) -> str:
    """Where an operand's number of this row and unit is, behind its address."""
    kind = cell.operands[operand]
    terms = [f"i64(row) * pitch{operand}"] * kind.rows + ["i64(unit)"] * kind.units
    return f"i64(i64({' + '.join(terms) or '0'}) * i64({BYTES[kind.dtype]}))"
