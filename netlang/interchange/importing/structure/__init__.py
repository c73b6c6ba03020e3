"""A flat net as a file that a person would have written: chains, layers that are shared, blocks, repetitions.

The lines are put into another order and then only folded, so the i-th parameter that the file creates is the i-th of
the lines that come back with it. Nothing here goes by the names of the net.
"""

from __future__ import annotations

from collections.abc import Sequence

from netlang.frontend import ast
from netlang.interchange.importing.flat import living_blocks
from netlang.interchange.importing.sheet import Line, Sheet
from netlang.interchange.importing.structure.cells import rewritten
from netlang.interchange.importing.structure.files import FileWriter
from netlang.interchange.importing.structure.folding import fold_repeated
from netlang.interchange.importing.structure.idioms import join_idioms
from netlang.interchange.importing.structure.reading import branch_by_branch, read_lines


def structured(sheet: Sheet, lines: Sequence[Line]) -> tuple[ast.File, list[Line]]:
    """The file of some lines of a sheet, and these in the order in which the file creates their parameters."""
    blocks = living_blocks(sheet.blocks, [line.statement for line in lines])
    cells, lines = rewritten(blocks, lines, {sheet.net, *sheet.types})
    reading = read_lines(lines, sheet.types, sheet.unnamed)
    reading.body.items = branch_by_branch(reading.body)
    join_idioms(reading.body)
    fold_repeated(reading.body)
    writer = FileWriter(sheet.net, reading, cells)
    return writer.file(), writer.lines()
