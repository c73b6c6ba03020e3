"""The two large families of records, made from a formula each: elementwise ops of one tensor and of two."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from netlang.ir.dims import Dim
from netlang.ir.graph import Attrs, Node, Value
from netlang.ir.opdef import (
    Array,
    Gradient,
    OpDef,
    Sample,
    Types,
    broadcast_shapes,
    define,
    elements,
    float_only,
    same_dtype,
)
from netlang.ir.types import DType, TensorType
from netlang.ops.numeric import computed, numbers_only
from netlang.ops.sampling import PAIRS, SHAPES, normal

if TYPE_CHECKING:
    from netlang.ir.build import Builder

UnaryRule = Callable[["Builder", Node, Value], Value]
"""(builder, node, gradient of the result) -> gradient of the input."""
BinaryRule = Callable[["Builder", Node, Value], tuple[Value | None, Value | None]]
"""(builder, node, gradient of the result) -> gradients of the two inputs, still in the shape of the result."""
Draw = Callable[[np.random.Generator, tuple[int, ...]], Array]
Check = Callable[[str, Types], object]


def per_element(ins: Types, outs: Types, attrs: Attrs) -> Dim:
    """Cost rule: one multiply-add per element of the result."""
    return elements(outs)


def unary(
    name: str,
    summary: str,
    function: Callable[..., Any],
    rule: UnaryRule | None,
    *,
    attrs: Mapping[str, Any] | None = None,
    check: Check = float_only,
    draw: Draw = normal,
    variants: Sequence[Mapping[str, Any]] = ({},),
    traits: Iterable[str] = (),
) -> OpDef:
    """Define an elementwise op of one tensor; `function(x, **attrs)` is its meaning, `rule` its gradient.

    `variants` are the attributes of the samples, `draw` makes their inputs.
    """

    def infer(types: Types, attrs: Attrs) -> Sequence[TensorType]:
        check(name, types)
        return (types[0],)

    def samples(rng: np.random.Generator) -> Iterable[Sample]:
        for chosen in variants:
            for shape in SHAPES:
                yield Sample((draw(rng, shape),), chosen)

    return define(
        OpDef(
            name,
            summary,
            infer,
            computed(function),
            gradient=unary_gradient(rule) if rule else None,
            madds=per_element,
            samples=samples,
            attrs=attrs or {},
            traits=frozenset({"elementwise", *traits}),
        )
    )


def unary_gradient(rule: UnaryRule) -> Gradient:
    """The gradient of an op with one input and one result, from its rule."""

    def gradient(b: Builder, node: Node, grads: Sequence[Value | None]) -> Sequence[Value | None]:
        return (None if grads[0] is None else rule(b, node, grads[0]),)

    return gradient


def binary(
    name: str,
    summary: str,
    function: Callable[..., Any],
    rule: BinaryRule | None,
    *,
    result: DType | None = None,
    check: Check = numbers_only,
    draw: tuple[Draw, Draw] = (normal, normal),
    traits: Iterable[str] = (),
) -> OpDef:
    """Define an elementwise op of two tensors of one element type, with NumPy's broadcasting.

    The result has the inputs' element type unless `result` names another.
    """

    def infer(types: Types, attrs: Attrs) -> Sequence[TensorType]:
        check(name, types)
        dtype = same_dtype(name, types)
        return (broadcast_type(name, types, result or dtype),)

    def samples(rng: np.random.Generator) -> Iterable[Sample]:
        for left, right in PAIRS:
            yield Sample((draw[0](rng, left), draw[1](rng, right)))

    return define(
        OpDef(
            name,
            summary,
            infer,
            computed(function),
            gradient=binary_gradient(rule) if rule else None,
            madds=per_element,
            samples=samples,
            arity=(2, 2),
            traits=frozenset({"elementwise", *traits}),
        )
    )


def binary_gradient(rule: BinaryRule) -> Gradient:
    """The gradient of a broadcasting op of two inputs: its rule, then broadcasting undone."""

    def gradient(b: Builder, node: Node, grads: Sequence[Value | None]) -> Sequence[Value | None]:
        if grads[0] is None:
            return (None, None)
        both = zip(rule(b, node, grads[0]), node.inputs, strict=True)
        return tuple(None if g is None else b.sum_to(g, v.shape) for g, v in both)

    return gradient


def broadcast_type(name: str, types: Types, dtype: DType) -> TensorType:
    """The type of an elementwise result; it keeps the layout of the input that has the full shape."""
    shape = broadcast_shapes([t.shape for t in types], name)
    layout = next((t.layout for t in types if t.layout and t.shape == shape), "")
    return TensorType(dtype, shape, layout)
