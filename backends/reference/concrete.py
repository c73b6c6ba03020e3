"""From symbolic to concrete: sizes taken from the arrays given, attributes and types with numbers for names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netlang.diagnostics import NetError
from netlang.ir.dims import Dim, Sym, evaluate, names
from netlang.ir.graph import Node
from netlang.ir.types import DType, TensorType, shape_text

Retype = Mapping[DType, DType]
"""Element types to compute in instead of the graph's own; empty for none."""


def bind_sizes(given: Iterable[tuple[TensorType, tuple[int, ...]]]) -> dict[str, int]:
    """The size of every named dimension, from (type, actual shape) of the inputs.

    A dim such as `2*N + 1` binds its name too. Raises NetError where shapes do not fit their types or each other.
    """
    pairs = [(dim, actual) for type, shape in given for dim, actual in _zip_dims(type, shape)]
    sizes: dict[str, int] = {}
    for dim, actual in pairs:
        solved = _solve(dim, actual)
        if solved:
            sizes.setdefault(*solved)
    for dim, actual in pairs:
        missing = names(dim) - sizes.keys()
        if missing:
            raise NetError(f"the size of {', '.join(sorted(missing))} does not follow from the inputs")
        if evaluate(dim, sizes) != actual:
            bound = ", ".join(f"{k} = {v}" for k, v in sorted(sizes.items()))
            raise NetError(f"an input has size {actual} where {dim} was expected" + (f" ({bound})" if bound else ""))
    return sizes


def _zip_dims(type: TensorType, shape: tuple[int, ...]) -> Iterable[tuple[Dim, int]]:
    if type.rank != len(shape):
        raise NetError(f"an input has shape {shape_text(shape)} where {type} was expected")
    return zip(type.shape, shape, strict=True)


def _solve(dim: Dim, actual: int) -> tuple[str, int] | None:
    """The name and size that make a dimension `factor * name + rest` equal to `actual`."""
    if not isinstance(dim, Sym) or any(len(m) > 1 or not isinstance(a, str) for m, _ in dim.terms for a in m):
        return None
    found = names(dim)
    if len(found) != 1:
        return None
    (name,) = found
    rest = evaluate(dim, {name: 0})
    factor = evaluate(dim, {name: 1}) - rest
    return name, (actual - rest) // factor


def is_symbolic(node: Node) -> bool:
    """Whether a node's types or attributes depend on sizes."""
    shapes = (d for t in node.types for d in t.shape)
    return any(isinstance(d, Sym) for d in shapes) or any(map(_mentions_sym, node.attrs.values()))


def _mentions_sym(value: Any) -> bool:
    return isinstance(value, Sym) or (isinstance(value, tuple) and any(map(_mentions_sym, value)))


def concrete_types(node: Node, sizes: Mapping[str, int], retype: Retype) -> tuple[TensorType, ...]:
    """The result types of a node with numbers for dims, in plain layout."""
    return tuple(TensorType(retype.get(t.dtype, t.dtype), t.concrete(sizes)) for t in node.types)


def concrete_attrs(attrs: Mapping[str, Any], sizes: Mapping[str, int], retype: Retype) -> dict[str, Any]:
    """Attributes with numbers for dims; element types and constants follow `retype`."""
    return {k: _concrete(v, sizes, retype) for k, v in attrs.items()}


def _concrete(value: Any, sizes: Mapping[str, int], retype: Retype) -> Any:
    if isinstance(value, Sym):
        return evaluate(value, sizes)
    if isinstance(value, tuple):
        return tuple(_concrete(v, sizes, retype) for v in value)
    if isinstance(value, DType):
        return retype.get(value, value)
    if isinstance(value, np.ndarray):
        return in_type(value, retype)
    return value


def in_type(array: NDArray[Any], retype: Retype) -> NDArray[Any]:
    """An array in the element type that `retype` names for its own; the array itself where it names none."""
    own = DType.of(array.dtype)
    return array.astype(retype[own].numpy) if own in retype else array
