"""Max pooling: the pool, its gradient, and the form of both that keeps a switch instead of the map before the pool.

`max_pool_grad` finds the maxima again from x. `max_pool_switch` gives, beside the maxima, their positions inside the
windows; `max_unpool` sends gradients there and `max_pool_pick`, its transpose, reads there. Ties go to the first
maximum in row-major order, a NaN counts as larger than any number, and padding is never chosen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from netlang.ir.build import Builder
from netlang.ir.graph import Attrs, Node, Value
from netlang.ir.opdef import REQUIRED, Array, OpDef, Sample, ShapeError, Types, define, float_only
from netlang.ir.types import DType, TensorType, shape_text
from netlang.ops.numeric import least, numbers_only, widen
from netlang.ops.sampling import distinct, normal
from netlang.ops.windows import Windows, pooled

_GEOMETRY: dict[str, Any] = {
    "kernel": REQUIRED,
    "stride": REQUIRED,
    "pad": REQUIRED,
    "dilation": REQUIRED,
    "ceil_mode": False,
}
_I8_TAPS = 127
"""Windows of at most this many elements have switches of one byte."""

# ---- shape rules


def _check_like(name: str, what: str, got: TensorType, wanted: TensorType) -> None:
    if got.shape != wanted.shape:
        raise ShapeError(f"{name}: {what} must be {shape_text(wanted.shape)}, got {shape_text(got.shape)}")


def _check_switch(name: str, switch: TensorType, wanted: TensorType) -> None:
    if not switch.dtype.is_int:
        raise ShapeError(f"{name}: the switch must be of an integer type, got {switch.dtype}")
    _check_like(name, "the switch", switch, wanted)


def _infer_pool(types: Types, attrs: Attrs) -> Sequence[TensorType]:
    numbers_only("max_pool", types)
    return (pooled("max_pool", types[0], attrs),)


def _infer_grad(types: Types, attrs: Attrs) -> Sequence[TensorType]:
    float_only("max_pool_grad", types)
    x, y, dy = types
    wanted = pooled("max_pool_grad", x, attrs)
    _check_like("max_pool_grad", "y", y, wanted)
    _check_like("max_pool_grad", "dy", dy, wanted)
    return (x,)


def _infer_switch(types: Types, attrs: Attrs) -> Sequence[TensorType]:
    numbers_only("max_pool_switch", types)
    y = pooled("max_pool_switch", types[0], attrs)
    taps = Windows.of("max_pool_switch", attrs).taps
    return y, y.with_dtype(DType.I8 if taps <= _I8_TAPS else DType.I32)


def _infer_unpool(types: Types, attrs: Attrs) -> Sequence[TensorType]:
    dy, switch = types
    numbers_only("max_unpool", [dy])
    x = dy.with_shape((*dy.shape[:2], *attrs["size"]))
    _check_like("max_unpool", "dy", dy, pooled("max_unpool", x, attrs))
    _check_switch("max_unpool", switch, dy)
    return (x,)


def _infer_pick(types: Types, attrs: Attrs) -> Sequence[TensorType]:
    x, switch = types
    numbers_only("max_pool_pick", [x])
    y = pooled("max_pool_pick", x, attrs)
    _check_switch("max_pool_pick", switch, y)
    return (y,)


# ---- meanings


def _meaning_pool(arrays: Sequence[Array], attrs: Attrs, types: Types) -> Sequence[Array]:
    windows, out = Windows.of("max_pool", attrs), types[0].concrete({})[2:]
    views = windows.slices(windows.padded(arrays[0], out, least(arrays[0])), out)
    y = next(views).copy()
    for view in views:
        np.maximum(y, view, out=y)
    return (y,)


def _inside(windows: Windows, spatial: Sequence[int], out: Sequence[int]) -> Iterator[Array]:
    """For each tap, whether it reads the input and not its padding: bool [1, 1, *out]."""
    ones = np.ones((1, 1, *spatial), np.bool_)
    yield from windows.slices(windows.padded(ones, out, 0), out)


def _argmax(windows: Windows, x: Array, out: Sequence[int]) -> tuple[Array, Array]:
    """The maxima of all windows and their taps, [N, C, *out] each."""
    views = windows.slices(windows.padded(x, out, least(x)), out)
    best = np.full((*x.shape[:2], *out), least(x), x.dtype)
    chosen = np.zeros(best.shape, np.int32)
    found = np.zeros(best.shape, np.bool_)
    for tap, (view, inside) in enumerate(zip(views, _inside(windows, x.shape[2:], out), strict=True)):
        take = inside & (~found | (view > best) | (np.isnan(view) & ~np.isnan(best)))
        np.copyto(best, view, where=take)
        chosen[take] = tap
        found |= inside
    return best, chosen


def _scatter(windows: Windows, dy: Array, switch: Array, spatial: Sequence[int]) -> Array:
    """dy sent to the chosen tap of each window and summed where windows overlap."""
    out, wide_dy = dy.shape[2:], widen(dy)
    wide = windows.blank((dy.shape[0], dy.shape[1]), spatial, out, wide_dy)
    for tap, view in enumerate(windows.slices(wide, out)):
        view += np.where(switch == tap, wide_dy, 0)
    return windows.inner(wide, spatial).astype(dy.dtype, copy=False)


def _meaning_grad(arrays: Sequence[Array], attrs: Attrs, types: Types) -> Sequence[Array]:
    x, _, dy = arrays
    windows = Windows.of("max_pool_grad", attrs)
    return (_scatter(windows, dy, _argmax(windows, x, dy.shape[2:])[1], x.shape[2:]),)


def _meaning_switch(arrays: Sequence[Array], attrs: Attrs, types: Types) -> Sequence[Array]:
    windows = Windows.of("max_pool_switch", attrs)
    y, switch = _argmax(windows, arrays[0], types[0].concrete({})[2:])
    return y, switch.astype(types[1].dtype.numpy)


def _meaning_unpool(arrays: Sequence[Array], attrs: Attrs, types: Types) -> Sequence[Array]:
    dy, switch = arrays
    return (_scatter(Windows.of("max_unpool", attrs), dy, switch, types[0].concrete({})[2:]),)


def _meaning_pick(arrays: Sequence[Array], attrs: Attrs, types: Types) -> Sequence[Array]:
    x, switch = arrays
    windows, out = Windows.of("max_pool_pick", attrs), switch.shape[2:]
    y = np.zeros(switch.shape, x.dtype)
    for tap, view in enumerate(windows.slices(windows.padded(x, out), out)):
        np.copyto(y, view, where=switch == tap)
    return (y,)


# ---- gradients


def _geometry(node: Node) -> dict[str, Any]:
    return {key: node.attrs[key] for key in _GEOMETRY}


def _grad_pool(b: Builder, node: Node, grads: Sequence[Value | None]) -> Sequence[Value | None]:
    dy = grads[0]
    assert dy is not None
    return (b.op("max_pool_grad", node.inputs[0], node.out, dy, **_geometry(node)),)


def _grad_grad(b: Builder, node: Node, grads: Sequence[Value | None]) -> Sequence[Value | None]:
    """Linear in dy; constant in x and y wherever it is differentiable."""
    ddx, same = grads[0], _geometry(node)
    assert ddx is not None
    switch = b.node("max_pool_switch", node.inputs[0], **same).results[1]
    return None, None, b.op("max_pool_pick", ddx, switch, **same)


def _grad_switch(b: Builder, node: Node, grads: Sequence[Value | None]) -> Sequence[Value | None]:
    dy, size = grads[0], node.inputs[0].shape[2:]
    if dy is None:
        return (None,)
    return (b.op("max_unpool", dy, node.results[1], size=size, **_geometry(node)),)


def _grad_unpool(b: Builder, node: Node, grads: Sequence[Value | None]) -> Sequence[Value | None]:
    ddx = grads[0]
    assert ddx is not None
    return b.op("max_pool_pick", ddx, node.inputs[1], **_geometry(node)), None


def _grad_pick(b: Builder, node: Node, grads: Sequence[Value | None]) -> Sequence[Value | None]:
    (x, switch), dy = node.inputs, grads[0]
    assert dy is not None
    return b.op("max_unpool", dy, switch, size=x.shape[2:], **_geometry(node)), None


# ---- samples: the values of an input are well apart, so that no small step changes a maximum


def _case(kernel: Any, stride: Any, pad: Any, dilation: Any, ceil_mode: bool = False) -> dict[str, Any]:
    return {"kernel": kernel, "stride": stride, "pad": pad, "dilation": dilation, "ceil_mode": ceil_mode}


_CASES: tuple[tuple[tuple[int, ...], dict[str, Any]], ...] = (
    ((2, 3, 8), _case((2,), (2,), ((0, 0),), (1,))),
    ((2, 2, 7), _case((3,), (2,), ((1, 2),), (2,), ceil_mode=True)),
    ((2, 3, 6, 4), _case((2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1))),
    ((1, 2, 7, 6), _case((3, 3), (2, 1), ((1, 1), (0, 2)), (1, 1))),
    ((2, 2, 6, 7), _case((3, 2), (2, 3), ((0, 1), (1, 0)), (1, 2), ceil_mode=True)),
    ((1, 2, 4, 5, 3), _case((2, 3, 2), (2, 2, 1), ((0, 0), (1, 1), (0, 0)), (1, 1, 1))),
)


def _maxima(x: Array, attrs: dict[str, Any]) -> tuple[Array, Array]:
    windows = Windows.of("max_pool", attrs)
    out: Any = windows.output(x.shape[2:])
    y, switch = _argmax(windows, x, out)
    return y, switch.astype(np.int8)


def _samples_pool(rng: np.random.Generator) -> Iterable[Sample]:
    for shape, attrs in _CASES:
        yield Sample((distinct(rng, shape),), attrs)


def _samples_grad(rng: np.random.Generator) -> Iterable[Sample]:
    for shape, attrs in _CASES:
        x = distinct(rng, shape)
        y, _ = _maxima(x, attrs)
        yield Sample((x, y, normal(rng, y.shape)), attrs, constant=(0, 1))


def _samples_unpool(rng: np.random.Generator) -> Iterable[Sample]:
    for shape, attrs in _CASES:
        y, switch = _maxima(distinct(rng, shape), attrs)
        yield Sample((normal(rng, y.shape), switch), {**attrs, "size": shape[2:]})


def _samples_pick(rng: np.random.Generator) -> Iterable[Sample]:
    for shape, attrs in _CASES:
        yield Sample((normal(rng, shape), _maxima(distinct(rng, shape), attrs)[1]), attrs)


define(
    OpDef(
        "max_pool",
        "The maximum of each window of [N, C, ...spatial].",
        _infer_pool,
        _meaning_pool,
        _grad_pool,
        samples=_samples_pool,
        attrs=_GEOMETRY,
    )
)

define(
    OpDef(
        "max_pool_grad",
        "Gradient of max_pool from x, y and dy: dy goes to the first maximum of each window.",
        _infer_grad,
        _meaning_grad,
        _grad_grad,
        samples=_samples_grad,
        attrs=_GEOMETRY,
        arity=(3, 3),
    )
)

define(
    OpDef(
        "max_pool_switch",
        "The maximum of each window and its row-major position inside the window.",
        _infer_switch,
        _meaning_switch,
        _grad_switch,
        samples=_samples_pool,
        attrs=_GEOMETRY,
    )
)

define(
    OpDef(
        "max_unpool",
        "Gradient of max_pool from dy and the switch; `size`: spatial sizes of the input.",
        _infer_unpool,
        _meaning_unpool,
        _grad_unpool,
        samples=_samples_unpool,
        attrs={**_GEOMETRY, "size": REQUIRED},
        arity=(2, 2),
    )
)

define(
    OpDef(
        "max_pool_pick",
        "The element of each window that the switch points at; the transpose of max_unpool.",
        _infer_pick,
        _meaning_pick,
        _grad_pick,
        samples=_samples_pick,
        attrs=_GEOMETRY,
        arity=(2, 2),
    )
)
