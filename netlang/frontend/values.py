"""What an expression can be worth besides numbers, words, lists and tensors: layers, functions, initialisers.

Tensors are `netlang.ir.graph.Value`s, sizes are ints or `netlang.ir.dims.Sym`s, words are strings, element types are
`DType`s; lists and tuples of the language are Python's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from netlang.diagnostics import Span
from netlang.frontend import ast
from netlang.frontend.faults import Fault
from netlang.frontend.signature import Signature
from netlang.ir.dims import Sym
from netlang.ir.graph import Value
from netlang.ir.types import DType

if TYPE_CHECKING:
    from netlang.frontend.context import Site
    from netlang.frontend.scope import Scope


@dataclass(frozen=True)
class Poison:
    """The value of a binding that failed: whatever depends on it is silently given up."""


POISON = Poison()


@dataclass(frozen=True)
class Training:
    """The value of the name `training`, which differs between the two elaborations of a net."""


@dataclass(eq=False)
class Instance:
    """The parameters of one layer and of the layers inside it. `path` is `stage1.conv1`, empty for the net itself.

    owner, inner    the same layer of whichever net it is seen from: the net that it belongs to, or "" for the layers
                    of the file itself, and its path there
    """

    path: str = ""
    owner: str = ""
    inner: str = ""
    params: dict[str, Value] = field(default_factory=dict)
    children: dict[str, Instance] = field(default_factory=dict)

    def join(self, name: str) -> str:
        """The full name of something in this layer."""
        return f"{self.path}.{name}" if self.path else name

    def key(self, name: str) -> tuple[str, str]:
        """What something in this layer is, whichever net it is seen from."""
        return self.owner, f"{self.inner}.{name}" if self.inner else name

    def child(self, name: str) -> Instance:
        """The layer `name` inside this one, made when it is first asked for."""
        if name not in self.children:
            self.children[name] = Instance(self.join(name), *self.key(name))
        return self.children[name]


@dataclass(frozen=True, eq=False)
class BlockFunction:
    """A `block` of a file or of the standard library, or a net of a file as a layer: a function of its inputs."""

    definition: ast.Block | ast.Net
    scope: Scope
    std: bool

    @property
    def name(self) -> str:
        return self.definition.name.text

    @property
    def is_net(self) -> bool:
        return isinstance(self.definition, ast.Net)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of a net's inputs; a block has only parameters."""
        return ast.input_names(self.definition.body) if self.is_net else ()

    @property
    def parameters(self) -> tuple[ast.Parameter, ...]:
        return self.definition.parameters or ()

    @property
    def signature(self) -> Signature:
        given = tuple((p.name.text, p.default is not None) for p in self.parameters)
        return Signature(self.name, (*((name, False) for name in self.inputs), *given))


@dataclass(frozen=True, eq=False)
class Primitive:
    """An operation on tensors. `tensors` of its parameters are tensors (numbers are converted); 0: any number of them.

    build    (site, arguments by name) -> a tensor or a tuple of tensors; with `tensors` 0, the tensors are under `""`
    number   what it does to plain numbers, where that makes sense
    at_once  a call of it applies whatever its first argument is
    owner    the argument, a layer, whose parameters are those of the whole
    """

    signature: Signature
    tensors: int
    build: Callable[[Site, Mapping[str, Any]], Any]
    number: Callable[..., Any] | None = None
    at_once: bool = False
    owner: str = ""

    @property
    def name(self) -> str:
        return self.signature.name


@dataclass(frozen=True, eq=False)
class Builtin:
    """A function carried out at compile time, as soon as it is called."""

    signature: Signature
    call: Callable[[Site, Mapping[str, Any]], Any]

    @property
    def name(self) -> str:
        return self.signature.name


@dataclass(frozen=True)
class Table:
    """What stands under each of some whole numbers or words: `[18: basic, 50: bottleneck]`."""

    entries: Mapping[int | str, Any]


@dataclass(frozen=True)
class Weight:
    """How much a value holds: `leaves` counts what is in its lists and layers, once for every mention of it."""

    leaves: int
    depth: int


_DEEPEST = 60
_LARGEST = 100_000


def weigh(values: Iterable[Any]) -> Weight:
    """The weight of something that holds `values`. Raises Fault where copying or walking it would never end.

    Layers know theirs. Lists are walked, which ends soon because every list was weighed when it was made.
    """
    leaves, depth = 1, 0
    for value in values:
        if isinstance(value, Layer | Composition):
            part = value.weight
        elif isinstance(value, list | tuple):
            part = weigh(value)
        elif isinstance(value, Table):
            part = weigh(value.entries.values())
        else:
            part = Weight(1, 0)
        leaves, depth = leaves + part.leaves, max(depth, part.depth)
    if leaves > _LARGEST:
        raise Fault(f"{leaves} entries are too many: at most {_LARGEST}")
    if depth >= _DEEPEST:
        raise Fault(f"lists and layers are nested more than {_DEEPEST} deep")
    return Weight(leaves, depth + 1)


@dataclass(eq=False)
class Layer:
    """A block or primitive with the arguments that follow its tensors. It owns parameters once it was applied."""

    function: BlockFunction | Primitive
    positional: tuple[Any, ...]
    keyword: Mapping[str, Any]
    span: Span
    instance: Instance | None = None
    weight: Weight = field(init=False)

    def __post_init__(self) -> None:
        self.weight = weigh([*self.positional, *self.keyword.values()])

    @property
    def name(self) -> str:
        return self.function.name


@dataclass(eq=False)
class Composition:
    """Layers one after the other, as one layer. It owns a name only where it is bound to one."""

    parts: tuple[Any, ...]
    span: Span
    instance: Instance | None = None
    weight: Weight = field(init=False)

    def __post_init__(self) -> None:
        self.weight = weigh(self.parts)


@dataclass(frozen=True)
class Initializer:
    """How a parameter begins: `he_normal()`. Resolved with the shape of the parameter."""

    name: str
    arguments: tuple[float, ...] = ()


def is_number(value: Any) -> bool:
    """A plain number; truth values are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_dim(value: Any) -> bool:
    """A whole number or a size known only later."""
    return isinstance(value, Sym) or (isinstance(value, int) and not isinstance(value, bool))


def is_layer(value: Any) -> bool:
    """Something that can stand to the right of `->`."""
    return isinstance(value, Layer | Composition | BlockFunction | Primitive)


def tensors_of(value: Any) -> list[Value] | None:
    """The tensors of a tensor, or of a non-empty tuple or list of nothing but tensors; None for anything else."""
    if isinstance(value, Value):
        return [value]
    if isinstance(value, list | tuple) and value and all(isinstance(v, Value) for v in value):
        return list(value)
    return None


def fresh(value: Any) -> Any:
    """An independent copy of a layer, with new parameters for it and for the layers among its arguments."""
    if isinstance(value, Layer):
        keyword = {k: fresh(v) for k, v in value.keyword.items()}
        return Layer(value.function, tuple([fresh(v) for v in value.positional]), keyword, value.span)
    if isinstance(value, Composition):
        return Composition(tuple([fresh(part) for part in value.parts]), value.span)
    if isinstance(value, list):
        return [fresh(v) for v in value]
    if isinstance(value, Table):
        return Table({key: fresh(v) for key, v in value.entries.items()})
    return value


def describe(value: Any) -> str:
    """What a value is, in words, for messages."""
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return f"the number {value}"
        case Sym():
            return f"the size {value}"
        case str():
            return f"the word {value}"
        case Value():
            return f"the tensor {value.type}"
        case DType():
            return f"the element type {value}"
        case Layer() | BlockFunction() | Primitive():
            return f"the layer '{value.name}'"
        case Composition():
            return "a composition of layers"
        case Builtin():
            return f"the function '{value.name}'"
        case Initializer():
            return f"the initialiser '{value.name}'"
        case list():
            return f"a list of {len(value)}"
        case tuple():
            return f"a tuple of {len(value)}"
        case Table():
            return f"a table of {len(value.entries)}"
        case None:
            return "none"
    return "this"
