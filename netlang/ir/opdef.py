"""What an operation is: one record, in one registry.

Everything the compiler knows about an op stands in its `OpDef`: signature, shape rule, NumPy meaning, gradient, cost,
and the samples its tests are generated from. Only its lowering to machine code lives elsewhere, in the backends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from netlang.ir.dims import Dim, size
from netlang.ir.graph import Attrs, Graph, Node, Value
from netlang.ir.types import DType, TensorType

if TYPE_CHECKING:
    from netlang.ir.build import Builder

Array = NDArray[Any]
Types = Sequence[TensorType]

REQUIRED: Any = object()
"""The default of an attribute that must be given."""


class ShapeError(Exception):
    """An op does not accept these types. The text completes a sentence: `dense expects [N, features], got [...]`."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True)
class Cost:
    """Work of one node: multiply-adds (a multiply and an add count as one) and the bytes it must move at least."""

    madds: Dim = 0
    bytes: Dim = 0


@dataclass(frozen=True)
class Sample:
    """Inputs and attributes to test an op with. Every float input is differentiated unless named in `constant`."""

    inputs: tuple[Array, ...]
    attrs: Mapping[str, Any] = field(default_factory=dict)
    constant: tuple[int, ...] = ()


Infer = Callable[[Types, Attrs], Sequence[TensorType]]
Meaning = Callable[[Sequence[Array], Attrs, Types], Sequence[Array]]
Gradient = Callable[["Builder", Node, Sequence[Value | None]], Sequence[Value | None]]
CostRule = Callable[[Types, Types, Attrs], Dim]
Samples = Callable[[np.random.Generator], Iterable[Sample]]
RunBody = Callable[[Sequence[Array]], Sequence[Array]]
"""Carries a body out once: from the arrays of its inputs to those of its outputs."""


@dataclass(frozen=True)
class BodyRules:
    """What an op does with the body that its nodes have.

    infer     (input types, attrs, body) -> result types; raises ShapeError where the body does not fit
    meaning   (a way to run the body, input arrays, attrs, result types with concrete shapes) -> result arrays
    steps     (attrs) -> how often the body is carried out
    """

    infer: Callable[[Types, Attrs, Graph], Sequence[TensorType]]
    meaning: Callable[[RunBody, Sequence[Array], Attrs, Types], Sequence[Array]]
    steps: Callable[[Attrs], Dim]


@dataclass(frozen=True)
class OpDef:
    """The record of one op.

    infer     (input types, attrs) -> result types; raises ShapeError
    meaning   (input arrays, attrs, result types with concrete shapes) -> result arrays, in NumPy
    gradient  (builder, node, gradients of the results or None) -> gradients of the inputs or None; emits ordinary
              nodes. None: not differentiable, the gradient stops here.
    madds     (input types, result types, attrs) -> multiply-adds
    samples   (generator) -> inputs for the generated tests: small, away from kinks, float inputs in float64
    traits    what passes may rely on: `elementwise` (broadcasts, result i depends on inputs i), `commutative`,
              `reduction`, `movement` (copies elements, computes nothing), `random`, `leaf`, `monotone`
    body      for ops whose nodes have a body: what is done with it. It takes the place of infer and meaning.
    """

    name: str
    summary: str
    infer: Infer
    meaning: Meaning
    gradient: Gradient | None = None
    madds: CostRule = lambda ins, outs, attrs: 0
    samples: Samples | None = None
    attrs: Mapping[str, Any] = field(default_factory=dict)
    arity: tuple[int, int | None] = (1, 1)
    traits: frozenset[str] = frozenset()
    body: BodyRules | None = None

    def types(self, inputs: Types, attrs: Attrs, body: Graph | None) -> tuple[TensorType, ...]:
        """The result types of a node. Raises ShapeError where the op does not accept its inputs or its body."""
        if (body is None) != (self.body is None):
            raise ShapeError(f"{self.name} {'needs a' if self.body else 'has no'} body")
        if body is None or self.body is None:
            return tuple(self.infer(inputs, attrs))
        return tuple(self.body.infer(inputs, attrs, body))

    def complete(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """`given` with the defaults filled in. Raises ShapeError for an unknown or missing attribute."""
        for key in given:
            if key not in self.attrs:
                raise ShapeError(f"{self.name} has no attribute '{key}'")
        full = {**self.attrs, **given}
        for key, value in full.items():
            if value is REQUIRED:
                raise ShapeError(f"{self.name} needs the attribute '{key}'")
        return full

    def check_arity(self, count: int) -> None:
        low, high = self.arity
        if count < low or (high is not None and count > high):
            wanted = str(low) if low == high else f"{low} or more" if high is None else f"{low} to {high}"
            raise ShapeError(f"{self.name} takes {wanted} tensors, got {count}")

    def cost(self, inputs: Types, outputs: Types, attrs: Attrs) -> Cost:
        """Multiply-adds and least traffic of a node with these types."""
        moved: Dim = 0
        for t in (*inputs, *outputs):
            moved = moved + t.bytes
        return Cost(self.madds(inputs, outputs, attrs), moved)


_REGISTRY: dict[str, OpDef] = {}


def define(record: OpDef) -> OpDef:
    """Put a record into the registry. A name can be taken once."""
    if record.name in _REGISTRY:
        raise ValueError(f"op {record.name} is defined twice")
    _REGISTRY[record.name] = record
    return record


def opdef(name: str) -> OpDef:
    """The record of an op. Raises KeyError for an unknown one."""
    return _REGISTRY[name]


def is_registered(name: str) -> bool:
    """Whether there is an op of this name."""
    return name in _REGISTRY


def registered() -> dict[str, OpDef]:
    """All records by name, sorted."""
    return {k: _REGISTRY[k] for k in sorted(_REGISTRY)}


def broadcast_shapes(shapes: Sequence[tuple[Dim, ...]], what: str) -> tuple[Dim, ...]:
    """NumPy's broadcasting rule over symbolic shapes: dims are equal, or one of them is 1."""
    rank = max(map(len, shapes))
    out: list[Dim] = []
    for axis in range(rank):
        found: Dim = 1
        for shape in shapes:
            place = axis - rank + len(shape)
            dim = shape[place] if place >= 0 else 1
            if dim == 1 or dim == found:
                continue
            if found != 1:
                text = " and ".join("[" + ", ".join(map(str, s)) + "]" for s in shapes)
                hint = maps_hint(shapes[0], shapes[-1])
                raise ShapeError(f"{what} cannot combine {text}: {found} and {dim} differ", hint)
            found = dim
        out.append(found)
    return tuple(out)


def maps_hint(a: Sequence[Dim], b: Sequence[Dim], but: int | None = None) -> str:
    """What usually makes two maps [N, channels, ...spatial] equal that should be, except along axis `but`."""
    if len(a) != len(b) or len(a) < 3:
        return ""
    differing = [axis for axis, (x, y) in enumerate(zip(a, b, strict=True)) if x != y and axis != but]
    if min(differing, default=0) >= 2:
        return "both ways need the same strides, and pad = same where a kernel is larger than 1"
    if differing == [1] and isinstance(a[1], int) and isinstance(b[1], int):
        fewer, more = sorted((a[1], b[1]))
        return f"conv({more}, 1) makes {more} channels of {fewer}"
    return ""


def float_only(name: str, types: Types) -> None:
    """Raise ShapeError unless all types are floats of one kind."""
    for t in types:
        if not t.dtype.is_float:
            raise ShapeError(f"{name} needs floating-point tensors, got {t.dtype}")
    same_dtype(name, types)


def same_dtype(name: str, types: Types) -> DType:
    """The one element type of all `types`; ShapeError where they differ."""
    for t in types[1:]:
        if t.dtype != types[0].dtype:
            raise ShapeError(
                f"{name} needs tensors of one element type, got {types[0].dtype} and {t.dtype}",
                hint=f"convert one with cast(x, {types[0].dtype})",
            )
    return types[0].dtype


def elements(types: Types) -> Dim:
    """Number of elements of the first type: the cost of one operation per element."""
    return size(types[0].shape)
