"""Cross-entropy of logits with integer or soft targets: one loss per sample, stable for logits of any size."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from netlang.ir.graph import Attrs, Node, Value
from netlang.ir.opdef import Array, OpDef, Sample, ShapeError, Types, define, elements, float_only
from netlang.ir.types import TensorType, shape_text
from netlang.ops.indexing import check_range
from netlang.ops.numeric import rounded, widen
from netlang.ops.sampling import normal
from netlang.ops.softmax import log_softmax, softmax

if TYPE_CHECKING:
    from netlang.ir.build import Builder


def _infer(types: Types, attrs: Attrs) -> Sequence[TensorType]:
    logits, target = types
    float_only("cross_entropy", (logits,))
    if logits.rank < 2:
        raise ShapeError(f"cross_entropy expects logits [N, classes, ...], got {shape_text(logits.shape)}")
    if logits.shape[1] == 0:
        raise ShapeError(f"cross_entropy of logits {shape_text(logits.shape)}: there are no classes")
    losses = (logits.shape[0], *logits.shape[2:])
    if target.dtype.is_float:
        float_only("cross_entropy", types)
    wanted = logits.shape if target.dtype.is_float else losses
    if target.shape != wanted or not (target.dtype.is_float or target.dtype.is_int):
        raise ShapeError(
            f"cross_entropy of logits {shape_text(logits.shape)} expects integer targets {shape_text(losses)} "
            f"or {logits.dtype} targets {shape_text(logits.shape)}, got {target}"
        )
    return (TensorType(logits.dtype, losses),)


def _meaning(arrays: Sequence[Array], attrs: Attrs, types: Types) -> Sequence[Array]:
    logs, target = log_softmax(widen(arrays[0]), axis=1), arrays[1]
    if target.dtype.kind in "iu":
        check_range(target, logs.shape[1])
        picked = np.take_along_axis(logs, target[:, None].astype(np.int64), axis=1)
        return (rounded(-picked[:, 0], types[0]),)
    # A class of probability 0 costs nothing, even where its logit is -inf.
    weights = widen(target)
    return (rounded(-np.where(weights == 0, 0, weights * logs).sum(axis=1), types[0]),)


def _gradient(b: Builder, node: Node, grads: Sequence[Value | None]) -> Sequence[Value | None]:
    (logits, target), dy = node.inputs, grads[0]
    if dy is None:
        return (None, None)
    dy = b.reshape(dy, (logits.shape[0], 1, *logits.shape[2:]))
    p = b.op("softmax", logits, axis=1)
    if not target.dtype.is_float:
        return (b.mul(dy, b.sub(p, _hot(b, logits, target))), None)
    weight = b.sum(target, (1,), keepdims=True)
    logs = b.op("log_softmax", logits, axis=1)
    return (b.mul(dy, b.sub(b.mul(p, weight), target)), b.neg(b.mul(dy, logs)))


def _hot(b: Builder, logits: Value, target: Value) -> Value:
    """Integer targets as 0 and 1 in the shape of the logits."""
    hot = b.op("one_hot", target, classes=logits.shape[1], dtype=logits.dtype)
    last = hot.rank - 1
    return hot if last == 1 else b.op("transpose", hot, perm=(0, last, *range(1, last)))


def _samples(rng: np.random.Generator) -> Iterable[Sample]:
    for shape in ((3, 4), (1, 2), (2, 3, 2), (2, 3, 1, 2)):
        logits = 2 * normal(rng, shape)
        losses = (shape[0], *shape[2:])
        yield Sample((logits, np.asarray(rng.integers(0, shape[1], losses))))
        yield Sample((logits, np.asarray(rng.integers(0, shape[1], losses), np.int32)))
        yield Sample((logits, softmax(normal(rng, shape), axis=1)))


define(
    OpDef(
        "cross_entropy",
        "-log softmax(logits) at the target class of axis 1, or its mean weighted by soft targets; one per sample.",
        _infer,
        _meaning,
        gradient=_gradient,
        madds=lambda ins, outs, attrs: 3 * elements(ins),
        samples=_samples,
        arity=(2, 2),
    )
)
