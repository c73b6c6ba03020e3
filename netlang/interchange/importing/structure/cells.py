"""Blocks that a scan applies, written like those that are found: chains, and names that are not the file's.

    block Scan_12(step_x, state_h, N) {            block cell(x, y, N) {
      MatMul_3 = step_x -> dense(8)                  return tanh((x -> dense(8)) + (y -> dense(8, bias = false)))
      MatMul_4 = state_h -> dense(8, bias = false)  }
      Add_5 = MatMul_3 + MatMul_4            ->
      Tanh_6 = Add_5 -> tanh
      return Tanh_6
    }

Cells that do the same are one block.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields, replace
from itertools import count
from typing import Any

from netlang.frontend import ast
from netlang.frontend.printing import item_lines
from netlang.interchange.importing import writing as w
from netlang.interchange.importing.flat import read
from netlang.interchange.importing.sheet import Line
from netlang.interchange.importing.structure.bodies import BodyWriter
from netlang.interchange.importing.structure.items import Item, Value
from netlang.interchange.importing.structure.layers import makes_parameters
from netlang.interchange.importing.structure.namer import Namer
from netlang.interchange.importing.structure.parameters import INPUT_NAMES
from netlang.interchange.importing.structure.reading import read_lines

NAME = "cell"


def rewritten(
    cells: Sequence[ast.Block], lines: Sequence[Line], taken: Collection[str]
) -> tuple[list[ast.Block], Sequence[Line]]:
    """The cells of a net and its lines, with other names for cells and for what they are given."""
    if not cells:
        return [], lines
    renaming = _Renaming(_sizes(lines), Namer(set(taken)))
    found: dict[str, ast.Block] = {}
    for cell in cells:
        block = _written(cell, renaming)
        text = "\n".join(item_lines(replace(block, name=w.word(NAME))))
        known = found.get(text)
        if known is None:
            known = found[text] = replace(block, name=w.word(renaming.namer.fresh(NAME)))
        renaming.blocks[cell.name.text] = known.name.text
    out = [replace(line, statement=renaming.applied(line.statement)) for line in lines]
    return list(found.values()), out


class _Renaming:
    """New names of cells and, for each, of its parameters. `sizes` are names of parameters that stay what they are."""

    def __init__(self, sizes: Collection[str], namer: Namer) -> None:
        self.sizes, self.namer = sizes, namer
        self.blocks: dict[str, str] = {}
        self.parameters: dict[str, Mapping[str, str]] = {}

    def applied(self, part: Any) -> Any:
        """A part of a tree with the names of cells, and of what is given to them by name, replaced."""
        if isinstance(part, tuple):
            return tuple(self.applied(entry) for entry in part)
        if not isinstance(part, ast.Node) or isinstance(part, ast.Word):
            return part
        if isinstance(part, ast.Name) and part.id.text in self.blocks:
            return w.name(self.blocks[part.id.text])
        changed = {f.name: self.applied(getattr(part, f.name)) for f in fields(part) if f.name != "span"}
        if isinstance(part, ast.Call) and isinstance(part.function, ast.Name) and part.function.id.text in self.blocks:
            names = self.parameters[part.function.id.text]
            changed["arguments"] = tuple(
                a if a.name is None else replace(a, name=w.word(names[a.name.text])) for a in changed["arguments"]
            )
        return replace(part, **changed)


def _sizes(lines: Sequence[Line]) -> set[str]:
    """Names of sizes: those in the types of inputs."""
    return {name for line in lines if isinstance(line.statement, ast.Input) for name in read(line.statement.type.dims)}


def _written(cell: ast.Block, renaming: _Renaming) -> ast.Block:
    """A cell in chains. Layers keep their order, as parameters are created in it."""
    statements = [renaming.applied(s) for s in cell.body]
    sizes = [p.name.text for p in cell.parameters if p.name.text in renaming.sizes]
    given = [p.name.text for p in cell.parameters if p.name.text not in renaming.sizes]
    last = statements[-1]
    assert isinstance(last, ast.Return)
    reading = read_lines([Line(s) for s in statements[:-1]], {}, given=given, sizes=sizes)
    results = last.value.items if isinstance(last.value, ast.Tuple) else (last.value,)
    reading.body.results = [reading.values[name] for name in read(results)]
    unique = count()
    for item in reading.body.items:
        item.weights = [(next(unique),)] if makes_parameters(item.pattern, renaming.blocks.values()) else [()]
    names = [n for n in (*INPUT_NAMES, *(f"x{n}" for n in range(len(given)))) if n not in renaming.sizes]
    renamed = dict(zip(given, names, strict=False)) | {s: s for s in sizes}
    renaming.parameters[cell.name.text] = renamed
    namer = Namer({*renamed.values(), *renaming.blocks.values()})
    readers = reading.body.readers()

    def name(value: Value) -> str:
        return namer.local() if value in readers else namer.fresh("_unused")

    def constants(item: Item) -> list[ast.Expression]:
        return [vector[0].expression for vector in item.holes]

    inputs = {value: renamed[name] for value, name in zip(reading.body.inputs, given, strict=True)}
    writer = BodyWriter(reading.body, inputs, name, constants, lambda i: w.name(""), lambda i: namer.fresh("layer"))
    found = writer.write()
    result = found[0] if len(found) == 1 else ast.Tuple(w.SPAN, tuple(found))
    parameters = tuple(ast.Parameter(w.SPAN, w.word(renamed[p.name.text]), None) for p in cell.parameters)
    return ast.Block(w.SPAN, cell.name, parameters, (*writer.statements, ast.Return(w.SPAN, result)))
