"""Recipes of the ops with windows: convolutions and pools of one to three spatial dims."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from netlang.ir.dims import Shape
from netlang.ir.opdef import ShapeError
from netlang.ir.types import DType
from netlang.ops.windows import Windows
from tests.drawing import Array, Case, Draw, Made, Operand, Recipe, mixed, tensor
from tests.ops.harness import build, run

Axis = dict[str, Any]
"""kernel, stride, pad, dilation of one spatial axis."""


def geometry(d: Draw, spatial: Shape, *, pool: bool, dilated: bool = True) -> dict[str, Any]:
    """Windows of which at least one fits; those of a pool never lie in the padding alone."""
    ceil_mode = pool and d.flag()
    axes = [_axis(d, d.actual(dim), pool, dilated, ceil_mode) for dim in spatial]
    attrs: dict[str, Any] = {key: tuple(axis[key] for axis in axes) for key in axes[0]}
    return {**attrs, "ceil_mode": ceil_mode} if pool else attrs


def _axis(d: Draw, size: int, pool: bool, dilated: bool, ceil_mode: bool) -> Axis:
    kernel, stride, pad = d.pick(3, 2, 1, 5), d.pick(1, 2, 3), (d.pick(0, 1, 2), d.pick(0, 1, 2))
    dilation = d.pick(1, 1, 2) if dilated else 1
    while not _fits(Windows("drawn", (kernel,), (stride,), (pad,), (dilation,), ceil_mode), size, pool):
        # A window of one element without padding always fits.
        kernel, pad = (kernel - 1, pad) if kernel > 1 else (1, (0, 0))
    axis: Axis = {"kernel": kernel, "stride": stride, "pad": pad}
    return {**axis, "dilation": dilation} if dilated else axis


def _fits(windows: Windows, size: int, pool: bool) -> bool:
    try:
        windows.output((size,))
        if pool:
            windows.check_overlap()
    except ShapeError:
        return False
    return True


# ---- convolutions


def _conv_parts(d: Draw, shape: Shape) -> tuple[Shape, Shape, dict[str, Any]]:
    """The shapes of the weights and the result, and the attributes without kernel."""
    channels = shape[1]
    assert isinstance(channels, int)
    groups = d.pick(1, *(g for g in range(1, channels + 1) if channels % g == 0))
    per_group = d.pick(3, 1, 2, 16, 17) if groups <= 4 else d.pick(1, 2)
    attrs = geometry(d, shape[2:], pool=False)
    kernel = attrs.pop("kernel")
    out = Windows.of("conv", attrs, kernel).output(shape[2:])
    w: Shape = (groups * per_group, channels // groups, *kernel)
    return w, (shape[0], w[0], *out), {**attrs, "groups": groups, "flip": d.flag()}


def conv(d: Draw, shape: Shape) -> Case:
    w, _, attrs = _conv_parts(d, shape)
    return Case((tensor(shape), tensor(w)), attrs)


def conv_data_grad(d: Draw, shape: Shape) -> Case:
    w, out, attrs = _conv_parts(d, shape)
    return Case((tensor(out), tensor(w)), {**attrs, "size": shape[2:]})


def conv_weight_grad(d: Draw, shape: Shape) -> Case:
    w, out, attrs = _conv_parts(d, shape)
    return Case((tensor(shape), tensor(out)), {**attrs, "kernel": w[2:]})


def _local_parts(d: Draw, shape: Shape) -> tuple[Shape, Shape, dict[str, Any]]:
    """The shapes of the weights and the result of an unshared convolution, and the attributes."""
    channels, attrs = d.pick(3, 1, 2), geometry(d, shape[2:], pool=False, dilated=False)
    kernel = attrs.pop("kernel")
    out = Windows.of("local_conv", attrs, kernel).output(shape[2:])
    return (*out, channels, shape[1], *kernel), (shape[0], channels, *out), attrs


def local_conv(d: Draw, shape: Shape) -> Case:
    w, _, attrs = _local_parts(d, shape)
    return Case((tensor(shape), tensor(w)), attrs)


def local_conv_data_grad(d: Draw, shape: Shape) -> Case:
    w, out, attrs = _local_parts(d, shape)
    return Case((tensor(out), tensor(w)), {**attrs, "size": shape[2:]})


def local_conv_weight_grad(d: Draw, shape: Shape) -> Case:
    w, out, attrs = _local_parts(d, shape)
    return Case((tensor(shape), tensor(out)), {**attrs, "kernel": w[len(shape) :]})


# ---- pools


def _pool_parts(d: Draw, shape: Shape, options: str = "") -> tuple[Shape, dict[str, Any]]:
    """The result's shape and the attributes; `options` is `average` where windows may leave out the padding."""
    attrs = geometry(d, shape[2:], pool=True)
    out = (*shape[:2], *Windows.of("pool", attrs).output(shape[2:]))
    return out, {**attrs, "count_include_pad": d.flag()} if options == "average" else attrs


def pool(options: str = "") -> Callable[[Draw, Shape], Case]:
    def make(d: Draw, shape: Shape) -> Case:
        return Case((tensor(shape),), _pool_parts(d, shape, options)[1])

    return make


def pool_grad(options: str = "") -> Callable[[Draw, Shape], Case]:
    def make(d: Draw, shape: Shape) -> Case:
        out, attrs = _pool_parts(d, shape, options)
        return Case((tensor(out),), {**attrs, "size": shape[2:]})

    return make


def _pooled(op: str, result: int, attrs: Mapping[str, Any], x: Array) -> Array:
    """A result of a pool of x."""
    node = build(op, [x], attrs)
    return run(node.inputs, node.results, [x])[result]


def max_pool_grad(d: Draw, shape: Shape) -> Case:
    out, attrs = _pool_parts(d, shape)
    y = tensor(out, lambda rng, s, made: _pooled("max_pool", 0, attrs, made.arrays[0]))
    return Case((tensor(shape), y, tensor(out)), attrs)


def max_pool_pick(d: Draw, shape: Shape) -> Case:
    out, attrs = _pool_parts(d, shape)
    return Case((tensor(shape), _switches(out, shape, attrs)), attrs)


def max_unpool(d: Draw, shape: Shape) -> Case:
    out, attrs = _pool_parts(d, shape)
    return Case((tensor(out), _switches(out, shape, attrs)), {**attrs, "size": shape[2:]})


def _switches(out: Shape, shape: Shape, attrs: Mapping[str, Any]) -> Operand:
    """The switches, of shape `out`, of a pool of some input of `shape`."""
    dtype = DType.I8 if Windows.of("max_pool", attrs).taps <= 127 else DType.I32

    def fill(rng: np.random.Generator, out: tuple[int, ...], made: Made) -> Array:
        x = tensor(shape).type.concrete({"N": made.batch})
        return _pooled("max_pool_switch", 1, attrs, mixed(rng, x, made))

    return tensor(out, fill, dtype)


def _static_channels(shape: Shape) -> bool:
    return isinstance(shape[1], int)


def _static_samples(shape: Shape) -> bool:
    """Everything but the number of samples is known, as where there are weights for every position."""
    return all(isinstance(dim, int) for dim in shape[1:])


_MAKERS: dict[str, Callable[[Draw, Shape], Case]] = {
    "conv": conv,
    "conv_data_grad": conv_data_grad,
    "conv_weight_grad": conv_weight_grad,
    "max_pool": pool(),
    "max_pool_switch": pool(),
    "max_pool_grad": max_pool_grad,
    "max_pool_pick": max_pool_pick,
    "max_unpool": max_unpool,
    "sum_pool": pool(),
    "sum_pool_grad": pool_grad(),
    "avg_pool": pool("average"),
    "avg_pool_grad": pool_grad("average"),
    "l2_pool": pool(),
}


def response(count: int) -> Callable[[Draw, Shape], Case]:
    """Local response normalisation, of x alone, or the gradient of x and dy."""

    def make(d: Draw, shape: Shape) -> Case:
        attrs = {"size": d.pick(5, 3, 2, 1, 9, 40), "alpha": d.pick(0.5, 1e-4), "k": d.pick(1.0, 2.0)}
        return Case((tensor(shape),) * count, {**attrs, "beta": d.pick(0.75, 0.5, 1.0, 0.6)})

    return make


RESPONSE_RECIPES = {
    "local_response_norm": Recipe(response(1), (3, 5)),
    "local_response_norm_grad": Recipe(response(2), (3, 5)),
}

WINDOW_RECIPES = {
    **{op: Recipe(make, (3, 5), _static_channels) for op, make in _MAKERS.items()},
    "local_conv": Recipe(local_conv, (3, 5), _static_samples),
    "local_conv_data_grad": Recipe(local_conv_data_grad, (3, 5), _static_samples),
    "local_conv_weight_grad": Recipe(local_conv_weight_grad, (3, 5), _static_samples),
}
