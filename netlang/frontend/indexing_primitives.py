"""The operations that pick by index, as functions of the language."""

from __future__ import annotations

from netlang.frontend import geometry
from netlang.frontend.arguments import Arguments, element_type, one, whole
from netlang.frontend.context import Site
from netlang.frontend.signature import Signature
from netlang.frontend.values import Primitive
from netlang.ir.graph import Value
from netlang.ir.types import DType


def _gather(site: Site, arguments: Arguments) -> Value:
    x = one(arguments["x"])
    return site.emit("gather", x, one(arguments["indices"]), axis=geometry.axis(arguments["axis"], x.rank))


def _take_along(site: Site, arguments: Arguments) -> Value:
    x = one(arguments["x"])
    return site.emit("take_along", x, one(arguments["indices"]), axis=geometry.axis(arguments["axis"], x.rank))


def _topk(site: Site, arguments: Arguments) -> tuple[Value, ...]:
    """The values and their indices."""
    x = one(arguments["x"])
    axis = geometry.axis(arguments["axis"], x.rank)
    return site.node("topk", x, k=whole(arguments["k"], "k"), axis=axis).results


def _one_hot(site: Site, arguments: Arguments) -> Value:
    classes, dtype = whole(arguments["classes"], "classes"), element_type(arguments["dtype"])
    return site.emit("one_hot", one(arguments["x"]), classes=classes, dtype=dtype)


def listed() -> list[Primitive]:
    """All of them."""
    return [
        Primitive(Signature.of("gather", "x", "indices", axis=0), 2, _gather),
        Primitive(Signature.of("take_along", "x", "indices", axis=1), 2, _take_along),
        Primitive(Signature.of("topk", "x", "k", axis=1), 1, _topk),
        Primitive(Signature.of("one_hot", "x", "classes", dtype=DType.F32), 1, _one_hot),
    ]
