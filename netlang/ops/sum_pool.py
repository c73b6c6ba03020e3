"""Sum, average and L2 pooling. The gradients of the first two are linear and each other's transposes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from netlang.ir.build import Builder
from netlang.ir.dims import Dim
from netlang.ir.graph import Attrs, Node, Value
from netlang.ir.opdef import REQUIRED, Array, OpDef, Sample, ShapeError, Types, define, float_only
from netlang.ir.types import TensorType, shape_text
from netlang.ops.numeric import rounded, widen
from netlang.ops.sampling import normal
from netlang.ops.windows import Windows, pooled

_GEOMETRY: dict[str, Any] = {
    "kernel": REQUIRED,
    "stride": REQUIRED,
    "pad": REQUIRED,
    "ceil_mode": False,
    "dilation": (),
}
"""Without an entry, `dilation` is 1 on all axes."""
_AVERAGE: dict[str, Any] = {**_GEOMETRY, "count_include_pad": True}

# ---- shape rules


def _pool_rule(name: str) -> Callable[[Types, Attrs], Sequence[TensorType]]:
    def infer(types: Types, attrs: Attrs) -> Sequence[TensorType]:
        float_only(name, types)
        return (pooled(name, types[0], attrs),)

    return infer


def _grad_rule(name: str) -> Callable[[Types, Attrs], Sequence[TensorType]]:
    def infer(types: Types, attrs: Attrs) -> Sequence[TensorType]:
        float_only(name, types)
        dy = types[0]
        x = dy.with_shape((*dy.shape[:2], *attrs["size"]))
        wanted = pooled(name, x, attrs)
        if dy.shape != wanted.shape:
            raise ShapeError(f"{name}: dy must be {shape_text(wanted.shape)}, got {shape_text(dy.shape)}")
        return (x,)

    return infer


# ---- meanings


def _sums(windows: Windows, x: Array, out: Sequence[int]) -> Array:
    views = windows.slices(windows.padded(x, out), out)
    total = next(views).copy()
    for view in views:
        total += view
    return total


def _spread(windows: Windows, dy: Array, spatial: Sequence[int]) -> Array:
    """The transpose of `_sums`: every position gets the sum over the windows it is in."""
    out = dy.shape[2:]
    wide = windows.blank((dy.shape[0], dy.shape[1]), spatial, out, dy)
    for view in windows.slices(wide, out):
        view += dy
    return windows.inner(wide, spatial)


def _counts(windows: Windows, spatial: Sequence[int], out: Sequence[int], attrs: Attrs, like: Array) -> Array:
    return windows.counts(spatial, out, attrs["count_include_pad"]).astype(like.dtype)


def _meaning_sum(arrays: Sequence[Array], attrs: Attrs, types: Types) -> Sequence[Array]:
    windows, out = Windows.of("sum_pool", attrs), types[0].concrete({})[2:]
    return (rounded(_sums(windows, widen(arrays[0]), out), types[0]),)


def _meaning_sum_grad(arrays: Sequence[Array], attrs: Attrs, types: Types) -> Sequence[Array]:
    windows, spatial = Windows.of("sum_pool_grad", attrs), types[0].concrete({})[2:]
    return (rounded(_spread(windows, widen(arrays[0]), spatial), types[0]),)


def _meaning_avg(arrays: Sequence[Array], attrs: Attrs, types: Types) -> Sequence[Array]:
    windows, x, out = Windows.of("avg_pool", attrs), widen(arrays[0]), types[0].concrete({})[2:]
    y = _sums(windows, x, out) / _counts(windows, x.shape[2:], out, attrs, x)
    return (rounded(y, types[0]),)


def _meaning_avg_grad(arrays: Sequence[Array], attrs: Attrs, types: Types) -> Sequence[Array]:
    windows, dy, spatial = Windows.of("avg_pool_grad", attrs), widen(arrays[0]), types[0].concrete({})[2:]
    share = dy / _counts(windows, spatial, dy.shape[2:], attrs, dy)
    return (rounded(_spread(windows, share, spatial), types[0]),)


def _meaning_l2(arrays: Sequence[Array], attrs: Attrs, types: Types) -> Sequence[Array]:
    windows, x, out = Windows.of("l2_pool", attrs), widen(arrays[0]), types[0].concrete({})[2:]
    return (rounded(np.sqrt(_sums(windows, x * x, out)), types[0]),)


# ---- gradients


def _linear_gradient(transpose: str, keys: Iterable[str]) -> Callable[..., Sequence[Value | None]]:
    """The gradient of a pool is its transpose `<pool>_grad`, which also needs the input's size."""

    def gradient(b: Builder, node: Node, grads: Sequence[Value | None]) -> Sequence[Value | None]:
        dy, same = grads[0], {key: node.attrs[key] for key in keys}
        assert dy is not None
        if transpose.endswith("_grad"):
            same["size"] = node.inputs[0].shape[2:]
        return (b.op(transpose, dy, **same),)

    return gradient


def _l2_gradient(b: Builder, node: Node, grads: Sequence[Value | None]) -> Sequence[Value | None]:
    """dx = x * sum over its windows of dy / y. Where y is 0 all x of the window are, so any finite divisor will do."""
    (x,), y, dy = node.inputs, node.out, grads[0]
    assert dy is not None
    divisor = b.op("where", b.op("eq", y, b.scalar(0.0, y)), b.scalar(1.0, y), y)
    same = {key: node.attrs[key] for key in _GEOMETRY}
    return (b.mul(x, b.op("sum_pool_grad", b.div(dy, divisor), size=x.shape[2:], **same)),)


# ---- samples

_CASES: tuple[tuple[tuple[int, ...], dict[str, Any]], ...] = (
    ((2, 3, 8), {"kernel": (2,), "stride": (2,), "pad": ((0, 0),)}),
    ((1, 2, 8), {"kernel": (3,), "stride": (2,), "pad": ((1, 2),), "ceil_mode": True}),
    ((2, 2, 6, 4), {"kernel": (2, 2), "stride": (2, 2), "pad": ((0, 0), (0, 0))}),
    ((1, 2, 7, 6), {"kernel": (3, 3), "stride": (2, 1), "pad": ((1, 1), (0, 2))}),
    ((2, 2, 6, 7), {"kernel": (3, 2), "stride": (2, 3), "pad": ((0, 1), (1, 0)), "ceil_mode": True}),
    ((1, 2, 4, 5, 3), {"kernel": (2, 3, 2), "stride": (2, 2, 1), "pad": ((0, 0), (1, 1), (0, 0))}),
    (
        (1, 2, 9, 8),
        {"kernel": (3, 2), "stride": (2, 2), "pad": ((3, 2), (1, 2)), "dilation": (2, 3), "ceil_mode": True},
    ),
)


def _samples_pool(rng: np.random.Generator) -> Iterable[Sample]:
    for shape, attrs in _CASES:
        yield Sample((normal(rng, shape),), attrs)


def _samples_grad(rng: np.random.Generator) -> Iterable[Sample]:
    for shape, attrs in _CASES:
        out: Any = Windows.of("sum_pool", attrs).output(shape[2:])
        yield Sample((normal(rng, (*shape[:2], *out)),), {**attrs, "size": shape[2:]})


def _with_both_counts(samples: Iterable[Sample]) -> Iterable[Sample]:
    for sample in samples:
        yield sample
        yield Sample(sample.inputs, {**sample.attrs, "count_include_pad": False})


def _madds_pool(ins: Types, outs: Types, attrs: Attrs) -> Dim:
    return outs[0].size * Windows.of("sum_pool", attrs).taps


def _madds_grad(ins: Types, outs: Types, attrs: Attrs) -> Dim:
    return ins[0].size * Windows.of("sum_pool", attrs).taps


define(
    OpDef(
        "sum_pool",
        "The sum of each window of [N, C, ...spatial].",
        _pool_rule("sum_pool"),
        _meaning_sum,
        _linear_gradient("sum_pool_grad", _GEOMETRY),
        madds=_madds_pool,
        samples=_samples_pool,
        attrs=_GEOMETRY,
    )
)

define(
    OpDef(
        "sum_pool_grad",
        "Gradient of sum_pool; `size`: spatial sizes of the input.",
        _grad_rule("sum_pool_grad"),
        _meaning_sum_grad,
        _linear_gradient("sum_pool", _GEOMETRY),
        madds=_madds_grad,
        samples=_samples_grad,
        attrs={**_GEOMETRY, "size": REQUIRED},
    )
)

define(
    OpDef(
        "avg_pool",
        "The mean of each window of [N, C, ...spatial]; padding counts as zeros if count_include_pad.",
        _pool_rule("avg_pool"),
        _meaning_avg,
        _linear_gradient("avg_pool_grad", _AVERAGE),
        madds=_madds_pool,
        samples=lambda rng: _with_both_counts(_samples_pool(rng)),
        attrs=_AVERAGE,
    )
)

define(
    OpDef(
        "avg_pool_grad",
        "Gradient of avg_pool; `size`: spatial sizes of the input.",
        _grad_rule("avg_pool_grad"),
        _meaning_avg_grad,
        _linear_gradient("avg_pool", _AVERAGE),
        madds=_madds_grad,
        samples=lambda rng: _with_both_counts(_samples_grad(rng)),
        attrs={**_AVERAGE, "size": REQUIRED},
    )
)

define(
    OpDef(
        "l2_pool",
        "The Euclidean norm of each window of [N, C, ...spatial].",
        _pool_rule("l2_pool"),
        _meaning_l2,
        _l2_gradient,
        madds=_madds_pool,
        samples=_samples_pool,
        attrs=_GEOMETRY,
    )
)
