"""A net and its blocks as a file."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from netlang.frontend import ast
from netlang.interchange.importing import writing as w
from netlang.interchange.importing.flat import living_blocks
from netlang.interchange.importing.sheet import Line
from netlang.interchange.importing.structure.bodies import BodyWriter
from netlang.interchange.importing.structure.items import Block, Body, Item, Value
from netlang.interchange.importing.structure.loops import shortened_chains
from netlang.interchange.importing.structure.namer import Namer
from netlang.interchange.importing.structure.naming import name_blocks
from netlang.interchange.importing.structure.parameters import (
    INPUT_NAMES,
    Parameter,
    Signature,
    item_vectors,
    signature,
    taken_names,
)
from netlang.interchange.importing.structure.reading import Reading


def blocks_of(body: Body) -> list[Block]:
    """The blocks that a body applies, those that they apply before them."""
    found: dict[Block, None] = {}
    path = [(body, iter(body.items))]
    owners: list[Block | None] = [None]
    while path:
        item = next(path[-1][1], None)
        if item is None:
            path.pop()
            owner = owners.pop()
            if owner is not None:
                found[owner] = None
        elif item.callee is not None and item.callee not in found:
            path.append((item.callee.body, iter(item.callee.body.items)))
            owners.append(item.callee)
    return list(found)


class FileWriter:
    """Writes the blocks of a net and the net itself. `lines` are then those of the flat net, in the file's order."""

    def __init__(self, net: str, reading: Reading, cells: Sequence[ast.Block]) -> None:
        self.net, self.reading, self.cells = net, reading, cells
        self.blocks = blocks_of(reading.body)
        self.fixed = {net, *reading.sizes, *(s.name.text for s in reading.inputs), *(n for n, _ in reading.outputs)}
        self.fixed |= {b.name.text for b in cells}
        name_blocks(self.blocks, self.fixed)
        self.signatures: dict[Block, Signature] = {}
        self.followers: set[Item] = set()

    def file(self) -> ast.File:
        items: list[ast.Item] = []
        for block in self.blocks:
            self.signatures[block] = signature(block, self.signatures)
            items.append(self._block(block))
        items.append(self._net())
        body = [statement for item in items if isinstance(item, ast.Block | ast.Net) for statement in item.body]
        return ast.File(w.SPAN, (*living_blocks(self.cells, body), *items))

    def lines(self) -> list[Line]:
        """The lines of the flat net in the order in which the file's text carries them out."""
        found: list[Line] = []
        self._collect(self.reading.body, 0, True, found)
        return found

    def _collect(self, body: Body, case: int, own: bool, found: list[Line]) -> None:
        for item in body.items:
            mine = own and item not in self.followers
            if item.callee is not None:
                self._collect(item.callee.body, item.callee_cases[case], mine, found)
            else:
                line = item.lines[case]
                found.append(line if mine else Line(line.statement))

    # ---- the net

    def _net(self) -> ast.Net:
        body = self.reading.body
        names = {value: value.name for value in body.inputs}
        outputs = {value: name for name, value in reversed(self.reading.outputs)}
        blocks = {b.name for b in self.blocks}
        namer = Namer(self.fixed | blocks | {v.name for i in body.items for v in i.results})
        readers = body.readers()
        writer = BodyWriter(
            body,
            names,
            lambda v: self._name(v, outputs, blocks, readers, namer),
            self._constants,
            lambda i: self._called(i, None),
            lambda i: namer.fresh(f"{i.callee.name if i.callee else 'shared'}_layer"),
            self.reading.outputs,
        )
        writer.write()
        self.followers |= writer.followers
        statements = [*self.reading.inputs, *shortened_chains(writer.statements, self._known())]
        return ast.Net(w.SPAN, w.word(self.net), None, tuple(statements))

    @staticmethod
    def _name(
        value: Value, outputs: dict[Value, str], blocks: set[str], readers: Collection[Value], namer: Namer
    ) -> str:
        """What a tensor of the net is called: as the output that it is, as in the file, or a letter."""
        if value not in readers:
            return namer.fresh("_unused")
        if value.name in blocks:
            return namer.fresh(value.name)
        return outputs.get(value) or value.name or namer.local()

    def _constants(self, item: Item) -> list[ast.Expression]:
        return [vector[0].expression for vector in item.holes]

    # ---- blocks

    def _block(self, block: Block) -> ast.Block:
        found = self.signatures[block]
        body = block.body
        inputs = dict(zip(body.inputs, INPUT_NAMES, strict=False))
        namer = Namer({*inputs.values(), *(p.name for p in found.parameters), *(b.name for b in self.blocks)})
        readers = body.readers()

        declared = [v for i in body.items if i.role for v in i.results]

        def name(value: Value) -> str:
            if value in declared:
                return namer.fresh("weight" if value is declared[0] else "bias")
            return namer.local() if value in readers else namer.fresh("_unused")

        def arguments(item: Item) -> list[ast.Expression]:
            given = found.arguments[item]
            return [e for e in given if e is not None]

        writer = BodyWriter(
            body, dict(inputs), name, arguments, lambda i: self._called(i, found), lambda i: namer.fresh("layer")
        )
        results = writer.write()
        self.followers |= writer.followers
        result = results[0] if len(results) == 1 else ast.Tuple(w.SPAN, tuple(results))
        statements = shortened_chains([*writer.statements, ast.Return(w.SPAN, result)], self._known())
        parameters = [ast.Parameter(w.SPAN, w.word(n), None) for n in inputs.values()]
        parameters += [_parameter(p) for p in found.parameters]
        return ast.Block(w.SPAN, w.word(block.name), tuple(parameters), tuple(statements))

    def _called(self, item: Item, inside: Signature | None) -> ast.Expression:
        """The layer that an item of a block is, in the body of another block or in the net."""
        assert item.callee is not None
        vectors = item_vectors(item, self.signatures)
        if inside is None:
            given = [None if v[0] == d else v[0].expression for _, v, d in vectors]
        else:
            given = inside.arguments[item]
        arguments = []
        for parameter, e in zip(self.signatures[item.callee].parameters, given, strict=True):
            if e is not None:
                word = None if parameter.default is None else w.word(parameter.name)
                arguments.append(ast.Argument(w.SPAN, word, e))
        name = w.name(item.callee.name)
        return ast.Call(w.SPAN, name, tuple(arguments)) if arguments else name

    def _known(self) -> frozenset[str]:
        return taken_names() | {b.name for b in self.blocks}


def _parameter(parameter: Parameter) -> ast.Parameter:
    default = None if parameter.default is None else parameter.default.expression
    return ast.Parameter(w.SPAN, w.word(parameter.name), default)
