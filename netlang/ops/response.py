"""Local response normalisation across channels (Krizhevsky, Sutskever & Hinton 2012, section 3.3), and its gradient.

    y[c] = x[c] / d[c] ** beta        d[c] = k + alpha / size * sum of x[j] ** 2 over the `size` channels j around c

The window of channel c begins at c - size // 2 and is cut off at the first and last channel. As in PyTorch alpha is
divided by the size of the window; in the paper it is not, so its alpha = 1e-4 with n = 5 is alpha = 5e-4 here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isfinite
from typing import Any

import numpy as np

from netlang.ir.build import Builder
from netlang.ir.dims import Dim, size
from netlang.ir.gradient import gradients
from netlang.ir.graph import Attrs, Node, Value
from netlang.ir.opdef import REQUIRED, Array, OpDef, Sample, ShapeError, Types, define, elements, float_only
from netlang.ir.types import TensorType, shape_text
from netlang.ops.numeric import rounded, widen
from netlang.ops.sampling import normal

_ATTRS: dict[str, Any] = {"size": REQUIRED, "alpha": 1e-4, "beta": 0.75, "k": 1.0}


def reach(size: int) -> tuple[int, int]:
    """How many channels before and after its own a window has."""
    return size // 2, (size - 1) // 2


# ---- shape rules


def _check(name: str, types: Types, attrs: Attrs) -> None:
    float_only(name, types)
    if types[0].rank < 3:
        raise ShapeError(f"{name} expects [N, channels, ...spatial], got {shape_text(types[0].shape)}")
    if not isinstance(attrs["size"], int) or attrs["size"] < 1:
        raise ShapeError(f"{name}: size must be a whole number of at least 1, got {attrs['size']}")
    for key in ("alpha", "beta", "k"):
        if not isfinite(attrs[key]) or attrs[key] < 0:
            raise ShapeError(f"{name}: {key} must be a number of at least 0, got {attrs[key]}")


def _infer(types: Types, attrs: Attrs) -> Sequence[TensorType]:
    _check("local_response_norm", types, attrs)
    return (types[0],)


def _infer_grad(types: Types, attrs: Attrs) -> Sequence[TensorType]:
    _check("local_response_norm_grad", types, attrs)
    x, dy = types
    if x.shape != dy.shape:
        raise ShapeError(f"local_response_norm_grad: dy must be {shape_text(x.shape)}, got {shape_text(dy.shape)}")
    return (x,)


# ---- meanings


def _sums(x: Array, before: int, after: int) -> Array:
    """For each channel (axis 1) the sum over it and so many channels before and after."""
    channels = x.shape[1]
    wide = np.zeros((x.shape[0], before + channels + after, *x.shape[2:]), x.dtype)
    wide[:, before : before + channels] = x
    total = wide[:, :channels].copy()
    for offset in range(1, before + after + 1):
        total += wide[:, offset : offset + channels]
    return total


def _divisors(x: Array, attrs: Attrs) -> Array:
    return np.asarray(attrs["k"] + attrs["alpha"] / attrs["size"] * _sums(x * x, *reach(attrs["size"])), x.dtype)


def _meaning(arrays: Sequence[Array], attrs: Attrs, types: Types) -> Sequence[Array]:
    x = widen(arrays[0])
    return (rounded(x / _divisors(x, attrs) ** attrs["beta"], types[0]),)


def _meaning_grad(arrays: Sequence[Array], attrs: Attrs, types: Types) -> Sequence[Array]:
    x, dy = widen(arrays[0]), widen(arrays[1])
    divisors = _divisors(x, attrs)
    direct = dy / divisors ** attrs["beta"]
    before, after = reach(attrs["size"])
    shared = _sums(direct * x / divisors, after, before)
    factor = 2 * attrs["alpha"] * attrs["beta"] / attrs["size"]
    return (rounded(np.asarray(direct - factor * x * shared, x.dtype), types[0]),)


# ---- compositions of other ops


def _summed(b: Builder, x: Value, before: int, after: int) -> Value:
    """`_sums` as a pool: channels become the rows of a map whose columns are all pixels."""
    n, channels, *spatial = x.shape
    rows = b.reshape(x, (n, 1, channels, size(spatial)))
    window: dict[str, Any] = {"kernel": (before + after + 1, 1), "stride": (1, 1), "pad": ((before, after), (0, 0))}
    return b.reshape(b.op("sum_pool", rows, **window), x.shape)


def _composed_divisors(b: Builder, x: Value, attrs: Attrs) -> Value:
    total = _summed(b, b.mul(x, x), *reach(attrs["size"]))
    return b.add(b.scale(total, attrs["alpha"] / attrs["size"]), b.scalar(attrs["k"], x))


def composed(b: Builder, node: Node, inputs: Sequence[Value]) -> Value:
    """What `node`, of either op of this file, does to `inputs`, in other ops."""
    x, attrs = inputs[0], node.attrs
    divisors = _composed_divisors(b, x, attrs)
    power = b.op("pow", divisors, b.scalar(attrs["beta"], x))
    if node.op == "local_response_norm":
        return b.div(x, power)
    direct = b.div(inputs[1], power)
    before, after = reach(attrs["size"])
    shared = _summed(b, b.div(b.mul(direct, x), divisors), after, before)
    return b.sub(direct, b.mul(b.scale(x, 2 * attrs["alpha"] * attrs["beta"] / attrs["size"]), shared))


# ---- gradients


def _gradient(b: Builder, node: Node, grads: Sequence[Value | None]) -> Sequence[Value | None]:
    dy = grads[0]
    assert dy is not None
    return (b.op("local_response_norm_grad", node.inputs[0], dy, **node.attrs),)


def _gradient_of_gradient(b: Builder, node: Node, grads: Sequence[Value | None]) -> Sequence[Value | None]:
    """Through the composition: second derivatives are too rare for a formula of their own."""
    seed = grads[0]
    assert seed is not None
    return gradients(composed(b, node, node.inputs), node.inputs, b, seed=seed)


# ---- samples

_CASES: tuple[tuple[tuple[int, ...], dict[str, Any]], ...] = (
    ((2, 7, 3, 2), {"size": 5, "alpha": 0.7}),
    ((1, 3, 4), {"size": 5, "alpha": 0.3, "beta": 0.5, "k": 2.0}),
    ((2, 4, 2, 1, 2), {"size": 2, "alpha": 0.5, "beta": 1.3, "k": 0.5}),
    ((2, 5, 3), {"size": 1, "alpha": 1.0, "beta": 1.0}),
)


def _samples(count: int) -> Any:
    def samples(rng: np.random.Generator) -> Iterable[Sample]:
        for shape, attrs in _CASES:
            yield Sample(tuple(normal(rng, shape) for _ in range(count)), attrs)

    return samples


def _madds(ins: Types, outs: Types, attrs: Attrs) -> Dim:
    window: int = attrs["size"]
    return elements(outs) * (window + 2)


define(
    OpDef(
        "local_response_norm",
        "x / (k + alpha / size * sum of squares of the size channels around)^beta; channels are axis 1.",
        _infer,
        _meaning,
        _gradient,
        madds=_madds,
        samples=_samples(1),
        attrs=_ATTRS,
    )
)

define(
    OpDef(
        "local_response_norm_grad",
        "Gradient of local_response_norm by x, from x and dy.",
        _infer_grad,
        _meaning_grad,
        _gradient_of_gradient,
        madds=lambda ins, outs, attrs: _madds(ins, outs, attrs) * 2,
        samples=_samples(2),
        attrs=_ATTRS,
        arity=(2, 2),
    )
)
