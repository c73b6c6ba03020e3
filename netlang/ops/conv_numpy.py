"""What convolution and its two adjoints mean in NumPy: columns of taps and one matrix product per sample and group.

Writing T for the tap axis (the kernel flattened) and P for the output positions, with columns [N, G, C/G * T, P]:
    y  [N, G, O/G, P]     = w [G, O/G, C/G * T] @ columns(x)
    dw [G, O/G, C/G * T]  = sum over N of dy [N, G, O/G, P] @ columns(x)^T
    dx                    = the transpose of `columns` applied to w^T @ dy
Samples are taken a few at a time, so that the columns of a large batch need not exist at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod

import numpy as np

from netlang.ir.graph import Attrs
from netlang.ir.opdef import Array, Types
from netlang.ops.numeric import rounded, widen
from netlang.ops.windows import Windows

_MOST_ELEMENTS = 1 << 24
"""Elements of the columns held at a time."""


def conv_meaning(arrays: Sequence[Array], attrs: Attrs, types: Types) -> Sequence[Array]:
    """[N, O, *out] from x [N, C, *spatial] and w [O, C/groups, *kernel]."""
    x, w = map(widen, arrays)
    windows, groups, shape = Windows.of("conv", attrs, w.shape[2:]), attrs["groups"], _concrete(types)
    y = np.empty(shape, w.dtype)
    matrix = _weight_matrix(w, attrs)
    for part in _parts(x.shape[0], w, shape):
        columns = _columns(windows, x[part], shape[2:], groups)
        y[part] = np.matmul(matrix, columns).reshape(y[part].shape)
    return (rounded(y, types[0]),)


def conv_data_grad_meaning(arrays: Sequence[Array], attrs: Attrs, types: Types) -> Sequence[Array]:
    """[N, C, *size] from dy [N, O, *out] and w [O, C/groups, *kernel]."""
    dy, w = map(widen, arrays)
    windows, groups, shape = Windows.of("conv_data_grad", attrs, w.shape[2:]), attrs["groups"], _concrete(types)
    out = dy.shape[2:]
    dx = np.empty(shape, w.dtype)
    matrix = _weight_matrix(w, attrs).transpose(0, 2, 1)
    for part in _parts(dy.shape[0], w, dy.shape):
        rows = dy[part].reshape(-1, groups, dy.shape[1] // groups, prod(out))
        columns = np.matmul(matrix, rows).reshape(rows.shape[0], shape[1], windows.taps, *out)
        wide = windows.blank((rows.shape[0], shape[1]), shape[2:], out, dx)
        for tap, view in enumerate(windows.slices(wide, out)):
            view += columns[:, :, tap]
        dx[part] = windows.inner(wide, shape[2:])
    return (rounded(dx, types[0]),)


def conv_weight_grad_meaning(arrays: Sequence[Array], attrs: Attrs, types: Types) -> Sequence[Array]:
    """[O, C/groups, *kernel] from x [N, C, *spatial] and dy [N, O, *out]."""
    x, dy = map(widen, arrays)
    windows, groups, shape = Windows.of("conv_weight_grad", attrs), attrs["groups"], _concrete(types)
    out = dy.shape[2:]
    dw = np.zeros((groups, shape[0] // groups, shape[1] * windows.taps), x.dtype)
    for part in _parts(x.shape[0], np.broadcast_to(dw[:1, :1, :1], shape), dy.shape):
        columns = _columns(windows, x[part], out, groups)
        rows = dy[part].reshape(-1, groups, dy.shape[1] // groups, prod(out))
        dw += np.matmul(rows, columns.swapaxes(2, 3)).sum(axis=0)
    return (rounded(_flipped(dw.reshape(shape), attrs), types[0]),)


def _concrete(types: Types) -> tuple[int, ...]:
    return types[0].concrete({})


def _flipped(w: Array, attrs: Attrs) -> Array:
    return np.ascontiguousarray(np.flip(w, tuple(range(2, w.ndim)))) if attrs["flip"] else w


def _weight_matrix(w: Array, attrs: Attrs) -> Array:
    """[G, O/G, C/G * T]."""
    return _flipped(w, attrs).reshape(attrs["groups"], w.shape[0] // attrs["groups"], -1)


def _parts(samples: int, w: Array, y_shape: Sequence[int]) -> Iterator[slice]:
    """Slices of the batch whose columns together stay below the limit."""
    each = max(1, prod(y_shape[2:]) * prod(w.shape[1:]))
    step = max(1, _MOST_ELEMENTS // each)
    for start in range(0, samples, step):
        yield slice(start, start + step)


def _columns(windows: Windows, x: Array, out: Sequence[int], groups: int) -> Array:
    """[N, G, C/G * T, P]: for each output position what each tap reads."""
    columns = np.empty((*x.shape[:2], windows.taps, *out), x.dtype)
    for tap, view in enumerate(windows.slices(windows.padded(x, out), out)):
        columns[:, :, tap] = view
    return columns.reshape(x.shape[0], groups, -1, prod(out))
