"""The net being written: statements of the language, elaborated as they come.

Every line goes through the frontend at once, in one live elaboration. So the shape rules that hold here are those of
the compiler, and what is written is known to compile.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from netlang.frontend import ast
from netlang.frontend.builtins import library
from netlang.frontend.context import Context
from netlang.frontend.faults import Reporter, Stop
from netlang.frontend.limits import deep_evaluation
from netlang.frontend.scope import Frame, Naming, Scope, Usage
from netlang.frontend.statements import run, run_block
from netlang.frontend.values import BlockFunction, Instance
from netlang.interchange.importing import writing as w
from netlang.interchange.importing.known import Known
from netlang.ir.build import Builder
from netlang.ir.dims import Dim, Shape, Sym, sym
from netlang.ir.graph import Value
from netlang.ir.types import DType, TensorType
from netlang.runtime.ports import Array

_WRITTEN_OUT = 16
"""Elements of constants that stand in the text; larger ones are in the weights file."""
_LONGEST = 64
"""Letters of a name; of a longer one the last, which tell it from its neighbours."""
_KEYWORDS = frozenset({"if", "else", "for", "in", "and", "or", "not", "true", "false"})
"""Words that are no names anywhere."""


class Refused(Exception):
    """A translation cannot be written; the text says why, `hint` what may help."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, eq=False)
class Tensor(w.Written):
    """A tensor of the net: the name that it has in the text, and the node of the graph."""

    name: str
    value: Value

    @property
    def expression(self) -> ast.Expression:  # type: ignore[override]
        return w.name(self.name)

    @property
    def shape(self) -> Shape:
        return self.value.shape

    @property
    def rank(self) -> int:
        return self.value.rank

    @property
    def dtype(self) -> DType:
        return self.value.dtype


@dataclass(frozen=True)
class Weight:
    """An array that a line's layer keeps, and the initialiser that it is ("" for one that was computed)."""

    array: Array
    source: str = ""


@dataclass(frozen=True, eq=False)
class Line:
    """One statement of the net; `weights` are those of the parameters that it creates, in their order."""

    statement: ast.Statement
    weights: tuple[Weight, ...] = ()


@dataclass(eq=False)
class Sheet:
    """A net as it is written, or a block. `lines` are its statements so far, `types` those of the names in it; `short`
    has names in the place of those of the file. `blocks` are those of the file; `outer` is the sheet of what a block
    stands in."""

    net: str
    lines: list[Line] = field(default_factory=list)
    types: dict[str, TensorType] = field(default_factory=dict)
    constants: dict[int, Tensor] = field(default_factory=dict)
    on_line: Callable[[Line], None] | None = None
    short: Mapping[str, str] = field(default_factory=dict)
    blocks: list[ast.Block] = field(default_factory=list)
    outer: Sheet | None = None

    def __post_init__(self) -> None:
        self._reporter = Reporter()
        self._frames = ExitStack()
        self._scope: Scope = Scope(library()) if self.outer is None else self.outer._scope
        self._taken: set[str] = {*self._scope.names(), *_KEYWORDS, *keyword.kwlist}
        self.context = Context(False, self._reporter, Usage(), run_block)
        self._frames.enter_context(self.context.inside(Frame("file", "", self._scope, self.context.naming)))
        frame = Frame("net", self.net, Scope(self._scope), Naming(Instance()))
        self._frames.enter_context(self.context.inside(frame))
        self._counts: dict[str, int] = {}
        self._known: list[Known] = []
        self.unnamed: set[str] = set()
        """Names that say where something is in the file, as `layer1/conv/Conv` does, not what it is."""
        self._weights: dict[Value, Array] = {}
        self._names: dict[Value, str] = {}

    # ---- blocks

    def inner(self, name: str) -> Sheet:
        """A sheet for a block of the same file."""
        return Sheet(name, short=self.short, blocks=self.blocks, outer=self)

    def block_name(self, hint: str) -> str:
        """An identifier for a block, that nothing has here or around."""
        name = self.fresh(hint)
        if self.outer is None:
            return name
        around = self.outer.block_name(name)
        self._taken.add(around)
        return name if around == name else self.block_name(around)

    def declare(self, block: ast.Block) -> None:
        """Add a block to the file; its name must be a `block_name`."""
        self._scope.bind(block.name.text, BlockFunction(block, self._scope, std=False))
        self.blocks.append(block)

    def stand_in(self, hint: str, type: TensorType) -> Tensor:
        """A tensor that this block is given."""
        name = self.fresh(hint)
        self.context.frame.scope.bind(name, Builder().input(name, type))
        return self._bound(name)

    def bind_size(self, name: str) -> None:
        """Let a name be a size that is known only later."""
        self._taken.add(name)
        self.context.frame.scope.bind(name, sym(name))

    def parameter_names(self) -> list[str]:
        """How the parameters so far are called, in the order of the lines."""
        return list(self.context.params)

    # ---- names

    def fresh(self, hint: str) -> str:
        """An identifier like `hint`, or like what is short for it, that nothing else has."""
        plain = identifier(self.short.get(hint, hint))
        found, count = plain, self._counts.get(plain, 1)
        while found in self._taken:
            count += 1
            found = f"{plain}_{count}"
        self._counts[plain] = count
        self._taken.add(found)
        if "/" in hint:
            self.unnamed.add(found)
        return found

    # ---- lines

    def write(self, statement: ast.Statement, weights: Mapping[str, Weight] | None = None) -> None:
        """Add a statement and carry it out. `weights`: of the parameters that it creates, by the last parts of their
        names. Raises Refused with the frontend's own words."""
        before = len(self.context.params)
        with deep_evaluation(), suppress(Stop):  # a limit that was passed is among the errors
            run(self.context, (statement,))
        if self._reporter.errors:
            fault = self._reporter.errors[0]
            self._reporter.clear()
            raise Refused(fault.message, fault.hint)
        created = list(self.context.params.items())[before:]
        line = Line(statement, tuple(_fitting(name, value, weights or {}) for name, value in created))
        self._weights.update((value, weight.array) for (_, value), weight in zip(created, line.weights, strict=True))
        self.lines.append(line)
        if self.on_line is not None:
            self.on_line(line)

    def parameters(self) -> Mapping[Value, Array]:
        """The array of every parameter so far."""
        return self._weights

    def input(self, hint: str, dtype: DType, dims: Sequence[int | str]) -> Tensor:
        """Declare an input; texts among `dims` are names of sizes, the same name the same size."""
        name = self.fresh(hint)
        shape = tuple(w.expression(d) for d in dims)
        self.write(ast.Input(w.SPAN, w.word(name), ast.Type(w.SPAN, w.expression(dtype), shape)))
        return self._bound(name)

    def size_name(self, hint: str) -> str:
        """The identifier of a size."""
        return self.fresh(hint or "N")

    def let(self, value: Any, hint: str, weights: Mapping[str, Weight] | None = None) -> Tensor:
        """`hint = value`: the tensor that an expression makes."""
        name = self.fresh(hint)
        self.write(w.binding([name], value), weights)
        return self._bound(name)

    def several(self, value: Any, hints: Sequence[str], weights: Mapping[str, Weight] | None = None) -> list[Tensor]:
        """`a, b = value`"""
        names = [self.fresh(hint) for hint in hints]
        self.write(w.binding(names, value), weights)
        return [self._bound(name) for name in names]

    def output(self, hint: str, tensor: Tensor) -> str:
        """Declare an output; returns the name that it got."""
        name = self.fresh(hint) if hint != tensor.name else hint
        value = None if name == tensor.name else tensor.expression
        self.write(ast.Output(w.SPAN, w.word(name), value))
        return name

    def parameter(self, hint: str, weight: Weight, trained: bool) -> Tensor:
        """`param` or `frozen`, with its array in the weights file."""
        dtype = dtype_of(weight.array)
        if weight.array.size == 0:
            raise Refused(f"'{hint}' has no elements: {list(weight.array.shape)}")
        type = TensorType(dtype, tuple(weight.array.shape))
        role = "param" if trained and dtype.is_float else "frozen"
        name = self.fresh(hint)
        self.write(
            ast.Declaration(w.SPAN, w.word(role), w.word(name), w.type_of(type), w.call("zeros")), {name: weight}
        )
        return self._bound(name)

    # ---- what is known, as tensors

    def tensor(self, value: Tensor | Known, hint: str = "") -> Tensor:
        """A tensor as it is; what is known becomes a constant or parameter, once."""
        if isinstance(value, Tensor):
            return value
        found = self.constants.get(id(value))
        if found is None:
            found = self.constants[id(value)] = self._materialise(value, hint or value.source or "constant")
            self._known.append(value)  # keeps its id taken
        return found

    def _materialise(self, known: Known, hint: str) -> Tensor:
        array = known.array
        if known.symbolic:
            return self.let(self._sizes(array, known.sizes_in), hint)
        if known.trained and array.ndim > 0 and array.dtype.kind in "fV":
            return self.parameter(hint, Weight(array, known.source), True)
        if array.ndim == 0 and (array.dtype == bool or not np.isnan(np.float64(array[()]))):
            return self.let(w.call("scalar", plain(array[()]), dtype_of(array)), hint)
        if 0 < array.size <= _WRITTEN_OUT and array.dtype != bool and _is_plain(array):
            return self.let(w.call("tensor", _nested(array), **_dtype(dtype_of(array))), hint)
        return self.parameter(hint, Weight(array, known.source), False)

    def _sizes(self, array: Array, dtype: DType) -> ast.Expression:
        """A tensor of sizes that are known only later."""
        if array.ndim == 0:
            return w.call("scalar", array[()], dtype)
        parts = [self.let(w.call("scalar", v, dtype), "size") for v in array.reshape(-1)]
        rows = [self.let(w.call("reshape", p, [1]), "size") for p in parts]
        joined = rows[0] if len(rows) == 1 else self.let(w.pipe(rows, w.call("concat", axis=0)), "sizes")
        return joined.expression if array.ndim == 1 else w.call("reshape", joined, list(array.shape))

    def named(self, value: Value) -> Tensor | None:
        """A value of the graph as the tensor that it is called; None where it has no name."""
        name = self._names.get(value)
        return None if name is None else Tensor(name, value)

    def _bound(self, name: str) -> Tensor:
        entry = self.context.frame.scope.find(name)
        assert entry is not None
        if not isinstance(entry.value, Value):
            raise Refused(f"'{name}' is not a tensor")
        self.types[name] = entry.value.type
        self._names.setdefault(entry.value, name)
        return Tensor(name, entry.value)


def _fitting(name: str, value: Value, weights: Mapping[str, Weight]) -> Weight:
    """The weight of a parameter that was created. Raises Refused where it has another shape."""
    ends = [key for key in weights if name == key or name.endswith("." + key)]
    if not ends:
        raise Refused(f"nothing says what the parameter '{name}' is to be")
    weight = weights[max(ends, key=len)]
    if tuple(weight.array.shape) != value.shape or dtype_of(weight.array) != value.dtype:
        given = f"{dtype_of(weight.array)}{list(weight.array.shape)}"
        raise Refused(f"the weights '{weight.source or name}' are {given}, but must be {value.type}")
    return weight


def element_of(value: Tensor | Known) -> DType:
    """The element type of a value. Raises Refused for one that the language has not."""
    if isinstance(value, Tensor):
        return value.dtype
    return value.sizes_in if value.symbolic else dtype_of(value.array)


def dtype_of(array: Array) -> DType:
    """The element type of an array. Raises Refused for one that the language has not."""
    try:
        return DType.of(array.dtype)
    except KeyError:
        raise Refused(f"elements {array.dtype} are not among those of the language") from None


def identifier(text: str) -> str:
    """A name of the language like a name of a file: `layer1.0/Conv:0` is `layer1_0_Conv_0`."""
    plain = re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_")[-_LONGEST:].lstrip("_") or "x"
    return f"t{plain}" if plain[0].isdigit() else plain


def plain(value: Any) -> Any:
    """A NumPy number as one that can be written; float32 keeps few digits."""
    return bool(value) if isinstance(value, np.bool_) else value


def _is_plain(array: Array) -> bool:
    """Whether all elements can be written as numbers."""
    return bool((np.abs(np.asarray(array, np.float64)) < 2**53).all())


def _nested(array: Array) -> Any:
    return [_nested(part) for part in array] if array.ndim > 1 else [*array]


def _dtype(dtype: DType) -> dict[str, Any]:
    return {} if dtype is DType.F32 else {"dtype": dtype}


def is_size(value: Any) -> bool:
    """Whether an entry of a shape is a size known only later."""
    return isinstance(value, Sym)


def known_shape(shape: Sequence[Dim]) -> tuple[int, ...] | None:
    """A shape as numbers; None where a size is known only later."""
    found = [d for d in shape if isinstance(d, int)]
    return tuple(found) if len(found) == len(shape) else None
