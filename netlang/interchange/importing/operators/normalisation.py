"""Normalisations of single samples: layers where scale and shift are known, otherwise operations on tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from netlang.interchange.importing import writing as w
from netlang.interchange.importing.axes import axes_of, axis_of
from netlang.interchange.importing.known import Known
from netlang.interchange.importing.operator import REQUIRED, Call, Result, operator, weight_of
from netlang.interchange.importing.sheet import Tensor, Weight


def eps_option(call: Call, usual: float = 1e-5) -> dict[str, Any]:
    """`eps`, where it is not that of the layer."""
    eps = np.float32(call.attrs["epsilon"])
    return {} if eps == np.float32(usual) else {"eps": eps}


def _per_channel(call: Call, place: int, x: Tensor) -> Any:
    """A vector with a number for each channel, as a factor of x."""
    return (
        w.call("reshape", call.tensor(place), [x.shape[1], *[1] * (x.rank - 2)]) if x.rank > 2 else call.tensor(place)
    )


def scaled(call: Call, y: Any, scale: Any, shift: Any = None) -> Tensor:
    """y * scale + shift"""
    product = w.infix(y, "*", scale)
    return call.let(product if shift is None else w.infix(product, "+", shift))


@operator("InstanceNormalization", epsilon=1e-5)
def instancenorm(call: Call) -> Result:
    x, scale, shift = call.tensor(0), call.maybe_known(1), call.maybe_known(2)
    if scale is not None and shift is not None:
        weights = {"weight": weight_of(scale), "bias": weight_of(shift)}
        return call.through(x, "instancenorm", weights=weights, **eps_option(call))
    y = w.call("standardise", x, list(range(2, x.rank)), **eps_option(call))
    return scaled(call, y, _per_channel(call, 1, x), _per_channel(call, 2, x))


@operator("GroupNormalization", epsilon=1e-5, num_groups=REQUIRED, stash_type=1)
def groupnorm(call: Call) -> Result:
    """Before opset 21 scale and shift were those of groups, since then those of channels."""
    x, groups = call.tensor(0), call.attrs["num_groups"]
    channels = x.shape[1] if x.rank > 1 else 0
    if not isinstance(channels, int) or groups < 1 or channels % groups or not channels:
        raise call.refuse(f"{channels} channels do not divide into {groups} groups")
    each = channels // groups if call.version < 21 else 1
    scale, shift = call.maybe_known(1), call.maybe_known(2)
    if scale is not None and shift is not None:
        weights = {"weight": _repeated(scale, each), "bias": _repeated(shift, each)}
        return call.through(x, "groupnorm", groups, weights=weights, **eps_option(call))
    grouped = call.apply("reshape", x, [x.shape[0], groups, channels // groups, *x.shape[2:]])
    y = call.apply("standardise", grouped, list(range(2, grouped.rank)), **eps_option(call))
    shape = [groups, channels // groups if each == 1 else 1, *[1] * (x.rank - 2)]
    factors = [w.call("reshape", call.tensor(place), shape) for place in (1, 2)]
    return call.apply("reshape", scaled(call, y, *factors), list(x.shape))


def _repeated(known: Known, times: int) -> Weight:
    return weight_of(known) if times == 1 else weight_of(known, np.repeat(known.array, times))


@operator("LayerNormalization", axis=-1, epsilon=1e-5, stash_type=1)
def layernorm(call: Call) -> Result | list[Result | None]:
    """Further outputs are the mean and the inverse of the deviation."""
    x = call.tensor(0)
    axis = axis_of(call, call.attrs["axis"], x.rank)
    if any(call.outputs[1:]):
        return _told(call, x, axis)
    scale, shift = call.maybe_known(1), call.maybe_known(2)
    if axis > 0 and _fits(scale, x, axis) and (not call.has(2) or _fits(shift, x, axis)):
        assert scale is not None
        weights = {"weight": weight_of(scale)} | ({"bias": weight_of(shift)} if shift is not None else {})
        more = {} if shift is not None else {"bias": False}
        return call.through(x, "layernorm", *_dims(x, axis), weights=weights, **eps_option(call), **more)
    y = w.call("standardise", x, list(range(axis, x.rank)), **eps_option(call))
    return scaled(call, y, call.tensor(1), call.tensor(2) if call.has(2) else None)


def _fits(known: Known | None, x: Tensor, axis: int) -> bool:
    return known is not None and known.shape == x.shape[axis:]


def _dims(x: Tensor, axis: int) -> list[int]:
    """How many dimensions a layer goes over, where it is not the last alone."""
    return [x.rank - axis] if x.rank - axis > 1 else []


def _told(call: Call, x: Tensor, axis: int) -> list[Result | None]:
    along: dict[str, Any] = {"axis": list(range(axis, x.rank)), "keepdims": True}
    mean = call.let(w.call("mean", x, **along), f"{call.hint}_mean")
    centred = call.let(w.infix(x, "-", mean))
    variance = w.call("mean", w.infix(centred, "**", 2), **along)
    deviation = w.call("sqrt", w.infix(variance, "+", np.float32(call.attrs["epsilon"])))
    inverse = call.let(w.infix(1, "/", deviation), f"{call.hint}_inverse")
    y = scaled(call, w.infix(centred, "*", inverse), call.tensor(1), call.tensor(2) if call.has(2) else None)
    return [y, mean, inverse]


@operator("RMSNormalization", axis=-1, epsilon=1e-5, stash_type=1)
def rmsnorm(call: Call) -> Result:
    x, scale = call.tensor(0), call.maybe_known(1)
    axis = axis_of(call, call.attrs["axis"], x.rank)
    if axis > 0 and _fits(scale, x, axis):
        assert scale is not None
        dims: dict[str, Any] = w.besides({"dims": 1}, dims=x.rank - axis)
        return call.through(x, "rmsnorm", weights={"weight": weight_of(scale)}, **eps_option(call, 1e-6), **dims)
    squares = w.call("mean", w.infix(x, "**", 2), axis=list(range(axis, x.rank)), keepdims=True)
    root = call.apply("sqrt", w.infix(squares, "+", np.float32(call.attrs["epsilon"])))
    return scaled(call, w.infix(x, "/", root), call.tensor(1))


@operator("MeanVarianceNormalization", axes=(0, 2, 3))
def mean_variance(call: Call) -> Result:
    """The deviation is kept from zero by what is added to it, not to its square."""
    x = call.tensor(0)
    along: dict[str, Any] = {"axis": axes_of(call, call.attrs["axes"], x.rank), "keepdims": True}
    centred = call.let(w.infix(x, "-", w.call("mean", x, **along)))
    deviation = w.call("sqrt", w.call("mean", w.infix(centred, "**", 2), **along))
    return call.let(w.infix(centred, "/", w.infix(deviation, "+", 1e-9)))


@operator("LpNormalization", axis=-1, p=2)
def lp(call: Call) -> Result:
    """What has no length stays zero."""
    x = call.tensor(0)
    p = w.besides({"p": 2}, p=call.attrs["p"])
    norm = call.apply("lp_norm", x, axis_of(call, call.attrs["axis"], x.rank), keepdims=True, **p)
    return call.let(w.infix(x, "/", w.call("where", w.infix(norm, "==", 0), 1, norm)))


@operator("LRN", alpha=1e-4, beta=0.75, bias=1.0, size=REQUIRED)
def local_response(call: Call) -> Result:
    """Windows of an even size reach one further towards the last channel; those of the language towards the first."""
    size, a = call.attrs["size"], call.attrs
    told = {"alpha": np.float32(a["alpha"]), "beta": np.float32(a["beta"]), "k": np.float32(a["bias"])}
    usual: Sequence[tuple[str, float]] = (("alpha", 1e-4), ("beta", 0.75), ("k", 1.0))
    options: dict[str, Any] = {key: told[key] for key, value in usual if told[key] != np.float32(value)}
    layer = w.call("local_response_norm", size, **options)
    if size % 2:
        return call.let(w.pipe(call.tensor(0), layer))
    turned = w.call("reverse", 1)
    return call.let(w.pipe(call.tensor(0), turned, layer, turned))
