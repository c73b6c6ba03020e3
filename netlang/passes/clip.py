"""Gradient clipping as IR, as PyTorch does it (torch.nn.utils.clip_grad_norm_, clip_grad_value_).

Before                     After `clip norm(1.0)`
    g0, g1                     norm = sqrt(reduce_sum(g0 * g0) + reduce_sum(g1 * g1))
                               k    = min(1.0 / (norm + 1e-6), 1)
                               g0 * k, g1 * k
"""

from __future__ import annotations

from collections.abc import Sequence

from netlang.diagnostics import error
from netlang.ir.build import Builder
from netlang.ir.graph import Value
from netlang.ir.module import Call
from netlang.ir.types import DType

_TINY = 1e-6
"""What PyTorch adds to the norm so that it never divides by zero."""


def clipped(make: Builder, clip: Call | None, gradients: Sequence[Value]) -> list[Value]:
    """The gradients, clipped by their common norm (Pascanu et al. 2013), by value, or not at all.

    Raises NetError for an unknown way of clipping.
    """
    if clip is None or not gradients:
        return list(gradients)
    if clip.name == "norm":
        return _by_norm(make, float(clip["max"]), gradients)
    if clip.name == "value":
        return [_by_value(make, float(clip["max"]), g) for g in gradients]
    raise error(f"clip knows norm and value, not {clip.name}", *([clip.span] if clip.span else []))


def _by_norm(make: Builder, limit: float, gradients: Sequence[Value]) -> list[Value]:
    # Squares of half floats overflow early.
    wide = DType.F64 if any(g.dtype is DType.F64 for g in gradients) else DType.F32
    total: Value | None = None
    for gradient in (_to(make, g, wide) for g in gradients):
        square = make.sum(make.mul(gradient, gradient), range(gradient.rank))
        total = square if total is None else make.add(total, square)
    assert total is not None
    norm = make.op("sqrt", total)
    share = make.div(make.scalar(limit, norm), make.add(norm, make.scalar(_TINY, norm)))
    factor = make.op("min", share, make.scalar(1.0, share))
    return [make.mul(g, _to(make, factor, g.dtype)) for g in gradients]


def _by_value(make: Builder, limit: float, gradient: Value) -> Value:
    low = make.op("max", gradient, make.scalar(-limit, gradient))
    return make.op("min", low, make.scalar(limit, gradient))


def _to(make: Builder, value: Value, dtype: DType) -> Value:
    return value if value.dtype == dtype else make.op("cast", value, dtype=dtype)
