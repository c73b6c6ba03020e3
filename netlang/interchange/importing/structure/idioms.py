"""Lines that are written better: what is said twice, and lines that together are one layer of the standard library.

a = x -> global_avgpool(keepdims = true)
b = a -> flatten                              ->   b = x -> global_avgpool

a = x -> slice(1, 0, 4)
b = x -> slice(1, 4, 8)                       ->   a, b = x -> split(2)
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from netlang.interchange.importing import writing as w
from netlang.interchange.importing.structure.constants import Constant
from netlang.interchange.importing.structure.items import Body, Item, Value
from netlang.interchange.importing.structure.templates import template

_POOLS = ("$ -> global_avgpool(keepdims = _)", "$ -> global_maxpool(keepdims = _)")
_FLATTEN = "$ -> flatten(axis = _)"
_PRODUCT, _POWER = " $ * $", " $ ** _"
_SLICE = "$ -> slice(_, _, _)"
_FROM_END = "$ -> from_end(_)"
_DRAWS = ("random_", "bernoulli", "dropout")


def join_idioms(body: Body) -> None:
    """Do all of this to the items of a net, each of which has one case."""
    _join_equal(body)
    _write_squares(body)
    _join_pools(body)
    _join_slices(body)
    _join_from_end(body)


def _join_equal(body: Body) -> None:
    """What does the same with the same values is done once; what draws numbers, or keeps weights, never is the same."""
    first: dict[object, Item] = {}
    same: dict[Value, Value] = {}
    kept: list[Item] = []
    for item in body.items:
        item.operands = tuple(same.get(v, v) for v in item.operands)
        own = item.weighted or item.role or any(word in item.key for word in _DRAWS)
        before = None if own else first.setdefault((item.key, item.operands, tuple(item.holes)), item)
        if before is None or before is item or any(v in body.results for v in item.results):
            kept.append(item)
        else:
            same.update(zip(item.results, before.results, strict=True))
    body.items = kept


def _write_squares(body: Body) -> None:
    """A product of something with itself, which is also what a power of 2.0 is."""
    two = Constant("size", 2)
    read = template(w.infix(w.name("x"), "**", 2), ("x",), ())
    for item in body.items:
        if item.key.endswith(_POWER) and item.holes[0][0] == Constant("float", 2.0):
            item.holes = [(two,)]
        elif item.key.endswith(_PRODUCT) and item.operands[0] is item.operands[1]:
            item.key, item.pattern = f"{item.key.removesuffix(_PRODUCT)} {read.key}", read.expression
            item.operands, item.holes, item.roles, item.words = item.operands[:1], [(two,)], ("",), 1


def _join_pools(body: Body) -> None:
    """A pool of whole maps that keeps their axes, and then flattens them."""
    readers = body.readers()
    makers = {v: i for i in body.items for v in i.results}
    gone: set[Item] = set()
    for item in body.items:
        before = makers.get(item.operands[0]) if item.operands else None
        if before is None or not _is_flattened_pool(before, item) or len(readers[before.results[0]]) > 1:
            continue
        item.key, item.pattern, item.roles = before.key, before.pattern, before.roles
        item.operands, item.holes, item.words = before.operands, [(Constant("truth", False),)], 0
        gone.add(before)
    body.items = [item for item in body.items if item not in gone]


def _is_flattened_pool(pool: Item, flatten: Item) -> bool:
    """Whether the maps that a pool makes of one pixel are made vectors."""
    kept = pool.holes == [(Constant("truth", True),)] and flatten.holes == [(Constant("size", 1),)]
    return kept and pool.key.endswith(_POOLS) and flatten.key.endswith(_FLATTEN)


def _join_slices(body: Body) -> None:
    """Slices that are all the parts of a tensor along an axis, of one size."""
    groups: dict[tuple[Value, object], list[Item]] = defaultdict(list)
    for item in body.items:
        if item.key.endswith(_SLICE):
            groups[item.operands[0], item.holes[0][0].value].append(item)
    joined: dict[Item, Item | None] = {}
    for (whole, axis), slices in groups.items():
        parts = sorted(slices, key=lambda i: str(i.holes[1][0].value).zfill(20))
        if len(parts) > 1 and isinstance(axis, int) and _covers(whole, axis, parts):
            joined.update(dict.fromkeys(slices))
            joined[slices[0]] = _split(slices[0], parts, axis)
    items = [joined.get(item, item) for item in body.items]
    body.items = [item for item in items if item is not None]


def _covers(whole: Value, axis: int, parts: list[Item]) -> bool:
    """Whether parts, in order, are equal shares of all that there is along an axis."""
    type = whole.types[0]
    size = None if type is None or not 0 <= axis < len(type.shape) else type.shape[axis]
    if not isinstance(size, int) or size % len(parts):
        return False
    share = size // len(parts)
    bounds = [(p.holes[1][0].value, p.holes[2][0].value) for p in parts]
    return bounds == [(n * share, (n + 1) * share) for n in range(len(parts))]


def _split(first: Item, parts: list[Item], axis: int) -> Item:
    layer = w.call("split", len(parts), **w.besides({"axis": 1}, axis=axis))
    read = template(w.pipe(w.name("x"), layer), ("x",), ())
    return replace(
        first, key=f"{len(parts)} 0 {read.key}", pattern=read.expression, results=tuple(p.results[0] for p in parts),
        holes=[(h.value,) for h in read.holes], roles=tuple(h.role for h in read.holes), words=read.words,
        names=[tuple(p.names[0][0] for p in parts)],
    )  # fmt: skip


def _join_from_end(body: Body) -> None:
    """Places from the end that were made places from the start already, as an export writes them."""
    makers = {v: i for i in body.items for v in i.results}
    for item in body.items:
        if item.key.endswith(_FROM_END):
            item.operands = (_before_from_end(item.operands[0], item.holes[0][0], makers),)
    body.items = used(body)


def _before_from_end(value: Value, size: Constant, makers: dict[Value, Item]) -> Value:
    """`x`, where the value is `where(x < 0, x + size, x)`; otherwise the value."""
    chosen = makers.get(value)
    if chosen is None or not chosen.key.endswith("where($, $, $)"):
        return value
    below, moved, x = chosen.operands
    asked, added = makers.get(below), makers.get(moved)
    if asked is None or added is None or asked.operands != (x,) or added.operands != (x,):
        return value
    zero = Constant("size", 0)
    same = asked.key.endswith("$ < _") and asked.holes[0][0] == zero and added.holes[0][0] == size
    return x if same and added.key.endswith("$ + _") else value


def used(body: Body) -> list[Item]:
    """The items that a result depends on."""
    needed = set(body.results)
    kept: list[Item] = []
    for item in reversed(body.items):
        if needed.intersection(item.results):
            needed.update(item.operands)
            kept.append(item)
    return kept[::-1]
