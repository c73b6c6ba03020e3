"""Lines of a flat net as a body of items, and in which order they are read."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from netlang.frontend import ast
from netlang.frontend.expression_text import flat
from netlang.interchange.importing.flat import read
from netlang.interchange.importing.sheet import Line
from netlang.interchange.importing.structure.items import Body, Item, Value
from netlang.interchange.importing.structure.namer import is_given
from netlang.interchange.importing.structure.templates import Template, template, type_template
from netlang.ir.types import TensorType


@dataclass
class Reading:
    """A net that was read.

    inputs    its input statements
    body      everything that is computed
    outputs   (name, the value that it is) of its outputs
    values    by the names that they have in the lines
    sizes     names of sizes
    """

    inputs: list[ast.Input] = field(default_factory=list)
    body: Body = field(default_factory=lambda: Body([], [], [], 1))
    outputs: list[tuple[str, Value]] = field(default_factory=list)
    values: dict[str, Value] = field(default_factory=dict)
    sizes: set[str] = field(default_factory=set)


class _Reader:
    def __init__(self, types: Mapping[str, TensorType], unnamed: Collection[str]) -> None:
        self.types, self.unnamed = types, unnamed
        self.arrays: dict[object, int] = {}
        self.out = Reading()
        self.values, self.sizes = self.out.values, self.out.sizes

    def given(self, names: Iterable[str], sizes: Iterable[str]) -> None:
        """What the lines are given: tensors, and sizes."""
        self.out.body.inputs += [self._value(name) for name in names]
        self.sizes.update(sizes)

    def line(self, line: Line) -> None:
        match line.statement:
            case ast.Input() as s:
                self.out.inputs.append(s)
                self.out.body.inputs.append(self._value(s.name.text))
                self.values[s.name.text].name = s.name.text
                self.sizes.update(read(s.type.dims))
            case ast.Output(value=None) as s:
                self.out.outputs.append((s.name.text, self.values[s.name.text]))
            case ast.Output(value=ast.Name() as name) as s:
                self.out.outputs.append((s.name.text, self.values[name.id.text]))
            case ast.Output(value=ast.Expression() as value) as s:
                self._binding(line, (s.name,), value)
                self.out.outputs.append((s.name.text, self.values[s.name.text]))
            case ast.Binding(value=ast.Name() as name) as s if len(s.names) == 1 and name.id.text in self.values:
                self.values[s.names[0].text] = self.values[name.id.text]
            case ast.Binding() as s:
                self._binding(line, s.names, s.value)
            case ast.Declaration() as s:
                pattern = type_template(s.type, self.sizes)
                start = "" if s.value is None else flat(s.value)
                self._item(line, f"{s.role.text} {pattern.key} = {start}", pattern, (s.name,), s.role.text)
            case other:
                raise TypeError(f"no line of a flat net: {other!r}")

    def _binding(self, line: Line, names: tuple[ast.Word, ...], value: ast.Expression) -> None:
        pattern = template(value, self.values, self.sizes)
        self._item(line, f"{len(names)} {len(line.weights)} {pattern.key}", pattern, names)

    def _item(self, line: Line, key: str, pattern: Template, names: tuple[ast.Word, ...], role: str = "") -> None:
        results = tuple(self._value(word.text) for word in names)
        item = Item(
            key,
            pattern.expression,
            tuple(self.values[name] for name in pattern.operands),
            results,
            [(h.value,) for h in pattern.holes],
            tuple(h.role for h in pattern.holes),
            [self._identities(line)],
            pattern.words,
            [line],
            [tuple(v.name for v in results)],
            role,
        )
        self.out.body.items.append(item)

    def _value(self, name: str) -> Value:
        self.values[name] = Value([self.types.get(name)], "" if name in self.unnamed or is_given(name) else name)
        return self.values[name]

    def _identities(self, line: Line) -> tuple[int, ...]:
        """A number for each array: the same for what is one initialiser of the file, used as it is."""
        keys = [(x.source, id(x.array)) if x.source else object() for x in line.weights]
        return tuple(self.arrays.setdefault(key, len(self.arrays)) for key in keys)


def read_lines(
    lines: Sequence[Line],
    types: Mapping[str, TensorType],
    unnamed: Collection[str] = (),
    given: Iterable[str] = (),
    sizes: Iterable[str] = (),
) -> Reading:
    """The net, or block, of some lines, in which every name is bound once.

    unnamed       names that are forgotten
    given, sizes  names that come from outside: of tensors and of sizes
    """
    reader = _Reader(types, unnamed)
    reader.given(given, sizes)
    for line in lines:
        reader.line(line)
    reader.out.body.results = [value for _, value in reader.out.outputs]
    return reader.out


def branch_by_branch(body: Body) -> list[Item]:
    """The items in another order: all that an operand needs, then all that the next one needs, then what joins them.

    What the branches of a block do then stands together. Nothing that no result needs is left.
    """
    makers = {value: item for item in body.items for value in item.results}
    done: set[Item] = set()
    order: list[Item] = []
    for result in body.results:
        path = [makers[result]] if result in makers else []
        while path:
            item = path[-1]
            waiting = next((makers[v] for v in item.operands if v in makers and makers[v] not in done), None)
            if waiting is not None and item not in done:
                path.append(waiting)
                continue
            path.pop()
            if item not in done:
                done.add(item)
                order.append(item)
    return order
