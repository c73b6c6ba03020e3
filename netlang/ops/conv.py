"""Convolution and its two adjoints.

The three are one trilinear form `t(x, w, dy)` read three ways: `conv` is its derivative by dy, `conv_data_grad` by x,
`conv_weight_grad` by w. So each one's gradients are the other two, and the set is closed under differentiation.
Attributes: `stride`, `dilation` (one number per spatial axis), `pad` (a pair per axis), `groups`, and `flip`: the
kernel reversed on every axis, which makes the cross-correlation the mathematician's convolution.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from netlang.ir.build import Builder
from netlang.ir.dims import Dim, size
from netlang.ir.graph import Attrs, Node, Value
from netlang.ir.opdef import REQUIRED, OpDef, Sample, ShapeError, Types, define, float_only
from netlang.ir.types import TensorType, shape_text
from netlang.ops.conv_numpy import conv_data_grad_meaning, conv_meaning, conv_weight_grad_meaning
from netlang.ops.sampling import normal
from netlang.ops.windows import Windows, spatial_of

_GEOMETRY: dict[str, Any] = {
    "stride": REQUIRED,
    "pad": REQUIRED,
    "dilation": REQUIRED,
    "groups": 1,
    "flip": False,
}

# ---- shape rules


def _split_channels(name: str, what: str, channels: Dim, groups: int) -> Dim:
    """Channels per group."""
    if not isinstance(groups, int) or groups < 1:
        raise ShapeError(f"{name}: groups must be at least 1, got {groups}")
    if channels == 0:
        raise ShapeError(f"{name}: there are no {what} channels")
    if channels % groups != 0:
        raise ShapeError(f"{name}: {channels} {what} channels do not divide into {groups} groups")
    return channels // groups


def _check_weights(name: str, w: TensorType, rank: int) -> None:
    if w.rank != rank:
        axes = ", ".join(("kernel",) * (rank - 2))
        raise ShapeError(f"{name} expects weights [out, in/groups, {axes}], got {shape_text(w.shape)}")


def _check_output(name: str, dy: TensorType, wanted: tuple[Dim, ...]) -> None:
    if dy.shape != wanted:
        raise ShapeError(f"{name}: the convolution's output is {shape_text(wanted)}, got {shape_text(dy.shape)}")


def _infer_conv(types: Types, attrs: Attrs) -> Sequence[TensorType]:
    float_only("conv", types)
    x, w = types
    spatial = spatial_of("conv", x)
    _check_weights("conv", w, x.rank)
    per_group = _split_channels("conv", "input", x.shape[1], attrs["groups"])
    _split_channels("conv", "output", w.shape[0], attrs["groups"])
    if per_group != w.shape[1]:
        each = " per group" if attrs["groups"] > 1 else ""
        raise ShapeError(
            f"conv: the weights are for {w.shape[1]} input channels{each}, the input has {per_group}{each}"
        )
    out = Windows.of("conv", attrs, w.shape[2:]).output(spatial)  # type: ignore[arg-type]  # checked to be numbers there
    return (x.with_shape((x.shape[0], w.shape[0], *out)),)


def _infer_data_grad(types: Types, attrs: Attrs) -> Sequence[TensorType]:
    name = "conv_data_grad"
    float_only(name, types)
    dy, w = types
    spatial_of(name, dy)
    _check_weights(name, w, dy.rank)
    _split_channels(name, "output", w.shape[0], attrs["groups"])
    out = Windows.of(name, attrs, w.shape[2:]).output(attrs["size"])  # type: ignore[arg-type]  # checked there
    _check_output(name, dy, (dy.shape[0], w.shape[0], *out))
    return (dy.with_shape((dy.shape[0], w.shape[1] * attrs["groups"], *attrs["size"])),)


def _infer_weight_grad(types: Types, attrs: Attrs) -> Sequence[TensorType]:
    name = "conv_weight_grad"
    float_only(name, types)
    x, dy = types
    spatial = spatial_of(name, x)
    if dy.rank != x.rank:
        raise ShapeError(f"{name} expects two tensors of {x.rank} dimensions, got {shape_text(dy.shape)}")
    per_group = _split_channels(name, "input", x.shape[1], attrs["groups"])
    _split_channels(name, "output", dy.shape[1], attrs["groups"])
    out = Windows.of(name, attrs).output(spatial)
    _check_output(name, dy, (x.shape[0], dy.shape[1], *out))
    return (TensorType(x.dtype, (dy.shape[1], per_group, *attrs["kernel"])),)


# ---- gradients


def _geometry(node: Node) -> dict[str, Any]:
    return {key: node.attrs[key] for key in _GEOMETRY}


def _grad_conv(b: Builder, node: Node, grads: Sequence[Value | None]) -> Sequence[Value | None]:
    (x, w), dy, same = node.inputs, grads[0], _geometry(node)
    assert dy is not None
    return (
        b.op("conv_data_grad", dy, w, size=x.shape[2:], **same),
        b.op("conv_weight_grad", x, dy, kernel=w.shape[2:], **same),
    )


def _grad_data_grad(b: Builder, node: Node, grads: Sequence[Value | None]) -> Sequence[Value | None]:
    (dy, w), ddx, same = node.inputs, grads[0], _geometry(node)
    assert ddx is not None
    return b.op("conv", ddx, w, **same), b.op("conv_weight_grad", ddx, dy, kernel=w.shape[2:], **same)


def _grad_weight_grad(b: Builder, node: Node, grads: Sequence[Value | None]) -> Sequence[Value | None]:
    (x, dy), ddw, same = node.inputs, grads[0], _geometry(node)
    assert ddw is not None
    return b.op("conv_data_grad", dy, ddw, size=x.shape[2:], **same), b.op("conv", x, ddw, **same)


# ---- cost: every weight of a group meets every output position of its channels, whichever way the form is read


def _madds(dy: TensorType, w: TensorType) -> Dim:
    return dy.size * size(w.shape[1:])


# ---- samples


def _case(stride: Any, pad: Any, dilation: Any, groups: int = 1, flip: bool = False) -> dict[str, Any]:
    return {"stride": stride, "pad": pad, "dilation": dilation, "groups": groups, "flip": flip}


_CASES: tuple[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]], ...] = (
    ((2, 3, 7), (4, 3, 3), _case((1,), ((0, 0),), (1,))),
    ((1, 2, 9), (2, 2, 3), _case((2,), ((2, 1),), (2,), flip=True)),
    ((2, 3, 6, 5), (4, 3, 3, 3), _case((1, 1), ((1, 1), (1, 1)), (1, 1))),
    ((2, 2, 7, 6), (3, 2, 3, 2), _case((2, 3), ((1, 0), (0, 2)), (1, 1))),
    ((1, 4, 8, 7), (6, 2, 3, 3), _case((2, 1), ((0, 3), (2, 1)), (2, 1), groups=2)),
    ((2, 3, 5, 6), (6, 1, 2, 3), _case((1, 2), ((1, 1), (0, 0)), (1, 2), groups=3, flip=True)),
    ((1, 2, 4, 5, 4), (2, 2, 2, 3, 2), _case((1, 2, 1), ((1, 0), (0, 1), (0, 0)), (1, 1, 2))),
)


def _output_shape(x: tuple[int, ...], w: tuple[int, ...], attrs: Attrs) -> tuple[Any, ...]:
    return (x[0], w[0], *Windows.of("conv", attrs, w[2:]).output(x[2:]))


def _samples_conv(rng: np.random.Generator) -> Iterable[Sample]:
    for x, w, attrs in _CASES:
        yield Sample((normal(rng, x), normal(rng, w)), attrs)


def _samples_data_grad(rng: np.random.Generator) -> Iterable[Sample]:
    for x, w, attrs in _CASES:
        yield Sample((normal(rng, _output_shape(x, w, attrs)), normal(rng, w)), {**attrs, "size": x[2:]})


def _samples_weight_grad(rng: np.random.Generator) -> Iterable[Sample]:
    for x, w, attrs in _CASES:
        yield Sample((normal(rng, x), normal(rng, _output_shape(x, w, attrs))), {**attrs, "kernel": w[2:]})


define(
    OpDef(
        "conv",
        "Cross-correlation of x [N, C, ...spatial] with w [O, C/groups, ...kernel]; convolution with flip.",
        _infer_conv,
        conv_meaning,
        _grad_conv,
        madds=lambda ins, outs, attrs: _madds(outs[0], ins[1]),
        samples=_samples_conv,
        attrs=_GEOMETRY,
        arity=(2, 2),
    )
)

define(
    OpDef(
        "conv_data_grad",
        "Gradient of conv by its input, from dy and w; `size`: spatial sizes of the input. Transposed convolution.",
        _infer_data_grad,
        conv_data_grad_meaning,
        _grad_data_grad,
        madds=lambda ins, outs, attrs: _madds(ins[0], ins[1]),
        samples=_samples_data_grad,
        attrs={**_GEOMETRY, "size": REQUIRED},
        arity=(2, 2),
    )
)

define(
    OpDef(
        "conv_weight_grad",
        "Gradient of conv by its weights, from x and dy; `kernel`: spatial sizes of the weights.",
        _infer_weight_grad,
        conv_weight_grad_meaning,
        _grad_weight_grad,
        madds=lambda ins, outs, attrs: _madds(ins[1], outs[0]),
        samples=_samples_weight_grad,
        attrs={**_GEOMETRY, "kernel": REQUIRED},
        arity=(2, 2),
    )
)
