"""`(a, b) -> einsum("bij,bjk->bik")`: sums of products by the names of axes, as products of matrices.

Operands are joined one after the other. Of two, the axes that both have and somebody still needs are a batch, those
that both have and nobody needs any more are summed over, and what is left are rows and columns.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from netlang.frontend.arguments import Arguments
from netlang.frontend.context import Site
from netlang.frontend.faults import Fault
from netlang.frontend.signature import Signature
from netlang.frontend.values import Primitive, describe
from netlang.ir.dims import Dim, size
from netlang.ir.graph import Value
from netlang.ir.types import DType, shape_text

_EQUATION = re.compile(r"[A-Za-z,.]*(->[A-Za-z.]*)?")


@dataclass(frozen=True)
class _Labelled:
    """A tensor with a name for each axis; those under an ellipsis are called 0, 1, ... from the last on."""

    value: Value
    labels: tuple[str, ...]

    def dim(self, label: str) -> Dim:
        return self.value.shape[self.labels.index(label)]


def _labels(text: str, rank: int, what: str) -> tuple[str, ...]:
    """The names of `rank` axes. Raises Fault where they are not as many."""
    before, dots, after = text.partition("...")
    if "." in before + after:
        raise Fault(f"einsum: '{text}' is not letters with at most one '...'")
    hidden = rank - len(before + after)
    if hidden < 0 or (hidden and not dots):
        raise Fault(f"einsum: '{text}' does not name the axes of {what}, which has {rank}")
    return (*before, *(str(i) for i in reversed(range(hidden))), *after)


def _build(site: Site, arguments: Arguments) -> Value:
    given, equation = arguments[""], arguments["equation"]
    if not isinstance(equation, str) or not _EQUATION.fullmatch(equation.replace(" ", "")):
        raise Fault(f'einsum needs an equation such as "ij,jk->ik", not {describe(equation)}')
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(given):
        raise Fault(f"einsum: '{left}' is for {len(terms)} tensors, got {len(given)}")
    parts = [_Labelled(v, _labels(term, v.rank, shape_text(v.shape))) for term, v in zip(terms, given, strict=True)]
    wanted = _wanted(parts, right) if arrow else _implied(parts)
    parts = [_without_repeats(site, part) for part in parts]
    _check_sizes(parts)
    total = _summed(site, parts[0], {*wanted, *(n for p in parts[1:] for n in p.labels)})
    for place, part in enumerate(parts[1:], 2):
        later = {*wanted, *(n for p in parts[place:] for n in p.labels)}
        total = _joined(site, total, _summed(site, part, later | {*total.labels}), later)
    return _ordered(site, total, wanted)


def _wanted(parts: Sequence[_Labelled], text: str) -> tuple[str, ...]:
    hidden = max((sum(n.isdigit() for n in p.labels) for p in parts), default=0)
    letters = len(text.replace("...", ""))
    found = _labels(text, letters + (hidden if "..." in text else 0), "the result")
    known = {n for p in parts for n in p.labels}
    for name in found:
        if name not in known:
            raise Fault(f"einsum: no tensor has an axis '{name}'")
    if len({*found}) != len(found):
        raise Fault(f"einsum: '{text}' names an axis twice")
    return found


def _implied(parts: Sequence[_Labelled]) -> tuple[str, ...]:
    """Without `->`: what the ellipses stand for, then the axes that are named once, in the order of the alphabet."""
    counted = Counter(n for p in parts for n in p.labels)
    hidden = sorted((n for n in counted if n.isdigit()), key=int, reverse=True)
    return (*hidden, *sorted(n for n, count in counted.items() if count == 1 and not n.isdigit()))


def _without_repeats(site: Site, part: _Labelled) -> _Labelled:
    """Of axes that have the same name, the diagonal."""
    value, labels = part.value, list(part.labels)
    for name in dict.fromkeys(part.labels):
        while labels.count(name) > 1:
            first = labels.index(name)
            second = labels.index(name, first + 1)
            if value.shape[first] != value.shape[second]:
                raise Fault(f"einsum: the axes '{name}' of {shape_text(part.value.shape)} differ in size")
            number = site.emit("iota", size=value.shape[first], dtype=DType.I64)
            on = site.emit("eq", *(_aligned(site, number, value.rank, axis) for axis in (first, second)))
            kept = site.emit("where", on, value, site.scalar(0 if value.dtype.is_int else 0.0, value.dtype))
            value = site.emit("reduce_sum", kept, axes=(second,), keepdims=False)
            del labels[second]
    return _Labelled(value, tuple(labels))


def _aligned(site: Site, vector: Value, rank: int, axis: int) -> Value:
    return site.emit("reshape", vector, shape=tuple(vector.shape[0] if i == axis else 1 for i in range(rank)))


def _check_sizes(parts: Sequence[_Labelled]) -> None:
    """Raise Fault for an axis of several sizes, other than 1, which broadcasts."""
    sizes: dict[str, Dim] = {}
    for part in parts:
        for name in part.labels:
            dim = part.dim(name)
            if sizes.setdefault(name, dim) == 1:
                sizes[name] = dim
            elif dim not in (1, sizes[name]):
                raise Fault(f"einsum: the axis '{name}' has the sizes {sizes[name]} and {dim}")


def _summed(site: Site, part: _Labelled, needed: set[str]) -> _Labelled:
    """Without the axes that nobody needs."""
    axes = tuple(i for i, name in enumerate(part.labels) if name not in needed)
    if not axes:
        return part
    value = site.emit("reduce_sum", part.value, axes=axes, keepdims=False)
    return _Labelled(value, tuple(n for n in part.labels if n in needed))


def _joined(site: Site, a: _Labelled, b: _Labelled, needed: set[str]) -> _Labelled:
    """The product of two, summed over what nobody needs afterwards."""
    a, b = _narrowed(site, a, b), _narrowed(site, b, a)
    shared = [n for n in a.labels if n in b.labels]
    inner = [n for n in shared if n not in needed]
    batch = [n for n in shared if n in needed]
    rows, columns = [n for n in a.labels if n not in shared], [n for n in b.labels if n not in shared]
    labels = (*batch, *rows, *columns)
    if not inner or not a.value.dtype.is_float:
        return _multiplied(site, a, b, (*labels, *inner), len(inner))
    groups = [[a.dim(n) for n in batch], [a.dim(n) for n in rows], [b.dim(n) for n in columns]]
    total = size([a.dim(n) for n in inner])
    left = _reshaped(site, _moved(site, a, (*batch, *rows, *inner)), (*groups[0], size(groups[1]), total))
    right = _reshaped(site, _moved(site, b, (*batch, *inner, *columns)), (*groups[0], total, size(groups[2])))
    product = site.emit("matmul", left, right, transpose_a=False, transpose_b=False)
    return _Labelled(_reshaped(site, product, (*groups[0], *groups[1], *groups[2])), labels)


def _narrowed(site: Site, part: _Labelled, other: _Labelled) -> _Labelled:
    """Without axes of size 1 that the other has: they would broadcast."""
    kept = [i for i, n in enumerate(part.labels) if part.value.shape[i] != 1 or n not in other.labels]
    if len(kept) == len(part.labels):
        return part
    value = _reshaped(site, part.value, tuple(part.value.shape[i] for i in kept))
    return _Labelled(value, tuple(part.labels[i] for i in kept))


def _multiplied(site: Site, a: _Labelled, b: _Labelled, labels: Sequence[str], inner: int) -> _Labelled:
    """Element by element, then summed over the last `inner` axes."""

    def placed(part: _Labelled) -> Value:
        moved = _moved(site, part, [n for n in labels if n in part.labels])
        return _reshaped(site, moved, tuple(part.dim(n) if n in part.labels else 1 for n in labels))

    value = site.emit("mul", placed(a), placed(b))
    outer = len(labels) - inner
    if inner:
        value = site.emit("reduce_sum", value, axes=tuple(range(outer, len(labels))), keepdims=False)
    return _Labelled(value, tuple(labels[:outer]))


def _moved(site: Site, part: _Labelled, labels: Sequence[str]) -> Value:
    order = tuple(part.labels.index(n) for n in labels)
    return part.value if order == tuple(range(len(order))) else site.emit("transpose", part.value, perm=order)


def _reshaped(site: Site, value: Value, shape: tuple[Any, ...]) -> Value:
    return value if value.shape == shape else site.emit("reshape", value, shape=shape)


def _ordered(site: Site, total: _Labelled, wanted: Sequence[str]) -> Value:
    summed = _summed(site, total, {*wanted})
    return _moved(site, summed, wanted)


EINSUM = Primitive(Signature.of("einsum", "equation"), 0, _build)
