"""Picking by indices, placing by indices, and classes."""

from __future__ import annotations

from typing import Literal

import numpy as np
from onnx import numpy_helper

from netlang.interchange.exporting.record import Place, exports
from netlang.ir.build import Builder
from netlang.ir.dims import Shape, size
from netlang.ir.graph import Value
from netlang.ir.types import DType

_HOT = frozenset({DType.I32, DType.I64, DType.F32})
"""What onnxruntime's OneHot makes."""


_INDICES = frozenset({DType.I32, DType.I64})
"""What ONNX picks by."""

_MODES: tuple[Literal["reflect", "edge"], ...] = ("reflect", "edge")
"""How an axis is surrounded by its own elements, as NumPy and ONNX both call it."""


def _index(place: Place, number: int) -> str:
    """An input that is indices, of elements by which ONNX picks."""
    given = place.inputs[number]
    return given if place.node.inputs[number].dtype in _INDICES else place.cast(given, DType.I64)


@exports("gather")
def _gather(place: Place) -> str:
    found = _surrounding(place)
    if found is not None:
        mode, low, high = found
        axis, rank = place.attrs["axis"], place.node.inputs[0].rank
        sides = [amount if a == axis else 0 for amount in (low, high) for a in range(rank)]
        return place.op("Pad", place.inputs[0], place.numbers(sides), mode=mode)
    return place.op("Gather", place.inputs[0], _index(place, 1), axis=place.attrs["axis"])


def _surrounding(place: Place) -> tuple[str, int, int] | None:
    """(mode, before, after) where places that are written down surround an axis by its own elements."""
    x, indices = place.node.inputs
    size = x.shape[place.attrs["axis"]]
    if indices.node.op != "const" or indices.rank != 1 or not isinstance(size, int):
        return None
    places, own = indices.node.attrs["value"], np.arange(size)
    more = len(places) - size
    for low in np.flatnonzero(places[: more + 1] == 0).tolist() if more > 0 else ():
        sides = (low, more - low)
        if max(sides) < size and np.array_equal(places[low : low + size], own):
            modes = (m for m in _MODES if np.array_equal(np.pad(own, sides, m), places))
            return next(((mode, *sides) for mode in modes), None)
    return None


@exports("take_along")
def _take_along(place: Place) -> str:
    return place.op("GatherElements", place.inputs[0], _index(place, 1), axis=place.attrs["axis"])


@exports("put_along")
def _put_along(place: Place) -> str:
    updates, indices = place.inputs[0], _index(place, 1)
    blank = zeros(place, place.node.out.shape, place.node.out.dtype)
    return place.op("ScatterElements", blank, indices, updates, axis=place.attrs["axis"], reduction="add")


@exports("scatter_along")
def _scatter_along(place: Place) -> str:
    reduction = place.attrs["reduction"]
    given = None if reduction == "set" else reduction
    x, _, updates = place.inputs
    return place.op("ScatterElements", x, _index(place, 1), updates, axis=place.attrs["axis"], reduction=given)


@exports("scatter_add")
def _scatter_add(place: Place) -> str:
    """An index for every slice becomes one for every element of it."""
    (updates, indices), axis = place.node.inputs, place.attrs["axis"]
    before, after = updates.shape[:axis], updates.shape[axis + indices.rank :]
    count = size(indices.shape)
    rows, numbers = place.inputs[0], _index(place, 1)
    if indices.rank != 1:
        rows = place.op("Reshape", rows, place.shape((*before, count, *after)))
        numbers = place.op("Reshape", numbers, place.shape((count,)))
    if after:
        numbers = place.op("Unsqueeze", numbers, place.numbers(range(1, 1 + len(after))))
    numbers = place.op("Expand", numbers, place.shape((*before, count, *after)))
    blank = zeros(place, place.node.out.shape, place.node.out.dtype)
    return place.op("ScatterElements", blank, numbers, rows, axis=axis, reduction="add")


def zeros(place: Place, shape: Shape, dtype: DType) -> str:
    """A tensor of zeros."""
    return place.op("ConstantOfShape", place.shape(shape), value=numpy_helper.from_array(np.zeros(1, dtype.numpy)))


@exports("one_hot")
def _one_hot(place: Place) -> str:
    """ONNX takes no single index, and onnxruntime only indices of i64: a single one is given an axis for a moment."""
    (index,), name, dtype = place.node.inputs, place.inputs[0], place.attrs["dtype"]
    if index.dtype is not DType.I64:
        name = place.cast(name, DType.I64)
    if not index.rank:
        name = place.op("Unsqueeze", name, place.numbers([0]))
    made = dtype if dtype in _HOT else DType.F32
    classes = place.sizes.scalar(place.attrs["classes"])
    hot = place.op("OneHot", name, classes, place.constant([0, 1], made), axis=-1)
    if not index.rank:
        hot = place.op("Squeeze", hot, place.numbers([0]))
    return hot if made is dtype else place.cast(hot, dtype)


@exports("topk")
def _topk(place: Place) -> list[str]:
    count = place.numbers([place.attrs["k"]])
    return place.ops("TopK", place.inputs[0], count, outputs=2, axis=place.attrs["axis"])


@exports("cross_entropy")
def _cross_entropy(place: Place) -> str:
    logits, target = place.node.inputs
    if not target.dtype.is_float:
        return place.op("SoftmaxCrossEntropyLoss", *place.inputs, reduction="none")
    return place.composed(lambda b: _soft(b, logits, target))[0]


def _soft(b: Builder, logits: Value, target: Value) -> Value:
    """A class of probability 0 costs nothing, even where its logit is -inf."""
    zero = b.scalar(0.0, logits)
    costs = b.mul(target, b.op("log_softmax", logits, axis=1))
    return b.neg(b.sum(b.op("where", b.op("eq", target, zero), zero, costs), (1,)))
