"""Unshared (locally connected) convolution: a kernel of its own for every output position; and its two adjoints.

    y[n, o, p] = sum over c, t of w[p, o, c, t] x[n, c, place(p, t)]

for output positions p and taps t, which `place` sends to where a convolution would read (LeCun 1989; Le et al. 2012).
The three are one trilinear form read three ways, as those of `conv` are: each one's gradients are the other two. For
every position it is a product of matrices, [O, C T] by [C T, N].
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod
from typing import Any

import numpy as np

from netlang.ir.build import Builder
from netlang.ir.dims import Dim
from netlang.ir.graph import Attrs, Node, Value
from netlang.ir.opdef import REQUIRED, Array, OpDef, Sample, ShapeError, Types, define, float_only
from netlang.ir.types import TensorType, shape_text
from netlang.ops.numeric import rounded, widen
from netlang.ops.sampling import normal
from netlang.ops.windows import Windows, spatial_of

_GEOMETRY: dict[str, Any] = {"stride": REQUIRED, "pad": REQUIRED}

# ---- shape rules


def _check_weights(name: str, w: TensorType, rank: int) -> int:
    """The number of spatial axes of weights [...out, O, C, ...kernel] for maps of `rank` dimensions."""
    count = rank - 2
    if w.rank != 2 * count + 2:
        axes, taps = ", ".join(("out",) * count), ", ".join(("kernel",) * count)
        raise ShapeError(f"{name} expects weights [{axes}, channels out, in, {taps}], got {shape_text(w.shape)}")
    return count


def _infer(types: Types, attrs: Attrs) -> Sequence[TensorType]:
    name = "local_conv"
    float_only(name, types)
    x, w = types
    spatial = spatial_of(name, x)
    count = _check_weights(name, w, x.rank)
    if w.shape[count + 1] != x.shape[1]:
        raise ShapeError(f"{name}: the weights are for {w.shape[count + 1]} input channels, the input has {x.shape[1]}")
    out = Windows.of(name, attrs, w.shape[count + 2 :]).output(spatial)  # type: ignore[arg-type]  # checked there
    if w.shape[:count] != out:
        raise ShapeError(
            f"{name}: the weights are for outputs {shape_text(w.shape[:count])}, the input gives {shape_text(out)}"
        )
    return (x.with_shape((x.shape[0], w.shape[count], *out)),)


def _infer_data_grad(types: Types, attrs: Attrs) -> Sequence[TensorType]:
    name = "local_conv_data_grad"
    float_only(name, types)
    dy, w = types
    spatial_of(name, dy)
    count = _check_weights(name, w, dy.rank)
    out = Windows.of(name, attrs, w.shape[count + 2 :]).output(attrs["size"])  # type: ignore[arg-type]  # checked there
    wanted = (dy.shape[0], w.shape[count], *out)
    if dy.shape != wanted or w.shape[:count] != out:
        raise ShapeError(f"{name}: dy must be {shape_text(wanted)}, got {shape_text(dy.shape)}")
    return (dy.with_shape((dy.shape[0], w.shape[count + 1], *attrs["size"])),)


def _infer_weight_grad(types: Types, attrs: Attrs) -> Sequence[TensorType]:
    name = "local_conv_weight_grad"
    float_only(name, types)
    x, dy = types
    out = Windows.of(name, attrs).output(spatial_of(name, x))
    if dy.shape != (x.shape[0], *dy.shape[1:2], *out):
        raise ShapeError(f"{name}: the outputs are {shape_text(out)}, got dy {shape_text(dy.shape)}")
    return (TensorType(x.dtype, (*out, dy.shape[1], x.shape[1], *attrs["kernel"])),)


# ---- meanings, by way of [P, C T, N]: for each position what each tap reads of each sample


def _columns(windows: Windows, x: Array, out: Sequence[int]) -> Array:
    taps = np.stack(list(windows.slices(windows.padded(x, out), out)), axis=2)
    return np.ascontiguousarray(taps.reshape(x.shape[0], -1, prod(out)).transpose(2, 1, 0))


def _matrices(w: Array, count: int) -> Array:
    """Weights [...out, O, C, ...kernel] as [P, O, C T]."""
    return w.reshape(prod(w.shape[:count]), w.shape[count], -1)


def _by_position(dy: Array) -> Array:
    """[N, O, ...out] as [P, O, N]."""
    return np.ascontiguousarray(dy.reshape(*dy.shape[:2], -1).transpose(2, 1, 0))


def _meaning(arrays: Sequence[Array], attrs: Attrs, types: Types) -> Sequence[Array]:
    x, w = map(widen, arrays)
    count, shape = x.ndim - 2, types[0].concrete({})
    windows = Windows.of("local_conv", attrs, w.shape[count + 2 :])
    y = np.matmul(_matrices(w, count), _columns(windows, x, shape[2:]))
    return (rounded(y.transpose(2, 1, 0).reshape(shape), types[0]),)


def _meaning_data_grad(arrays: Sequence[Array], attrs: Attrs, types: Types) -> Sequence[Array]:
    dy, w = map(widen, arrays)
    count, shape, out = dy.ndim - 2, types[0].concrete({}), dy.shape[2:]
    windows = Windows.of("local_conv_data_grad", attrs, w.shape[count + 2 :])
    columns = np.matmul(_matrices(w, count).swapaxes(1, 2), _by_position(dy))
    taps = columns.transpose(2, 1, 0).reshape(shape[0], shape[1], windows.taps, *out)
    wide = windows.blank((shape[0], shape[1]), shape[2:], out, taps)
    for tap, view in enumerate(windows.slices(wide, out)):
        view += taps[:, :, tap]
    return (rounded(windows.inner(wide, shape[2:]), types[0]),)


def _meaning_weight_grad(arrays: Sequence[Array], attrs: Attrs, types: Types) -> Sequence[Array]:
    x, dy = map(widen, arrays)
    windows = Windows.of("local_conv_weight_grad", attrs)
    dw = np.matmul(_by_position(dy), _columns(windows, x, dy.shape[2:]).swapaxes(1, 2))
    return (rounded(dw.reshape(types[0].concrete({})), types[0]),)


# ---- gradients


def _geometry(node: Node) -> dict[str, Any]:
    return {key: node.attrs[key] for key in _GEOMETRY}


def _grad(b: Builder, node: Node, grads: Sequence[Value | None]) -> Sequence[Value | None]:
    (x, w), dy, same = node.inputs, grads[0], _geometry(node)
    assert dy is not None
    return (
        b.op("local_conv_data_grad", dy, w, size=x.shape[2:], **same),
        b.op("local_conv_weight_grad", x, dy, kernel=w.shape[x.rank :], **same),
    )


def _grad_data_grad(b: Builder, node: Node, grads: Sequence[Value | None]) -> Sequence[Value | None]:
    (dy, w), ddx, same = node.inputs, grads[0], _geometry(node)
    assert ddx is not None
    kernel = w.shape[dy.rank :]
    return b.op("local_conv", ddx, w, **same), b.op("local_conv_weight_grad", ddx, dy, kernel=kernel, **same)


def _grad_weight_grad(b: Builder, node: Node, grads: Sequence[Value | None]) -> Sequence[Value | None]:
    (x, dy), ddw, same = node.inputs, grads[0], _geometry(node)
    assert ddw is not None
    return b.op("local_conv_data_grad", dy, ddw, size=x.shape[2:], **same), b.op("local_conv", x, ddw, **same)


# ---- cost and samples


def _madds(w: TensorType, samples: Dim) -> Dim:
    """Every weight is used once for each sample."""
    return w.size * samples


_CASES: tuple[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]], ...] = (
    ((2, 3, 7), (4, 3), {"stride": (1,), "pad": ((0, 0),)}),
    ((3, 2, 9), (1, 4), {"stride": (2,), "pad": ((2, 1),)}),
    ((2, 2, 5, 4), (3, 3, 2), {"stride": (1, 1), "pad": ((0, 0), (0, 0))}),
    ((1, 1, 6, 7), (2, 3, 3), {"stride": (2, 3), "pad": ((1, 2), (0, 1))}),
    ((1, 2, 3, 4, 3), (2, 2, 1, 3), {"stride": (1, 2, 1), "pad": ((1, 0), (0, 0), (1, 1))}),
)
"""Shape of x, output channels and kernel, attributes."""


def _shapes(x: tuple[int, ...], w: tuple[int, ...], attrs: Attrs) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Of the weights and of the result."""
    out: Any = Windows.of("local_conv", attrs, w[1:]).output(x[2:])
    return (*out, w[0], x[1], *w[1:]), (x[0], w[0], *out)


def _samples(rng: np.random.Generator) -> Iterable[Sample]:
    for x, w, attrs in _CASES:
        yield Sample((normal(rng, x), normal(rng, _shapes(x, w, attrs)[0])), attrs)


def _samples_data_grad(rng: np.random.Generator) -> Iterable[Sample]:
    for x, w, attrs in _CASES:
        weights, y = _shapes(x, w, attrs)
        yield Sample((normal(rng, y), normal(rng, weights)), {**attrs, "size": x[2:]})


def _samples_weight_grad(rng: np.random.Generator) -> Iterable[Sample]:
    for x, w, attrs in _CASES:
        yield Sample((normal(rng, x), normal(rng, _shapes(x, w, attrs)[1])), {**attrs, "kernel": w[1:]})


define(
    OpDef(
        "local_conv",
        "Convolution of x [N, C, ...spatial] with weights of their own for every output [...out, O, C, ...kernel].",
        _infer,
        _meaning,
        _grad,
        madds=lambda ins, outs, attrs: _madds(ins[1], ins[0].shape[0]),
        samples=_samples,
        attrs=_GEOMETRY,
        arity=(2, 2),
    )
)

define(
    OpDef(
        "local_conv_data_grad",
        "Gradient of local_conv by its input, from dy and w; `size`: spatial sizes of the input.",
        _infer_data_grad,
        _meaning_data_grad,
        _grad_data_grad,
        madds=lambda ins, outs, attrs: _madds(ins[1], ins[0].shape[0]),
        samples=_samples_data_grad,
        attrs={**_GEOMETRY, "size": REQUIRED},
        arity=(2, 2),
    )
)

define(
    OpDef(
        "local_conv_weight_grad",
        "Gradient of local_conv by its weights, from x and dy; `kernel`: spatial sizes of the weights.",
        _infer_weight_grad,
        _meaning_weight_grad,
        _grad_weight_grad,
        madds=lambda ins, outs, attrs: _madds(outs[0], ins[0].shape[0]),
        samples=_samples_weight_grad,
        attrs={**_GEOMETRY, "kernel": REQUIRED},
        arity=(2, 2),
    )
)
