"""Maxima and where they were in the whole tensor: what `maxpool_with_places` makes of switches is ONNX's Indices."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from netlang.frontend import load
from netlang.interchange.exporting.comparison import Comparison, is_hidden
from netlang.interchange.exporting.operators.pools import geometry, is_wide, maximal
from netlang.interchange.exporting.patterns import Match, Patterns, pattern
from netlang.interchange.exporting.record import Place
from netlang.ir.dims import sym
from netlang.ir.graph import Graph, Node
from netlang.ir.types import DType
from netlang.ops.windows import Windows

_BETWEEN = frozenset({"add", "mul", "gather", "cast", "reshape", "iota", "extent", "const", "sub"})
"""The ops between a switch and its place."""


@pattern("max_pool_switch")
def _alone(patterns: Patterns, node: Node) -> Match | None:
    """Switches that nobody reads are not made."""
    switch = node.results[1]
    if patterns.graph.uses.get(switch) or switch in patterns.graph.escaping:
        return None
    return Match(node.inputs, node.results[:1], _maxima, "max_pool")


def _maxima(place: Place) -> str:
    x, given = maximal(place, place.inputs[0], Windows.of("max_pool", place.attrs))
    return place.op("MaxPool", x, **given)


@pattern("max_pool_switch", "add")
def _with_places(patterns: Patterns, node: Node) -> Match | None:
    """Found from either end, since either may be asked for first: the maxima, or the places."""
    if node.op == "add" and (node.out.dtype is not DType.I64 or node.out.rank < 3):
        return None
    pool = node if node.op == "max_pool_switch" else _pool_behind(node)
    if pool is None or not _is_simple(pool):
        return None
    for columns_first in (False, True):
        model = _standard(str(pool.inputs[0].type), _call(pool, columns_first))
        for last in [node] if node.op == "add" else _sums_behind(patterns, pool):
            if _compared(patterns, model, pool, last):
                return _match(pool, last, columns_first)
    return None


def _match(pool: Node, last: Node, columns_first: bool) -> Match:
    makes = (pool.results[0], last.out)
    return Match(pool.inputs, makes, lambda place: _written(place, pool, columns_first), "max_pool")


def _written(place: Place, pool: Node, columns_first: bool) -> list[str]:
    given = geometry(Windows.of("max_pool", pool.attrs), pool)
    return place.ops("MaxPool", *place.inputs, outputs=2, storage_order=1 if columns_first else None, **given)


def _is_simple(pool: Node) -> bool:
    """Whether ONNX counts places in the tensor itself, and its sizes can be written as those of an input."""
    named = all(isinstance(d, int) or (str(d).isidentifier() and d == sym(str(d))) for d in pool.inputs[0].shape)
    return named and not is_wide(geometry(Windows.of("max_pool", pool.attrs), pool))


def _call(pool: Node, columns_first: bool) -> str:
    """The block that makes such a pool."""
    given = {key: _list(pool.attrs[key]) for key in ("kernel", "stride", "pad", "dilation")}
    words = [given.pop("kernel"), *(f"{key} = {text}" for key, text in given.items())]
    flags = {"ceil_mode": pool.attrs["ceil_mode"], "columns_first": columns_first}
    words += [f"{key} = true" for key, yes in flags.items() if yes]
    return f"maxpool_with_places({', '.join(words)})"


def _list(values: object) -> str:
    return "[" + ", ".join(map(_list, values)) + "]" if isinstance(values, tuple) else str(values)


@lru_cache(maxsize=64)
def _standard(type: str, call: str) -> Graph:
    return load(f"net block {{\n  input x: {type}\n  y, places = x -> {call}\n  output y\n  output places\n}}\n").net


def _pool_behind(node: Node) -> Node | None:
    """The pool whose switch a sum goes back to."""
    waiting, seen = [node], {node}
    while waiting:
        for value in waiting.pop().inputs:
            if value.node.op == "max_pool_switch" and value.index == 1:
                return value.node
            if value.node.op in _BETWEEN and value.node not in seen:
                seen.add(value.node)
                waiting.append(value.node)
    return None


def _sums_behind(patterns: Patterns, pool: Node) -> Iterator[Node]:
    """The sums that depend on a pool's switch, of the shape of its maxima."""
    waiting, seen = [pool.results[1]], {pool}
    while waiting:
        for reader in patterns.graph.uses.get(waiting.pop(), ()):
            if reader.op in _BETWEEN and reader not in seen:
                seen.add(reader)
                waiting.append(reader.out)
                if reader.op == "add" and reader.out.shape == pool.out.shape:
                    yield reader


def _compared(patterns: Patterns, model: Graph, pool: Node, last: Node) -> bool:
    """Whether a sum is the places of a pool, and nobody reads its switch, or what is between the two, but them."""
    (_, maxima), (_, places) = model.outputs
    switch = maxima.node.results[1]
    comparison = Comparison((switch,))
    if not comparison.same(places, last.out) or comparison.pairs.get(switch) is not pool.results[1]:
        return False
    inner = comparison.inner
    values = [v for n in inner - {last} for v in n.results]
    return all(is_hidden(patterns, v, inner) for v in (*values, pool.results[1]))
