"""The syntax tree. Class names are rule names of `grammar/net.lark`; fields are a rule's children, in order.

Every node knows its place. Trees are never changed and never compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from netlang.diagnostics import Span


@dataclass(frozen=True, eq=False, slots=True)
class Node:
    """Anything that was written, and where."""

    span: Span


class Expression(Node):
    """What has a value."""

    __slots__ = ()


class Statement(Node):
    """What stands in a body, one to a line."""

    __slots__ = ()


@dataclass(frozen=True, eq=False, slots=True)
class Word(Node):
    """A single token that matters: a name, an operator."""

    text: str


# ---- expressions


@dataclass(frozen=True, eq=False, slots=True)
class Name(Expression):
    id: Word


@dataclass(frozen=True, eq=False, slots=True)
class Number(Expression):
    literal: Word


@dataclass(frozen=True, eq=False, slots=True)
class String(Expression):
    literal: Word


@dataclass(frozen=True, eq=False, slots=True)
class Truth(Expression):
    literal: Word


@dataclass(frozen=True, eq=False, slots=True)
class List(Expression):
    items: tuple[Expression, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Entry(Node):
    key: Expression
    value: Expression


@dataclass(frozen=True, eq=False, slots=True)
class Table(Expression):
    entries: tuple[Entry, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Tuple(Expression):
    items: tuple[Expression, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Argument(Node):
    name: Word | None
    value: Expression


@dataclass(frozen=True, eq=False, slots=True)
class Call(Expression):
    function: Expression
    arguments: tuple[Argument, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Index(Expression):
    of: Expression
    index: Expression


@dataclass(frozen=True, eq=False, slots=True)
class Slice(Expression):
    of: Expression
    start: Expression | None
    stop: Expression | None


@dataclass(frozen=True, eq=False, slots=True)
class Attribute(Expression):
    of: Expression
    name: Word


@dataclass(frozen=True, eq=False, slots=True)
class Unary(Expression):
    operator: Word
    operand: Expression


@dataclass(frozen=True, eq=False, slots=True)
class Binary(Expression):
    left: Expression
    operator: Word
    right: Expression


@dataclass(frozen=True, eq=False, slots=True)
class Pipe(Expression):
    """`stages[0] -> stages[1] -> ...`"""

    stages: tuple[Expression, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Conditional(Expression):
    """`value if condition else otherwise`"""

    value: Expression
    condition: Expression
    otherwise: Expression


# ---- types


@dataclass(frozen=True, eq=False, slots=True)
class Type(Node):
    """`f32[N, 3]`; without dimensions a scalar."""

    dtype: Expression
    dims: tuple[Expression, ...]


# ---- statements


@dataclass(frozen=True, eq=False, slots=True)
class Input(Statement):
    name: Word
    type: Type


@dataclass(frozen=True, eq=False, slots=True)
class Output(Statement):
    name: Word
    value: Expression | None


@dataclass(frozen=True, eq=False, slots=True)
class Declaration(Statement):
    """A parameter: `role` is `param`, `frozen` or `buffer`."""

    role: Word
    name: Word
    type: Type
    value: Expression | None


@dataclass(frozen=True, eq=False, slots=True)
class Binding(Statement):
    names: tuple[Word, ...]
    type: Type | None
    value: Expression


@dataclass(frozen=True, eq=False, slots=True)
class Update(Statement):
    name: Word
    value: Expression


@dataclass(frozen=True, eq=False, slots=True)
class Return(Statement):
    value: Expression


@dataclass(frozen=True, eq=False, slots=True)
class If(Statement):
    condition: Expression
    body: tuple[Statement, ...]
    otherwise: If | tuple[Statement, ...] | None


@dataclass(frozen=True, eq=False, slots=True)
class For(Statement):
    names: tuple[Word, ...]
    items: Expression
    body: tuple[Statement, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Check(Statement):
    condition: Expression
    message: Word
    hint: Word | None


@dataclass(frozen=True, eq=False, slots=True)
class Target(Statement):
    name: Word
    type: Type


@dataclass(frozen=True, eq=False, slots=True)
class Loss(Statement):
    value: Expression


@dataclass(frozen=True, eq=False, slots=True)
class Metric(Statement):
    name: Word | None
    value: Expression


@dataclass(frozen=True, eq=False, slots=True)
class Optimizer(Statement):
    value: Expression


@dataclass(frozen=True, eq=False, slots=True)
class Epochs(Statement):
    value: Expression


@dataclass(frozen=True, eq=False, slots=True)
class Batch(Statement):
    value: Expression


@dataclass(frozen=True, eq=False, slots=True)
class Clip(Statement):
    value: Expression


@dataclass(frozen=True, eq=False, slots=True)
class Stop(Statement):
    value: Expression


@dataclass(frozen=True, eq=False, slots=True)
class Augment(Statement):
    value: Expression


@dataclass(frozen=True, eq=False, slots=True)
class Pattern(Node):
    """`encoder.*`: names of parameters, `*` standing for anything."""

    pieces: tuple[Word, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Changes(Statement):
    """`update encoder.*, decoder.*` of a `train` section."""

    patterns: tuple[Pattern, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Alternate(Statement):
    turns: tuple[Expression, ...]


# ---- the top of a file


@dataclass(frozen=True, eq=False, slots=True)
class Parameter(Node):
    name: Word
    default: Expression | None


@dataclass(frozen=True, eq=False, slots=True)
class Net(Node):
    name: Word
    parameters: tuple[Parameter, ...] | None
    body: tuple[Statement, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Block(Node):
    name: Word
    parameters: tuple[Parameter, ...]
    body: tuple[Statement, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Train(Node):
    name: Word | None
    net: Word | None
    body: tuple[Statement, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Import(Node):
    path: Word


Item = Net | Block | Train | Import | Binding


@dataclass(frozen=True, eq=False, slots=True)
class File(Node):
    items: tuple[Item, ...]


def input_names(body: tuple[Statement, ...]) -> tuple[str, ...]:
    """The inputs that a body declares, also inside `if` and `for`, each once."""
    found: dict[str, None] = {}
    for statement in body:
        if isinstance(statement, Input):
            found[statement.name.text] = None
        elif isinstance(statement, For):
            found.update(dict.fromkeys(input_names(statement.body)))
        elif isinstance(statement, If):
            rest = statement.otherwise
            otherwise = (rest,) if isinstance(rest, If) else rest or ()
            found.update(dict.fromkeys(input_names((*statement.body, *otherwise))))
    return tuple(found)


SEQUENCES = frozenset({"arguments", "body", "dims", "names", "parameters"})
"""Rules that become plain tuples of their children."""

SPREAD = frozenset({"Alternate", "Changes", "File", "List", "Pattern", "Pipe", "Table", "Tuple"})
"""Classes whose one field takes all children of the rule."""

CLASSES: dict[str, type[Any]] = {
    name: value for name, value in globals().items() if isinstance(value, type) and issubclass(value, Node)
}
