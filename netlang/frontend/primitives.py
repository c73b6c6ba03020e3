"""The operations of the registry as functions of the language: names, parameters, defaults.

Elementwise ops are there under their own names without being listed. The others are listed because the language takes
their attributes in a more comfortable form than the records do (`netlang.frontend.geometry`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import netlang.ops  # noqa: F401  # fills the registry
from netlang.frontend import geometry, indexing_primitives, padding, resizing, window_primitives
from netlang.frontend.arguments import Arguments, element_type, flag, one, positive, whole
from netlang.frontend.context import Site
from netlang.frontend.draws import random_primitives
from netlang.frontend.einsum import EINSUM
from netlang.frontend.faults import Fault
from netlang.frontend.limits import check_number
from netlang.frontend.operators import as_tensor, opposite
from netlang.frontend.signature import Signature
from netlang.frontend.values import Primitive, describe
from netlang.ir.graph import Value
from netlang.ir.opdef import REQUIRED, OpDef, registered
from netlang.ir.types import DType

_TENSORS = {
    1: ("x",), 2: ("a", "b"), 3: ("condition", "a", "b"),
}  # fmt: skip
_NAMED_TENSORS = {
    "prelu": ("x", "slope"),
}
_WORDS = frozenset({"and", "or", "not", "max", "min", "cast"})  # keywords, and what has a richer form below


def tensors(site: Site, values: Sequence[Any]) -> list[Value]:
    """Tensors as they are, numbers as scalars of the element type of the tensors beside them."""
    given = [v for v in values if isinstance(v, Value)]
    if not given:
        raise Fault(f"expected a tensor, got {describe(values[0])}")
    like = next((v for v in given if v.dtype is not DType.BOOL), given[0])
    return [as_tensor(site, v, like.dtype) for v in values]


def _elementwise(record: OpDef) -> Primitive:
    names = _NAMED_TENSORS.get(record.name, _TENSORS[record.arity[0]])
    required = tuple(k for k, v in record.attrs.items() if v is REQUIRED)
    optional = {k: v for k, v in record.attrs.items() if v is not REQUIRED}

    def build(site: Site, arguments: Arguments) -> Value:
        attrs = {k: _attribute(record.name, k, arguments[k], optional.get(k)) for k in record.attrs}
        return site.emit(record.name, *tensors(site, [arguments[n] for n in names]), **attrs)

    signature = Signature.of(record.name, *names, *required, **optional)
    return Primitive(signature, len(names), build, _NUMBERS.get(record.name))


def _attribute(name: str, key: str, value: Any, default: Any) -> Any:
    """An attribute of an elementwise op: a number where the default is one, true or false where that is."""
    if isinstance(default, bool) != isinstance(value, bool) or not isinstance(value, bool | int | float):
        raise Fault(f"{name}: '{key}' cannot be {describe(value)}")
    return value if isinstance(value, bool) else float(value)


# ---- on plain numbers


def _on_number(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    def apply(*values: Any) -> Any:
        try:
            return check_number(function(*values))
        except (ValueError, OverflowError):
            raise Fault(f"{name} has no value at {', '.join(map(str, values))}") from None
        except TypeError:
            raise Fault(f"{name} does not take {len(values)} numbers") from None

    return apply


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "exp": math.exp, "log": math.log, "sqrt": math.sqrt, "abs": abs, "floor": math.floor, "max": max, "min": min,
    "ceil": math.ceil, "round": round, "sin": math.sin, "cos": math.cos,
}  # fmt: skip
_NUMBERS = {name: _on_number(function, name) for name, function in _FUNCTIONS.items()}


# ---- reductions


def _reduction(name: str, op: str) -> Primitive:
    def build(site: Site, arguments: Arguments) -> Value:
        x = one(arguments["x"])
        found = geometry.axes(arguments["axis"], x.rank)
        return site.emit(op, x, axes=found, keepdims=flag(arguments["keepdims"], "keepdims"))

    return Primitive(Signature.of(name, "x", axis=None, keepdims=False), 1, build)


def _extreme(name: str) -> Primitive:
    """`max(a, b)` of two tensors, elementwise; `max(x, axis = 1)` of one, over axes."""

    def build(site: Site, arguments: Arguments) -> Value:
        if arguments["other"] is not None:
            if arguments["axis"] is not None:
                raise Fault(f"{name} compares two tensors or reduces one over an axis, not both")
            return site.emit(name, *tensors(site, [arguments["x"], arguments["other"]]))
        x = one(arguments["x"])
        found = geometry.axes(arguments["axis"], x.rank)
        return site.emit(f"reduce_{name}", x, axes=found, keepdims=flag(arguments["keepdims"], "keepdims"))

    return Primitive(Signature.of(name, "x", other=None, axis=None, keepdims=False), 2, build, _NUMBERS[name])


def _best(name: str) -> Primitive:
    """argmax, or argmin: that of the numbers in the opposite order."""

    def build(site: Site, arguments: Arguments) -> Value:
        x = one(arguments["x"])
        found, keepdims = geometry.axis(arguments["axis"], x.rank), flag(arguments["keepdims"], "keepdims")
        given = x if name == "argmax" else opposite(site, x)
        if not flag(arguments["last"], "last"):
            return site.emit("argmax", given, axis=found, keepdims=keepdims)
        turned = site.emit("reverse", given, axes=(found,))
        before = site.scalar(x.shape[found] - 1, DType.I64)
        return site.emit("sub", before, site.emit("argmax", turned, axis=found, keepdims=keepdims))

    return Primitive(Signature.of(name, "x", axis=1, keepdims=False, last=False), 1, build)


def _along(op: str) -> Callable[[Site, Arguments], Value]:
    def build(site: Site, arguments: Arguments) -> Value:
        x = one(arguments["x"])
        return site.emit(op, x, axis=geometry.axis(arguments["axis"], x.rank))

    return build


# ---- movement


def _reshape(site: Site, arguments: Arguments) -> Value:
    x = one(arguments["x"])
    return site.emit("reshape", x, shape=geometry.completed(geometry.dims(arguments["shape"]), x.shape))


def _broadcast(site: Site, arguments: Arguments) -> Value:
    return site.emit("broadcast", one(arguments["x"]), shape=geometry.dims(arguments["shape"]))


def _transpose(site: Site, arguments: Arguments) -> Value:
    x, given = one(arguments["x"]), arguments["axes"]
    order = list(reversed(range(x.rank))) if given is None else given
    if not isinstance(order, list) or len(order) != x.rank:
        raise Fault(f"transpose needs a list of all {x.rank} axes in their new order")
    return site.emit("transpose", x, perm=tuple([geometry.axis(v, x.rank) for v in order]))


def _concat(site: Site, arguments: Arguments) -> Value:
    given: list[Value] = arguments[""]
    if not given:
        raise Fault("concat needs tensors to join")
    return site.emit("concat", *given, axis=geometry.axis(arguments["axis"], given[0].rank))


def _slice(site: Site, arguments: Arguments) -> Value:
    x = one(arguments["x"])
    along = geometry.axis(arguments["axis"], x.rank)
    start, stop = geometry.bounds(arguments["start"], arguments["stop"], x.shape[along])
    return site.emit("slice", x, axis=along, start=start, stop=stop, step=whole(arguments["step"], "step"))


def _reverse(site: Site, arguments: Arguments) -> Value:
    x = one(arguments["x"])
    return site.emit("reverse", x, axes=geometry.axes(arguments["axis"], x.rank))


def _cast(site: Site, arguments: Arguments) -> Value:
    x, dtype = one(arguments["x"]), element_type(arguments["dtype"])
    return x if x.dtype is dtype else site.emit("cast", x, dtype=dtype)


# ---- the rest


def _matmul(site: Site, arguments: Arguments) -> Value:
    flags = {key: flag(arguments[key], key) for key in ("transpose_a", "transpose_b")}
    return site.emit("matmul", one(arguments["a"]), one(arguments["b"]), **flags)


def _batchnorm(site: Site, arguments: Arguments) -> Value:
    given = [one(arguments[n]) for n in ("x", "gamma", "beta", "mean", "var")]
    return site.emit("batchnorm", *given, eps=positive(arguments["eps"], "eps"))


def _batchnorm_train(site: Site, arguments: Arguments) -> tuple[Value, ...]:
    given = [one(arguments[n]) for n in ("x", "gamma", "beta")]
    return site.node("batchnorm_train", *given, eps=positive(arguments["eps"], "eps")).results


def _cross_entropy(site: Site, arguments: Arguments) -> Value:
    return site.emit("cross_entropy", one(arguments["logits"]), one(arguments["target"]))


def _listed() -> list[Primitive]:
    return [
        _reduction("sum", "reduce_sum"),
        _reduction("mean", "reduce_mean"),
        _extreme("max"),
        _extreme("min"),
        _best("argmax"),
        _best("argmin"),
        Primitive(Signature.of("softmax", "x", axis=1), 1, _along("softmax")),
        Primitive(Signature.of("log_softmax", "x", axis=1), 1, _along("log_softmax")),
        Primitive(Signature.of("reshape", "x", "shape"), 1, _reshape),
        Primitive(Signature.of("broadcast", "x", "shape"), 1, _broadcast),
        Primitive(Signature.of("transpose", "x", axes=None), 1, _transpose),
        Primitive(Signature.of("concat", axis=1), 0, _concat),
        Primitive(Signature.of("slice", "x", "axis", start=None, stop=None, step=1), 1, _slice),
        Primitive(Signature.of("reverse", "x", "axis"), 1, _reverse),
        Primitive(Signature.of("cast", "x", "dtype"), 1, _cast),
        Primitive(Signature.of("matmul", "a", "b", transpose_a=False, transpose_b=False), 2, _matmul),
        Primitive(Signature.of("batchnorm_inference", "x", "gamma", "beta", "mean", "var", eps=1e-5), 5, _batchnorm),
        Primitive(Signature.of("batchnorm_train", "x", "gamma", "beta", eps=1e-5), 3, _batchnorm_train),
        Primitive(Signature.of("softmax_cross_entropy", "logits", "target"), 2, _cross_entropy),
        *padding.listed(),
        *resizing.listed(),
        EINSUM,
        *window_primitives.listed(),
        *indexing_primitives.listed(),
    ]


def primitives() -> dict[str, Primitive]:
    """All operations of the language by name."""
    found = {p.name: p for p in (*_listed(), *random_primitives())}
    for name, record in registered().items():
        if "elementwise" in record.traits and name not in _WORDS and name not in found:
            found[name] = _elementwise(record)
    return found
