"""Pools: the maximum, mean, sum or Euclidean norm of windows."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from netlang.interchange.exporting.operators.movement import sliced
from netlang.interchange.exporting.operators.products import pads
from netlang.interchange.exporting.record import Place, Unsupported, exports
from netlang.ir.dims import Dim, Shape
from netlang.ir.graph import Node
from netlang.ir.types import DType
from netlang.ops.windows import Windows

DILATED_MEANS = 19
"""The opset in which AveragePool got dilations."""


def reaching(windows: Windows, spatial: Shape) -> tuple[tuple[int, int], ...] | None:
    """The padding with which no window goes beyond it, which is larger than that of the op where sizes are rounded up.

    None where it is known only when the net runs: then ONNX is asked to round up.
    """
    found: list[tuple[int, int]] = []
    for i, (size, out) in enumerate(zip(spatial, windows.output(spatial), strict=True)):
        low, high = windows.pad[i]
        end: Dim = (out - 1) * windows.stride[i] + windows.span[i] - low - size
        if not isinstance(end, int):
            return None if windows.ceil_mode else windows.pad
        found.append((low, max(high, end)))
    return tuple(found)


def geometry(windows: Windows, node: Node) -> dict[str, Any]:
    """The attributes that all of ONNX's pools have."""
    found = reaching(windows, node.inputs[0].shape[2:])
    given: dict[str, Any] = {"kernel_shape": list(windows.kernel), "strides": list(windows.stride)}
    given["pads"] = pads(windows.pad if found is None else found)
    if found is None:
        given["ceil_mode"] = 1
    if any(d != 1 for d in windows.dilation):
        given["dilations"] = list(windows.dilation)
    return given


@exports("max_pool")
def _max_pool(place: Place) -> str:
    x, given = maximal(place, place.inputs[0], Windows.of("max_pool", place.attrs))
    return place.op("MaxPool", x, **given)


def maximal(place: Place, x: str, windows: Windows) -> tuple[str, dict[str, Any]]:
    """The input and the attributes of a MaxPool."""
    dtype = place.node.inputs[0].dtype
    if dtype in (DType.I64, DType.U64):
        raise Unsupported(f"ONNX has no maxima of windows of {dtype} elements")
    given = geometry(windows, place.node)
    smallest = dtype.bounds[0] if dtype.is_int else -np.inf
    return surrounded(place, x, given, place.constant(smallest, dtype)) if is_wide(given) else (x, given)


def is_wide(given: dict[str, Any]) -> bool:
    """Whether padding is as wide as the kernel, which onnxruntime does not take even where windows are dilated."""
    return any(p >= k for p, k in zip(given["pads"], given["kernel_shape"] * 2, strict=True))


def surrounded(place: Place, x: str, given: dict[str, Any], value: str = "") -> tuple[str, dict[str, Any]]:
    """A pool's input with its padding made elements, and the attributes without padding."""
    ends = given["pads"]
    return _padded(place, x, ends, value), {**given, "pads": [0] * len(ends)}


def _padded(place: Place, x: str, ends: Sequence[int], value: str = "") -> str:
    """A map with so much more before and behind its spatial axes, which are named: onnxruntime would make a padding of
    all axes the pool's own."""
    return place.op("Pad", x, place.numbers(ends), value, place.numbers(range(2, 2 + len(ends) // 2)))


@exports("avg_pool")
def _avg_pool(place: Place) -> str:
    """Padding counts, but not what lies behind it: where windows reach there, the padding is made elements."""
    windows, x, counts = Windows.of("avg_pool", place.attrs), place.inputs[0], place.attrs["count_include_pad"]
    given, own = _averaging(windows, place), pads(windows.pad)
    if is_wide(given):
        return _counted(place, given, own if counts else None)
    if not counts or given["pads"] == own:
        return place.op("AveragePool", x, **given, count_include_pad=int(counts))
    behind = [more - less for more, less in zip(given["pads"], own, strict=True)]
    x = _padded(place, x, own)
    return place.op("AveragePool", x, **{**given, "pads": behind}, count_include_pad=0)


def _averaging(windows: Windows, place: Place) -> dict[str, Any]:
    given = geometry(windows, place.node)
    if "dilations" in given and place.opset < DILATED_MEANS:
        raise Unsupported(f"means of dilated windows need opset {DILATED_MEANS}")
    return given


def _counted(place: Place, given: dict[str, Any], own: Sequence[int] | None) -> str:
    """The mean over whole windows, divided by the share of elements that count: also `own` padding, if there is any."""
    sizes = place.node.inputs[0].shape[2:]
    ones = place.op("Expand", place.like(1.0, place.node.out), place.shape([1, 1, *sizes]))
    behind = given
    if own is not None:
        ones = _padded(place, ones, own, place.like(1.0, place.node.out))
        behind = {**given, "pads": [more - less for more, less in zip(given["pads"], own, strict=True)]}
    (x, attrs), (ones, _) = surrounded(place, place.inputs[0], given), surrounded(place, ones, behind)
    return place.op("Div", place.op("AveragePool", x, **attrs), place.op("AveragePool", ones, **attrs))


@exports("sum_pool")
def _sum_pool(place: Place) -> str:
    """The mean of all of a window, padding included, times its size."""
    windows, x = Windows.of("sum_pool", place.attrs), place.inputs[0]
    given, cut = _averaging(windows, place), False
    if given.pop("ceil_mode", 0):  # the last window has to be whole, for a mean of all of it
        more = [(low, high + step - 1) for (low, high), step in zip(windows.pad, windows.stride, strict=True)]
        x, given = surrounded(place, x, {**given, "pads": pads(more)})
        cut = True
    elif is_wide(given):
        x, given = surrounded(place, x, given)
    mean = place.op("AveragePool", x, **given, count_include_pad=1)
    for axis in range(2, 2 + windows.rank) if cut else ():
        mean = sliced(place, mean, axis, 0, place.node.out.shape[axis])
    return place.op("Mul", mean, place.like(prod(windows.kernel), place.node.out))


@exports("l2_pool")
def _l2_pool(place: Place) -> str:
    x, given = place.inputs[0], geometry(Windows.of("l2_pool", place.attrs), place.node)
    if is_wide(given):
        x, given = surrounded(place, x, given)
    return place.op("LpPool", x, **given, p=2)
