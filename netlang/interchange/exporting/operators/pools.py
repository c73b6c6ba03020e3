"""Pools: the maximum, mean, sum or Euclidean norm of windows."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from netlang.interchange.exporting.operators.movement import padded, sliced
from netlang.interchange.exporting.operators.products import pads
from netlang.interchange.exporting.record import Place, exports
from netlang.ir.dims import Dim
from netlang.ops.windows import Windows


def reaching(windows: Windows, place: Place) -> tuple[tuple[int, int], ...] | None:
    """The padding with which no window goes beyond it, which is larger than that of the op where sizes are rounded up.

    None where it is known only when the net runs: then ONNX is asked to round up.
    """
    found: list[tuple[int, int]] = []
    sizes = zip(place.node.inputs[0].shape[2:], place.node.out.shape[2:], strict=True)
    for i, (size, out) in enumerate(sizes):
        low, high = windows.pad[i]
        end: Dim = (out - 1) * windows.stride[i] + windows.span[i] - low - size
        if not isinstance(end, int):
            return None if windows.ceil_mode else windows.pad
        found.append((low, max(high, end)))
    return tuple(found)


def geometry(windows: Windows, place: Place) -> dict[str, Any]:
    """The attributes that all of ONNX's pools have."""
    found = reaching(windows, place)
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
    """The input and the attributes of a MaxPool. Padding that is as wide as the kernel, which onnxruntime does not take
    even where windows are dilated, is put around the input before."""
    given, spans = geometry(windows, place), windows.kernel * 2
    if all(p < k for p, k in zip(given["pads"], spans, strict=True)):
        return x, given
    ends, rank = given["pads"], windows.rank
    least = place.like(-np.inf, place.node.out)
    x = padded(place, x, [0, 0, *ends[:rank]], [0, 0, *ends[rank:]], least)
    return x, {**given, "pads": [0] * 2 * rank}


@exports("avg_pool")
def _avg_pool(place: Place) -> str:
    """Padding counts, but not what lies behind it: where windows reach there, the padding is made elements."""
    windows, x = Windows.of("avg_pool", place.attrs), place.inputs[0]
    given = geometry(windows, place)
    if not place.attrs["count_include_pad"] or given["pads"] == pads(windows.pad):
        return place.op("AveragePool", x, **given, count_include_pad=int(place.attrs["count_include_pad"]))
    x = padded(place, x, *_around(windows))
    behind = [more - own for more, own in zip(given["pads"], pads(windows.pad), strict=True)]
    return place.op("AveragePool", x, **{**given, "pads": behind}, count_include_pad=0)


def _around(windows: Windows) -> tuple[list[Dim], list[Dim]]:
    """The padding of a whole map, on all axes."""
    low: list[Dim] = [0, 0, *(p[0] for p in windows.pad)]
    high: list[Dim] = [0, 0, *(p[1] for p in windows.pad)]
    return low, high


@exports("sum_pool")
def _sum_pool(place: Place) -> str:
    """The mean of all of a window, padding included, times its size."""
    windows, x = Windows.of("sum_pool", place.attrs), place.inputs[0]
    given, cut = geometry(windows, place), False
    if given.pop("ceil_mode", 0):  # the last window has to be whole, for a mean of all of it
        low, high = _around(windows)
        x = padded(place, x, low, [*high[:2], *(h + s - 1 for h, s in zip(high[2:], windows.stride, strict=True))])
        given, cut = {**given, "pads": [0] * 2 * windows.rank}, True
    mean = place.op("AveragePool", x, **given, count_include_pad=1)
    for axis in range(2, 2 + windows.rank) if cut else ():
        mean = sliced(place, mean, axis, 0, place.node.out.shape[axis])
    return place.op("Mul", mean, place.like(prod(windows.kernel), place.node.out))


@exports("l2_pool")
def _l2_pool(place: Place) -> str:
    return place.op("LpPool", place.inputs[0], **geometry(Windows.of("l2_pool", place.attrs), place), p=2)
