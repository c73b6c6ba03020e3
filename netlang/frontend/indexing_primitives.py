"""The operations that pick by index or go along an axis, as functions of the language."""

from __future__ import annotations

from netlang.frontend import geometry
from netlang.frontend.arguments import Arguments, element_type, flag, one, whole, word
from netlang.frontend.context import Site
from netlang.frontend.operators import opposite
from netlang.frontend.signature import Signature
from netlang.frontend.values import Primitive
from netlang.ir.graph import Value
from netlang.ir.types import DType
from netlang.ops.scatter import REDUCTIONS


def _gather(site: Site, arguments: Arguments) -> Value:
    x = one(arguments["x"])
    return site.emit("gather", x, one(arguments["indices"]), axis=geometry.axis(arguments["axis"], x.rank))


def _take_along(site: Site, arguments: Arguments) -> Value:
    x = one(arguments["x"])
    return site.emit("take_along", x, one(arguments["indices"]), axis=geometry.axis(arguments["axis"], x.rank))


def _scatter_along(site: Site, arguments: Arguments) -> Value:
    x, reduction = one(arguments["x"]), word(arguments["reduction"], "reduction", REDUCTIONS)
    axis = geometry.axis(arguments["axis"], x.rank)
    return site.emit(
        "scatter_along", x, one(arguments["indices"]), one(arguments["updates"]), axis=axis, reduction=reduction
    )


def _topk(site: Site, arguments: Arguments) -> tuple[Value, ...]:
    """The values and their indices."""
    x, smallest = one(arguments["x"]), flag(arguments["smallest"], "smallest")
    axis = geometry.axis(arguments["axis"], x.rank)
    found = site.node("topk", opposite(site, x) if smallest else x, k=whole(arguments["k"], "k"), axis=axis).results
    return (opposite(site, found[0]), found[1]) if smallest else found


def _cumsum(site: Site, arguments: Arguments) -> Value:
    """From the last to the first where `reverse`; `exclusive`, each without itself: those before, moved on by one."""
    x = one(arguments["x"])
    axis, reverse = geometry.axis(arguments["axis"], x.rank), flag(arguments["reverse"], "reverse")
    summed = site.emit("reverse", x, axes=(axis,)) if reverse else x
    if flag(arguments["exclusive"], "exclusive"):
        summed = _moved_on(site, summed, axis)
    summed = site.emit("cumsum", summed, axis=axis)
    return site.emit("reverse", summed, axes=(axis,)) if reverse else summed


def _moved_on(site: Site, x: Value, axis: int) -> Value:
    """Zero, then all but the last."""
    low = tuple(int(i == axis) for i in range(x.rank))
    padded = site.emit("pad", x, low=low, high=(0,) * x.rank, value=0.0)
    return site.emit("slice", padded, axis=axis, start=0, stop=x.shape[axis], step=1)


def _one_hot(site: Site, arguments: Arguments) -> Value:
    classes, dtype = whole(arguments["classes"], "classes"), element_type(arguments["dtype"])
    return site.emit("one_hot", one(arguments["x"]), classes=classes, dtype=dtype)


def listed() -> list[Primitive]:
    """All of them."""
    return [
        Primitive(Signature.of("gather", "x", "indices", axis=0), 2, _gather),
        Primitive(Signature.of("take_along", "x", "indices", axis=1), 2, _take_along),
        Primitive(Signature.of("scatter_along", "x", "indices", "updates", axis=1, reduction="set"), 3, _scatter_along),
        Primitive(Signature.of("cumsum", "x", axis=1, exclusive=False, reverse=False), 1, _cumsum),
        Primitive(Signature.of("topk", "x", "k", axis=1, smallest=False), 1, _topk),
        Primitive(Signature.of("one_hot", "x", "classes", dtype=DType.F32), 1, _one_hot),
    ]
