"""The operations of the registry as functions of the language: names, parameters, defaults.

Elementwise ops are there under their own names without being listed. The others are listed because the language takes
their attributes in a more comfortable form than the records do (`netlang.frontend.geometry`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import netlang.ops  # noqa: F401  # fills the registry
from netlang.frontend import geometry
from netlang.frontend.context import Site
from netlang.frontend.draws import random_primitives
from netlang.frontend.faults import Fault
from netlang.frontend.limits import check_number
from netlang.frontend.operators import as_tensor
from netlang.frontend.signature import Signature
from netlang.frontend.values import Primitive, describe
from netlang.ir.graph import Value
from netlang.ir.opdef import REQUIRED, OpDef, registered
from netlang.ir.types import DType, shape_text

Arguments = Mapping[str, Any]

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
}  # fmt: skip
_NUMBERS = {name: _on_number(function, name) for name, function in _FUNCTIONS.items()}


# ---- reductions


def _reduction(name: str, op: str) -> Primitive:
    def build(site: Site, arguments: Arguments) -> Value:
        x = _one(arguments["x"])
        found = geometry.axes(arguments["axis"], x.rank)
        return site.emit(op, x, axes=found, keepdims=_flag(arguments["keepdims"], "keepdims"))

    return Primitive(Signature.of(name, "x", axis=None, keepdims=False), 1, build)


def _extreme(name: str) -> Primitive:
    """`max(a, b)` of two tensors, elementwise; `max(x, axis = 1)` of one, over axes."""

    def build(site: Site, arguments: Arguments) -> Value:
        if arguments["other"] is not None:
            if arguments["axis"] is not None:
                raise Fault(f"{name} compares two tensors or reduces one over an axis, not both")
            return site.emit(name, *tensors(site, [arguments["x"], arguments["other"]]))
        x = _one(arguments["x"])
        found = geometry.axes(arguments["axis"], x.rank)
        return site.emit(f"reduce_{name}", x, axes=found, keepdims=_flag(arguments["keepdims"], "keepdims"))

    return Primitive(Signature.of(name, "x", other=None, axis=None, keepdims=False), 2, build, _NUMBERS[name])


def _argmax(site: Site, arguments: Arguments) -> Value:
    x = _one(arguments["x"])
    found = geometry.axis(arguments["axis"], x.rank)
    return site.emit("argmax", x, axis=found, keepdims=_flag(arguments["keepdims"], "keepdims"))


def _along(op: str) -> Callable[[Site, Arguments], Value]:
    def build(site: Site, arguments: Arguments) -> Value:
        x = _one(arguments["x"])
        return site.emit(op, x, axis=geometry.axis(arguments["axis"], x.rank))

    return build


# ---- windows


def _spatial(x: Value, name: str) -> int:
    if x.rank < 3:
        raise Fault(f"{name} expects [N, channels, ...spatial], got {shape_text(x.shape)}", hint=_SPATIAL_HINT)
    return x.rank - 2


_SPATIAL_HINT = "spatial dimensions come last, channels before them"


def _convolve(site: Site, arguments: Arguments) -> Value:
    x, weight = _one(arguments["x"]), _one(arguments["weight"])
    count = _spatial(x, "conv")
    kernel = [d for d in weight.shape[2:] if isinstance(d, int)]
    if len(kernel) != count:
        raise Fault(f"conv expects weights [out, in, ...kernel] of {x.rank} dimensions, got {shape_text(weight.shape)}")
    dilation = geometry.per_axis(arguments["dilation"], count, "dilation")
    return site.emit(
        "conv",
        x,
        weight,
        stride=geometry.per_axis(arguments["stride"], count, "stride"),
        dilation=dilation,
        pad=geometry.pads(arguments["pad"], kernel, dilation),
        groups=_count(arguments["groups"], "groups"),
        flip=_flag(arguments["flip"], "flip"),
    )


def _pool(op: str, **more: Any) -> Primitive:
    """A pool; `more` are the parameters that not every pool has."""

    def build(site: Site, arguments: Arguments) -> Value:
        x = _one(arguments["x"])
        count = _spatial(x, op.replace("_", ""))
        kernel = geometry.per_axis(arguments["kernel"], count, "kernel")
        dilation = geometry.per_axis(arguments.get("dilation", 1), count, "dilation")
        stride = arguments["kernel"] if arguments["stride"] is None else arguments["stride"]
        attrs: dict[str, Any] = {
            "kernel": kernel,
            "stride": geometry.per_axis(stride, count, "stride"),
            "pad": geometry.pads(arguments["pad"], kernel, dilation),
            "ceil_mode": _flag(arguments["ceil_mode"], "ceil_mode"),
        }
        if "dilation" in more:
            attrs["dilation"] = dilation
        if "count_include_pad" in more:
            attrs["count_include_pad"] = _flag(arguments["count_include_pad"], "count_include_pad")
        return site.emit(op, x, **attrs)

    return Primitive(Signature.of(op, "x", "kernel", stride=None, pad="valid", ceil_mode=False, **more), 1, build)


def _local_response_norm(site: Site, arguments: Arguments) -> Value:
    x = _one(arguments["x"])
    _spatial(x, "local_response_norm")
    numbers = {key: _number(arguments[key], key) for key in ("alpha", "beta", "k")}
    return site.emit("local_response_norm", x, size=_count(arguments["size"], "size"), **numbers)


# ---- movement


def _reshape(site: Site, arguments: Arguments) -> Value:
    x = _one(arguments["x"])
    return site.emit("reshape", x, shape=geometry.completed(geometry.dims(arguments["shape"]), x.shape))


def _broadcast(site: Site, arguments: Arguments) -> Value:
    return site.emit("broadcast", _one(arguments["x"]), shape=geometry.dims(arguments["shape"]))


def _transpose(site: Site, arguments: Arguments) -> Value:
    x, given = _one(arguments["x"]), arguments["axes"]
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
    x = _one(arguments["x"])
    along = geometry.axis(arguments["axis"], x.rank)
    start, stop = geometry.bounds(arguments["start"], arguments["stop"], x.shape[along])
    return site.emit("slice", x, axis=along, start=start, stop=stop, step=_count(arguments["step"], "step"))


def _pad(site: Site, arguments: Arguments) -> Value:
    """Pads the spatial axes, or those named by `axes`."""
    x, named = _one(arguments["x"]), arguments["axes"]
    chosen = tuple(range(2, x.rank)) if named is None else geometry.axes(named, x.rank)
    if not chosen:
        raise Fault(f"pad: {shape_text(x.shape)} has no spatial dimensions", hint="name the axes: pad(..., axes = [1])")
    given = dict(zip(chosen, geometry.sides(arguments["amount"], len(chosen), "pad"), strict=True))
    pairs = [given.get(i, (0, 0)) for i in range(x.rank)]
    value = arguments["value"]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Fault(f"pad: 'value' must be a number, not {describe(value)}")
    return site.emit("pad", x, low=tuple(p[0] for p in pairs), high=tuple(p[1] for p in pairs), value=float(value))


def _reverse(site: Site, arguments: Arguments) -> Value:
    x = _one(arguments["x"])
    return site.emit("reverse", x, axes=geometry.axes(arguments["axis"], x.rank))


def _gather(site: Site, arguments: Arguments) -> Value:
    x = _one(arguments["x"])
    return site.emit("gather", x, _one(arguments["indices"]), axis=geometry.axis(arguments["axis"], x.rank))


def _one_hot(site: Site, arguments: Arguments) -> Value:
    classes, dtype = _count(arguments["classes"], "classes"), _dtype(arguments["dtype"])
    return site.emit("one_hot", _one(arguments["x"]), classes=classes, dtype=dtype)


def _cast(site: Site, arguments: Arguments) -> Value:
    x, dtype = _one(arguments["x"]), _dtype(arguments["dtype"])
    return x if x.dtype is dtype else site.emit("cast", x, dtype=dtype)


# ---- the rest


def _matmul(site: Site, arguments: Arguments) -> Value:
    flags = {key: _flag(arguments[key], key) for key in ("transpose_a", "transpose_b")}
    return site.emit("matmul", _one(arguments["a"]), _one(arguments["b"]), **flags)


def _batchnorm(site: Site, arguments: Arguments) -> Value:
    given = [_one(arguments[n]) for n in ("x", "gamma", "beta", "mean", "var")]
    return site.emit("batchnorm", *given, eps=_positive(arguments["eps"], "eps"))


def _batchnorm_train(site: Site, arguments: Arguments) -> tuple[Value, ...]:
    given = [_one(arguments[n]) for n in ("x", "gamma", "beta")]
    return site.node("batchnorm_train", *given, eps=_positive(arguments["eps"], "eps")).results


def _cross_entropy(site: Site, arguments: Arguments) -> Value:
    return site.emit("cross_entropy", _one(arguments["logits"]), _one(arguments["target"]))


# ---- arguments


def _one(value: Any) -> Value:
    if not isinstance(value, Value):
        raise Fault(f"expected a tensor, got {describe(value)}")
    return value


def _flag(value: Any, what: str) -> bool:
    if not isinstance(value, bool):
        raise Fault(f"{what} is true or false, not {describe(value)}")
    return value


def _count(value: Any, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise Fault(f"{what} must be a whole number, not {describe(value)}")
    if value < 1:
        raise Fault(f"{what} must be at least 1, got {value}")
    return value


def _positive(value: Any, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        raise Fault(f"{what} must be a positive number, not {describe(value)}")
    return float(value)


def _number(value: Any, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise Fault(f"{what} must be a number of at least 0, not {describe(value)}")
    return float(value)


def _dtype(value: Any) -> DType:
    if not isinstance(value, DType):
        raise Fault(f"expected an element type such as f32, got {describe(value)}")
    return value


_CONVOLVE = Signature.of("convolve", "x", "weight", stride=1, pad="valid", dilation=1, groups=1, flip=False)


def _listed() -> list[Primitive]:
    return [
        _reduction("sum", "reduce_sum"),
        _reduction("mean", "reduce_mean"),
        _extreme("max"),
        _extreme("min"),
        Primitive(Signature.of("argmax", "x", axis=1, keepdims=False), 1, _argmax),
        Primitive(Signature.of("softmax", "x", axis=1), 1, _along("softmax")),
        Primitive(Signature.of("log_softmax", "x", axis=1), 1, _along("log_softmax")),
        Primitive(_CONVOLVE, 2, _convolve),
        _pool("max_pool", dilation=1),
        _pool("avg_pool", count_include_pad=True),
        _pool("sum_pool"),
        _pool("l2_pool"),
        Primitive(
            Signature.of("local_response_norm", "x", "size", alpha=1e-4, beta=0.75, k=1.0), 1, _local_response_norm
        ),
        Primitive(Signature.of("reshape", "x", "shape"), 1, _reshape),
        Primitive(Signature.of("broadcast", "x", "shape"), 1, _broadcast),
        Primitive(Signature.of("transpose", "x", axes=None), 1, _transpose),
        Primitive(Signature.of("concat", axis=1), 0, _concat),
        Primitive(Signature.of("slice", "x", "axis", start=None, stop=None, step=1), 1, _slice),
        Primitive(Signature.of("pad", "x", "amount", value=0.0, axes=None), 1, _pad),
        Primitive(Signature.of("reverse", "x", "axis"), 1, _reverse),
        Primitive(Signature.of("gather", "x", "indices", axis=0), 2, _gather),
        Primitive(Signature.of("one_hot", "x", "classes", dtype=DType.F32), 1, _one_hot),
        Primitive(Signature.of("cast", "x", "dtype"), 1, _cast),
        Primitive(Signature.of("matmul", "a", "b", transpose_a=False, transpose_b=False), 2, _matmul),
        Primitive(Signature.of("batchnorm_inference", "x", "gamma", "beta", "mean", "var", eps=1e-5), 5, _batchnorm),
        Primitive(Signature.of("batchnorm_train", "x", "gamma", "beta", eps=1e-5), 3, _batchnorm_train),
        Primitive(Signature.of("softmax_cross_entropy", "logits", "target"), 2, _cross_entropy),
    ]


def primitives() -> dict[str, Primitive]:
    """All operations of the language by name."""
    found = {p.name: p for p in (*_listed(), *random_primitives())}
    for name, record in registered().items():
        if "elementwise" in record.traits and name not in _WORDS and name not in found:
            found[name] = _elementwise(record)
    return found
