"""Batch normalisation over the channel axis 1 (Ioffe and Szegedy, 2015): with given statistics, and with the batch's.

y = gamma * (x - mean) / sqrt(var + eps) + beta. The gradients are ordinary reductions and elementwise nodes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from netlang.ir.build import Builder
from netlang.ir.dims import size
from netlang.ir.graph import Attrs, Node, Value
from netlang.ir.opdef import Array, OpDef, Sample, ShapeError, Types, define, elements, float_only
from netlang.ir.types import DType, TensorType, shape_text
from netlang.ops.numeric import rounded, widen
from netlang.ops.sampling import normal, positive


def _axes(rank: int) -> tuple[int, ...]:
    """All axes but the channels."""
    return (0, *range(2, rank))


def _check(name: str, types: Types, names: Sequence[str]) -> None:
    float_only(name, types)
    x = types[0]
    if x.rank < 2:
        raise ShapeError(f"{name} expects [N, C, ...], got {shape_text(x.shape)}")
    for what, t in zip(names, types[1:], strict=True):
        if t.shape != (x.shape[1],):
            wanted = f"{shape_text((x.shape[1],))}, one for each channel of {shape_text(x.shape)}"
            raise ShapeError(f"{name}: {what} must be {wanted}; got {shape_text(t.shape)}")


def _infer(types: Types, attrs: Attrs) -> Sequence[TensorType]:
    _check("batchnorm", types, ("gamma", "beta", "mean", "var"))
    return (types[0],)


def _infer_train(types: Types, attrs: Attrs) -> Sequence[TensorType]:
    _check("batchnorm_train", types, ("gamma", "beta"))
    return types[0], types[1], types[1]


def _along(vector: Array, rank: int) -> Array:
    return vector.reshape(-1, *(1,) * (rank - 2))


def _normalize(x: Array, gamma: Array, beta: Array, mean: Array, var: Array, eps: float) -> Array:
    scale = gamma / np.sqrt(var + var.dtype.type(eps))
    return (x - _along(mean, x.ndim)) * _along(scale, x.ndim) + _along(beta, x.ndim)


def _meaning(arrays: Sequence[Array], attrs: Attrs, types: Types) -> Sequence[Array]:
    x, gamma, beta, mean, var = map(widen, arrays)
    return (rounded(_normalize(x, gamma, beta, mean, var, attrs["eps"]), types[0]),)


def _meaning_train(arrays: Sequence[Array], attrs: Attrs, types: Types) -> Sequence[Array]:
    x, gamma, beta = map(widen, arrays)
    mean, var = x.mean(_axes(x.ndim)), x.var(_axes(x.ndim))
    results = (_normalize(x, gamma, beta, mean, var, attrs["eps"]), mean, var)
    return tuple(rounded(r, t) for r, t in zip(results, types, strict=True))


# ---- gradients


def _inverse_deviation(b: Builder, var: Value, eps: float) -> Value:
    """1 / sqrt(var + eps), [C]."""
    return b.div(b.scalar(1.0, var), b.op("sqrt", b.add(var, b.scalar(eps, var))))


def _normalized(b: Builder, x: Value, mean: Value, inverse: Value) -> Value:
    """(x - mean) / sqrt(var + eps), like x."""
    return b.mul(b.sub(x, b.along(mean, x.rank, 1)), b.along(inverse, x.rank, 1))


def _gradient(b: Builder, node: Node, grads: Sequence[Value | None]) -> Sequence[Value | None]:
    """dmean = -dbeta * gamma / dev, dvar = -dgamma * gamma / (2 dev^2), with dev = sqrt(var + eps)."""
    (x, gamma, _, mean, var), dy = node.inputs, grads[0]
    assert dy is not None
    inverse = _inverse_deviation(b, var, node.attrs["eps"])
    scale = b.mul(gamma, inverse)
    d_gamma = b.sum(b.mul(dy, _normalized(b, x, mean, inverse)), _axes(x.rank))
    d_beta = b.sum(dy, _axes(x.rank))
    d_mean = b.neg(b.mul(d_beta, scale))
    d_var = b.mul(b.scale(d_gamma, -0.5), b.mul(scale, inverse))
    return b.mul(dy, b.along(scale, x.rank, 1)), d_gamma, d_beta, d_mean, d_var


def _gradient_train(b: Builder, node: Node, grads: Sequence[Value | None]) -> Sequence[Value | None]:
    """dx = gamma / dev * (dy - mean(dy) - xhat * mean(dy * xhat)) + (dmean + 2 dvar (x - mean)) / count.

    mean() is over the batch and the positions, xhat the normalised x; dmean and dvar are the gradients that reach the
    statistics themselves.
    """
    (x, gamma, _), (_, mean, var), (dy, d_mean, d_var) = node.inputs, node.results, grads
    axes = _axes(x.rank)
    parts: list[Value] = []
    d_gamma = d_beta = None
    if dy is not None:
        inverse = _inverse_deviation(b, var, node.attrs["eps"])
        xhat = _normalized(b, x, mean, inverse)
        share = _reciprocal_count(b, x)
        d_gamma, d_beta = b.sum(b.mul(dy, xhat), axes), b.sum(dy, axes)
        centred = b.sub(dy, b.along(b.mul(d_beta, share), x.rank, 1))
        slope = b.sub(centred, b.mul(xhat, b.along(b.mul(d_gamma, share), x.rank, 1)))
        parts.append(b.mul(slope, b.along(b.mul(gamma, inverse), x.rank, 1)))
    if d_mean is not None:
        parts.append(b.broadcast(b.along(b.mul(d_mean, _reciprocal_count(b, x)), x.rank, 1), x.shape))
    if d_var is not None:
        twice = b.scale(b.mul(d_var, _reciprocal_count(b, x)), 2.0)
        parts.append(b.mul(b.sub(x, b.along(mean, x.rank, 1)), b.along(twice, x.rank, 1)))
    if not parts:
        return None, None, None
    d_x = parts[0]
    for part in parts[1:]:
        d_x = b.add(d_x, part)
    return d_x, d_gamma, d_beta


def _reciprocal_count(b: Builder, x: Value) -> Value:
    """1 / (elements per channel) as a scalar. Divided in f32 at least: in f16 a count above 65504 is infinite."""
    count = size((x.shape[0], *x.shape[2:]))
    if isinstance(count, int):
        return b.scalar(1.0 / max(count, 1), x)
    wide = DType.F64 if x.dtype is DType.F64 else DType.F32
    share = b.div(b.const(1.0, wide), b.op("extent", dim=count, dtype=wide))
    return share if x.dtype is wide else b.op("cast", share, dtype=x.dtype)


# ---- samples

_SHAPES = ((4, 3), (3, 2, 5), (2, 3, 4, 3))


def _samples(rng: np.random.Generator) -> Iterable[Sample]:
    for shape in _SHAPES:
        gamma, beta, mean = (normal(rng, shape[1:2]) for _ in range(3))
        x, var = normal(rng, shape), positive(rng, shape[1:2])
        yield Sample((x, gamma, beta, mean, var), {"eps": 1e-3})


def _samples_train(rng: np.random.Generator) -> Iterable[Sample]:
    for shape in _SHAPES:
        gamma, beta = normal(rng, shape[1:2]), normal(rng, shape[1:2])
        yield Sample((1.0 + 2.0 * normal(rng, shape), gamma, beta), {"eps": 1e-3})


define(
    OpDef(
        "batchnorm",
        "x [N, C, ...] normalised with given mean and variance per channel, then scaled and shifted.",
        _infer,
        _meaning,
        _gradient,
        madds=lambda ins, outs, attrs: elements(outs),
        samples=_samples,
        attrs={"eps": 1e-5},
        arity=(5, 5),
    )
)

define(
    OpDef(
        "batchnorm_train",
        "x [N, C, ...] normalised with its own mean and biased variance per channel, which are results as well.",
        _infer_train,
        _meaning_train,
        _gradient_train,
        madds=lambda ins, outs, attrs: elements(outs) * 3,
        samples=_samples_train,
        attrs={"eps": 1e-5},
        arity=(3, 3),
    )
)
