"""What is known while a network is imported: initialisers, constants, and shapes with sizes that are not.

ONNX writes shapes as computations on tensors: Shape, Gather, Concat, Reshape. Here they are carried out; an entry that
is a size known only later is a polynomial (`netlang.ir.dims`), so that `Reshape(x, [Shape(x)[0], -1])` keeps its batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from netlang.interchange.proto import onnx_package
from netlang.ir.dims import Dim, Sym, exact_quotient
from netlang.ir.types import DType
from netlang.runtime.ports import Array

LARGEST = 1 << 16
"""Elements of what is computed here rather than by the net."""
LARGEST_SYMBOLIC = 1 << 8
"""Likewise where sizes are among them, each of which is as much work as hundreds of numbers."""
LONGEST = 200
"""Letters of a size that is reckoned with, such as `(N-4)//2`."""


@dataclass(frozen=True, eq=False)
class Known:
    """An array whose elements are known; `array` has element type object where some are symbolic sizes.

    sizes_in  the element type that symbolic sizes have in the file
    source    the initialiser that it is, "" for one that was computed or came with a node
    trained   it is an initialiser of the file, so that training may change it
    """

    array: Array
    source: str = ""
    trained: bool = False
    sizes_in: DType = DType.I64

    @property
    def symbolic(self) -> bool:
        return self.array.dtype == object

    @property
    def numpy(self) -> np.dtype[Any]:
        """The element type in the file."""
        return self.sizes_in.numpy if self.symbolic else self.array.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.array.shape)

    def entries(self) -> list[Any]:
        """All elements in order, as Python numbers or sizes."""
        return [v.item() if isinstance(v, np.generic) else v for v in self.array.reshape(-1)]


def sizes(dims: Sequence[Dim]) -> Known:
    """A shape as a tensor of i64."""
    if any(isinstance(d, Sym) for d in dims):
        array = np.empty(len(dims), object)
        array[:] = dims
        return Known(array)
    return Known(np.array(dims, np.int64))


def tidied(array: Array, sizes_in: DType = DType.I64) -> Known:
    """A result; numbers again where no symbolic size is left in it."""
    if array.dtype == object and not any(isinstance(v, Sym) for v in array.reshape(-1)):
        array = array.astype(sizes_in.numpy)
    return Known(array, sizes_in=sizes_in)


class Unfoldable(Exception):
    """What a rule here does not cover: the net has to compute it."""


Rule = Callable[[Sequence[Array], Mapping[str, Any]], Array]
RULES: dict[str, Rule] = {}
"""By operator: the arrays of the inputs and the attributes -> the one result. They work on sizes as on integers."""


_OPTIONAL = frozenset({"Slice", "Squeeze", "ReduceProd", "ReduceSum"})
"""Operators with inputs that may be left out."""


def rule(*operators: str) -> Callable[[Rule], Rule]:
    def register(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(operators, function))
        return function

    return register


def fold(op: str, inputs: Sequence[Known | None], attributes: Mapping[str, Any]) -> Known | None:
    """What an operator makes of known inputs; None where no rule covers it."""
    if op not in RULES or any(k is not None and not _small(k.array) for k in inputs):
        return None
    if op not in _OPTIONAL and None in inputs:
        return None
    symbolic = next((k for k in inputs if k is not None and k.symbolic), None)
    try:
        arrays: list[Any] = [None if k is None else _reckoned(k, symbolic) for k in inputs]
        with np.errstate(all="ignore"):
            made = np.asarray(RULES[op](arrays, attributes))
        result = tidied(made, DType.I64 if symbolic is None else _type(op, symbolic, attributes))
    except (Unfoldable, LookupError, ValueError, TypeError, AttributeError, OverflowError, ZeroDivisionError):
        return None  # a fault of the node, or an input that was left out: the translation says what is wrong
    return result if _small(result.array) else None


def _reckoned(known: Known, symbolic: Known | None) -> Array:
    """An array to reckon with. Floats are reckoned with only beside sizes that are floats, where they are whole."""
    if known.array.dtype.kind in "biuO":
        return known.array
    if symbolic is None or not symbolic.sizes_in.is_float or (known.array != np.floor(known.array)).any():
        raise Unfoldable
    return known.array.astype(np.int64)


def _type(op: str, symbolic: Known, attributes: Mapping[str, Any]) -> DType:
    if op != "Cast":
        return symbolic.sizes_in
    onnx = onnx_package()
    return DType.of(onnx.helper.tensor_dtype_to_np_dtype(attributes["to"]))


def _small(array: Array) -> bool:
    if array.dtype != object:
        return array.size <= LARGEST
    return array.size <= LARGEST_SYMBOLIC and all(len(str(v)) <= LONGEST for v in array.reshape(-1))


def room(count: int) -> None:
    """Raise Unfoldable where a result of so many elements is too large to begin with."""
    if count > LARGEST:
        raise Unfoldable


def together(*arrays: Array) -> None:
    """Likewise for what arrays make element by element."""
    room(math.prod(np.broadcast_shapes(*(a.shape for a in arrays))))


def axis_numbers(arrays: Sequence[Any], attributes: Mapping[str, Any]) -> list[int] | None:
    """The axes of an operator that takes them as an attribute or, since opset 13, as its second input."""
    if len(arrays) > 1 and arrays[1] is not None:
        return [int(v) for v in arrays[1]]
    found = attributes.get("axes")
    return None if found is None else list(found)


@rule("Identity")
def _identity(a: Sequence[Array], attributes: Mapping[str, Any]) -> Array:
    return a[0]


@rule("Gather")
def _gather(a: Sequence[Array], attributes: Mapping[str, Any]) -> Array:
    room(a[0].size * a[1].size)
    return np.take(a[0], a[1].astype(np.int64), axis=attributes.get("axis", 0))


@rule("Concat")
def _concat(a: Sequence[Array], attributes: Mapping[str, Any]) -> Array:
    room(sum(part.size for part in a))
    return np.concatenate(list(a), axis=attributes["axis"])


@rule("Unsqueeze")
def _unsqueeze(a: Sequence[Array], attributes: Mapping[str, Any]) -> Array:
    axes = axis_numbers(a, attributes)
    return np.expand_dims(a[0], tuple(axes or ()))


@rule("Squeeze")
def _squeeze(a: Sequence[Array], attributes: Mapping[str, Any]) -> Array:
    axes = axis_numbers(a, attributes)
    return np.squeeze(a[0], None if axes is None else tuple(axes))


@rule("Reshape")
def _reshape(a: Sequence[Array], attributes: Mapping[str, Any]) -> Array:
    return a[0].reshape([int(v) for v in a[1]])


@rule("Slice")
def _slice(a: Sequence[Array], attributes: Mapping[str, Any]) -> Array:
    starts, ends = (a[1], a[2]) if len(a) > 1 else (attributes["starts"], attributes["ends"])
    axes = a[3] if len(a) > 3 and a[3] is not None else attributes.get("axes", range(len(starts)))
    steps = a[4] if len(a) > 4 and a[4] is not None else [1] * len(starts)
    out = a[0]
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        index: list[Any] = [slice(None)] * out.ndim
        last = None if step < 0 and end < -out.shape[int(axis)] else int(end)
        index[int(axis)] = slice(int(start), last, int(step))
        out = out[tuple(index)]
    return out


@rule("Add")
def _add(a: Sequence[Array], attributes: Mapping[str, Any]) -> Array:
    together(*a)
    return a[0] + a[1]


@rule("Sub")
def _sub(a: Sequence[Array], attributes: Mapping[str, Any]) -> Array:
    together(*a)
    return a[0] - a[1]


@rule("Mul")
def _mul(a: Sequence[Array], attributes: Mapping[str, Any]) -> Array:
    together(*a)
    return a[0] * a[1]


@rule("Neg")
def _neg(a: Sequence[Array], attributes: Mapping[str, Any]) -> Array:
    return -a[0]


@rule("Div")
def _div(a: Sequence[Array], attributes: Mapping[str, Any]) -> Array:
    """Whole numbers are divided towards zero, as ONNX does; sizes are never below zero."""
    together(*a)
    symbolic = object in (a[0].dtype, a[1].dtype)
    return np.asarray(np.frompyfunc(_quotient, 2, 1)(a[0], a[1])) if symbolic else _whole(a[0], a[1])


def _whole(a: Array, b: Array) -> Array:
    return np.asarray(np.abs(a) // np.abs(b) * (np.sign(a) * np.sign(b)), a.dtype)


def _quotient(a: Dim, b: Dim) -> Dim:
    exact = exact_quotient(a, b)
    if exact is not None:
        return exact
    if isinstance(b, Sym) or b < 1:
        raise Unfoldable
    return a // b


@rule("ReduceProd")
def _product(a: Sequence[Array], attributes: Mapping[str, Any]) -> Array:
    return _reduced(_PRODUCT if a[0].dtype == object else np.multiply, a, attributes)


def _times(a: Dim, b: Dim) -> Dim:
    product = a * b
    if isinstance(product, Sym) and len(product.terms) > _MOST_TERMS:
        raise Unfoldable
    return product


_MOST_TERMS = 100
_PRODUCT = np.frompyfunc(_times, 2, 1, identity=1)


@rule("ReduceSum")
def _sum(a: Sequence[Array], attributes: Mapping[str, Any]) -> Array:
    return _reduced(np.add, a, attributes)


def _reduced(function: Any, a: Sequence[Array], attributes: Mapping[str, Any]) -> Array:
    axes = axis_numbers(a, attributes)
    along = None if axes is None else tuple(axes)
    return np.asarray(function.reduce(a[0], along, keepdims=bool(attributes.get("keepdims", 1))), a[0].dtype)


@rule("Equal")
def _equal(a: Sequence[Array], attributes: Mapping[str, Any]) -> Array:
    """Sizes are equal where they are whatever the named sizes are; otherwise -1 and the like are not sizes."""
    together(*a)
    left, right = np.broadcast_arrays(a[0], a[1])
    return np.array([_same(x, y) for x, y in zip(left.reshape(-1), right.reshape(-1), strict=True)]).reshape(left.shape)


def _same(a: Dim, b: Dim) -> bool:
    if isinstance(a, Sym) or isinstance(b, Sym):
        other = b if isinstance(a, Sym) else a
        if not isinstance(other, Sym) and other < 1:
            return False
        if a != b:
            raise Unfoldable
    return bool(a == b)


@rule("Where")
def _where(a: Sequence[Array], attributes: Mapping[str, Any]) -> Array:
    together(*a)
    return np.where(a[0], a[1], a[2])


@rule("Expand")
def _expand(a: Sequence[Array], attributes: Mapping[str, Any]) -> Array:
    shape = np.broadcast_shapes(a[0].shape, tuple(int(v) for v in a[1]))
    room(math.prod(shape))
    return np.broadcast_to(a[0], shape).copy()
