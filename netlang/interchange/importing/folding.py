"""Further rules for what is known, as exporters use them on sizes: comparisons, remainders, bounds, other types."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from netlang.interchange.importing.known import Unfoldable, room, rule, together
from netlang.ir.dims import Dim, Sym, evaluate, names
from netlang.runtime.ports import Array


def _least(dim: Dim) -> int:
    """What a size is at least, named sizes being 1 or more. Raises Unfoldable where that is not seen at once."""
    if isinstance(dim, Sym) and any(factor < 0 for monomial, factor in dim.terms if monomial):
        raise Unfoldable
    return evaluate(dim, dict.fromkeys(names(dim), 1))


def _is_less(a: Dim, b: Dim) -> bool:
    """Whether a < b, whatever the named sizes are. Raises Unfoldable where that depends on them."""
    apart = b - a
    if isinstance(apart, int):
        return apart > 0
    try:
        return _least(apart) > 0 or _undecided()
    except Unfoldable:
        return not (_least(-apart) >= 0 or _undecided())


def _undecided() -> bool:
    raise Unfoldable


def _each(function: Callable[..., Any], dtype: Any) -> Callable[[Sequence[Array], Mapping[str, Any]], Array]:
    """A function of two entries, entry by entry."""

    def carried_out(a: Sequence[Array], attributes: Mapping[str, Any]) -> Array:
        together(*a)
        made = np.frompyfunc(function, 2, 1)(*a)
        return np.asarray(made, dtype or _common(*a))

    return carried_out


def _common(*arrays: Array) -> Any:
    return object if any(a.dtype == object for a in arrays) else arrays[0].dtype


rule("Less")(_each(_is_less, bool))
rule("Greater")(_each(lambda a, b: _is_less(b, a), bool))
rule("LessOrEqual")(_each(lambda a, b: not _is_less(b, a), bool))
rule("GreaterOrEqual")(_each(lambda a, b: not _is_less(a, b), bool))
rule("And")(_each(lambda a, b: bool(a and b), bool))
rule("Or")(_each(lambda a, b: bool(a or b), bool))
rule("Xor")(_each(lambda a, b: bool(a) != bool(b), bool))


@rule("Not")
def _not(a: Sequence[Array], attributes: Mapping[str, Any]) -> Array:
    return np.logical_not(a[0])


rule("Max")(_each(lambda a, b: b if _is_less(a, b) else a, None))
rule("Min")(_each(lambda a, b: a if _is_less(a, b) else b, None))


@rule("Mod")
def _mod(a: Sequence[Array], attributes: Mapping[str, Any]) -> Array:
    """With the sign of the divisor; where both are sizes of a kind, `fmod` is the same."""
    together(*a)
    if object not in (a[0].dtype, a[1].dtype):
        return np.fmod(*a) if attributes.get("fmod") else np.mod(*a)
    return np.asarray(np.frompyfunc(_rest, 2, 1)(*a), object)


def _rest(a: Dim, b: Dim) -> Dim:
    if isinstance(b, Sym) or b < 1 or _least(a) < 0:
        raise Unfoldable
    return a % b


@rule("Floor", "Ceil", "Round", "Cast")
def _same(a: Sequence[Array], attributes: Mapping[str, Any]) -> Array:
    """Sizes are whole numbers, whatever their element type is."""
    if a[0].dtype != object:
        raise Unfoldable
    return a[0]


@rule("ScatterElements", "Scatter")
def _scatter(a: Sequence[Array], attributes: Mapping[str, Any]) -> Array:
    """Entries of a shape put in place of others."""
    data, indices, updates = a
    if data.ndim != 1 or attributes.get("reduction", "none") != "none":
        raise Unfoldable
    out = data.astype(_common(data, updates))
    out[indices.astype(np.int64)] = updates
    return out


@rule("Tile")
def _tile(a: Sequence[Array], attributes: Mapping[str, Any]) -> Array:
    times = [int(v) for v in a[1]]
    room(a[0].size * int(np.prod(times, dtype=float)))
    return np.tile(a[0], times)
