"""Ops that are several elementwise ops and reductions, written out as such, so that one nest can carry them out.

Each function gets a builder, the node and its inputs, and returns its results. Halves are computed in float32.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from netlang.ir.build import Builder
from netlang.ir.graph import Node, Value
from netlang.ir.types import DType

Expansion = Callable[[Builder, Node, Sequence[Value]], Sequence[Value]]
EXPANSIONS: dict[str, Expansion] = {}

_HALVES = (DType.F16, DType.BF16)


def _define(name: str) -> Callable[[Expansion], Expansion]:
    def register(function: Expansion) -> Expansion:
        EXPANSIONS[name] = function
        return function

    return register


def _wide(b: Builder, value: Value) -> Value:
    return b.op("cast", value, dtype=DType.F32) if value.dtype in _HALVES else value


def _like(b: Builder, value: Value, result: Value) -> Value:
    return b.op("cast", value, dtype=result.dtype) if value.dtype != result.dtype else value


def _max(b: Builder, x: Value, axis: int) -> Value:
    return b.op("reduce_max", x, axes=(axis,), keepdims=True)


@_define("softmax")
def _softmax(b: Builder, node: Node, inputs: Sequence[Value]) -> Sequence[Value]:
    x, axis = _wide(b, inputs[0]), node.attrs["axis"]
    e = b.op("exp", b.sub(x, _max(b, x, axis)))
    return (_like(b, b.div(e, b.sum(e, (axis,), keepdims=True)), node.out),)


def _log_softmax_of(b: Builder, x: Value, axis: int) -> Value:
    shifted = b.sub(x, _max(b, x, axis))
    return b.sub(shifted, b.op("log", b.sum(b.op("exp", shifted), (axis,), keepdims=True)))


@_define("log_softmax")
def _log_softmax(b: Builder, node: Node, inputs: Sequence[Value]) -> Sequence[Value]:
    return (_like(b, _log_softmax_of(b, _wide(b, inputs[0]), node.attrs["axis"]), node.out),)


@_define("cross_entropy")
def _cross_entropy(b: Builder, node: Node, inputs: Sequence[Value]) -> Sequence[Value]:
    """log(sum exp(x - max)) - (x[target] - max) for classes; minus the sum of target * log_softmax for soft targets."""
    x, target = _wide(b, inputs[0]), inputs[1]
    if target.dtype.is_float:
        terms = b.mul(_wide(b, target), _log_softmax_of(b, x, 1))
        return (_like(b, b.neg(b.sum(terms, (1,))), node.out),)
    shifted = b.sub(x, _max(b, x, 1))
    total = b.op("log", b.sum(b.op("exp", shifted), (1,)))
    chosen = b.op("one_hot", target, classes=x.shape[1], dtype=DType.BOOL)
    rank = x.rank
    chosen = b.op("transpose", chosen, perm=(0, rank - 1, *range(1, rank - 1)))
    picked = b.sum(b.op("where", chosen, shifted, b.scalar(0.0, shifted)), (1,))
    return (_like(b, b.sub(total, picked), node.out),)


@_define("batchnorm")
def _batchnorm(b: Builder, node: Node, inputs: Sequence[Value]) -> Sequence[Value]:
    x, gamma, beta, mean, var = (_wide(b, v) for v in inputs)
    return (_like(b, _normalised(b, x, gamma, beta, mean, var, node.attrs["eps"]), node.out),)


@_define("batchnorm_train")
def _batchnorm_train(b: Builder, node: Node, inputs: Sequence[Value]) -> Sequence[Value]:
    """Statistics in two passes: mean first, then the mean of the squared differences."""
    x, gamma, beta = (_wide(b, v) for v in inputs)
    axes = (0, *range(2, x.rank))
    mean = b.op("reduce_mean", x, axes=axes)
    difference = b.sub(x, b.along(mean, x.rank, 1))
    var = b.op("reduce_mean", b.mul(difference, difference), axes=axes)
    y = _normalised(b, x, gamma, beta, mean, var, node.attrs["eps"])
    return tuple(_like(b, v, r) for v, r in zip((y, mean, var), node.results, strict=True))


def _normalised(b: Builder, x: Value, gamma: Value, beta: Value, mean: Value, var: Value, eps: float) -> Value:
    scale = b.div(gamma, b.op("sqrt", b.add(var, b.scalar(eps, var))))
    centred = b.sub(x, b.along(mean, x.rank, 1))
    return b.add(b.mul(centred, b.along(scale, x.rank, 1)), b.along(beta, x.rank, 1))
