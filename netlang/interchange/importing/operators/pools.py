"""Pools, of windows and of whole maps, and what puts maxima back."""

from __future__ import annotations

from math import prod
from typing import Any

from netlang.interchange.importing import writing as w
from netlang.interchange.importing.operator import REQUIRED, Call, Result, operator
from netlang.interchange.importing.sheet import Tensor, known_shape
from netlang.interchange.importing.windows import GEOMETRY, padding, per_axis, window_options
from netlang.ir.dims import size
from netlang.ir.opdef import ShapeError
from netlang.ops.windows import Windows

_POOL = {**GEOMETRY, "kernel_shape": REQUIRED, "ceil_mode": 0}


def _options(call: Call, x: Tensor) -> tuple[Any, dict[str, Any]]:
    """The window, and what is said besides; a pool's stride is its window unless said."""
    kernel = list(call.attrs["kernel_shape"])
    options = window_options(call, x.shape, kernel, stride=kernel)
    if call.attrs["ceil_mode"]:
        options["ceil_mode"] = True
    return w.compact(kernel), options


@operator("MaxPool", **_POOL, storage_order=0)
def maxpool(call: Call) -> Result | list[Result | None]:
    x = call.tensor(0)
    kernel, options = _options(call, x)
    if len(call.outputs) < 2 or not call.outputs[1]:
        return call.through(x, "maxpool", kernel, **_plainest(call, x, options))
    if call.attrs["storage_order"]:
        options["columns_first"] = True
    layer = w.call("maxpool_with_places", kernel, **options)
    names = [name or f"_{call.hint}" for name in call.node.outputs]
    return list(call.sheet.several(w.pipe(x, layer), names))


def _plainest(call: Call, x: Tensor, options: dict[str, Any]) -> dict[str, Any]:
    """Options that give the same maxima, with as much padding after the map as before it: padding that no window
    reaches makes no difference, and a last window that is not whole is what rounding up means."""
    sizes, kernel = known_shape(x.shape[2:]), tuple(call.attrs["kernel_shape"])
    if sizes is None:
        return options
    count = len(kernel)
    strides, dilations = per_axis(call, "strides", count), per_axis(call, "dilations", count)
    low, high = padding(call, x.shape, kernel, strides, dilations)

    def outputs(after: list[int], rounded_up: bool) -> Any:
        pads = tuple(zip(low, after, strict=True))
        return Windows("MaxPool", kernel, tuple(strides), pads, tuple(dilations), rounded_up).output(sizes)

    try:
        wanted = outputs(high, bool(call.attrs["ceil_mode"]))
        rounded_up = next((up for up in (False, True) if outputs(low, up) == wanted), None)
    except ShapeError as fault:
        raise call.refuse(str(fault)) from None
    if rounded_up is None:
        return options
    found = {key: value for key, value in options.items() if key not in ("pad", "ceil_mode")}
    if any(low):
        found["pad"] = w.compact(low)
    return {**found, **w.besides({"ceil_mode": False}, ceil_mode=rounded_up)}


@operator("AveragePool", **_POOL, count_include_pad=0)
def avgpool(call: Call) -> Result:
    x = call.tensor(0)
    kernel, options = _options(call, x)
    if "pad" in options and not call.attrs["count_include_pad"]:
        options["count_include_pad"] = False
    return call.through(x, "avgpool", kernel, **options)


@operator("LpPool", **_POOL, p=2)
def lppool(call: Call) -> Result:
    x, p = call.tensor(0), call.attrs["p"]
    kernel, options = _options(call, x)
    return call.through(x, "l2pool", kernel, **options) if p == 2 else call.through(x, "lppool", kernel, p=p, **options)


@operator("GlobalAveragePool")
def global_avgpool(call: Call) -> Result:
    return _global(call, "global_avgpool")


@operator("GlobalMaxPool")
def global_maxpool(call: Call) -> Result:
    return _global(call, "global_maxpool")


@operator("GlobalLpPool", p=2)
def global_lppool(call: Call) -> Result:
    return _global(call, "global_lppool", **w.besides({"p": 2}, p=call.attrs["p"]))


def _global(call: Call, layer: str, **options: Any) -> Result:
    return call.through(call.tensor(0), layer, keepdims=True, **options)


@operator("MaxUnpool", kernel_shape=REQUIRED, pads=None, strides=None)
def max_unpool(call: Call) -> Result:
    """Values to the places in the whole tensor that the second input says, zeros elsewhere."""
    x, kernel = call.tensor(0), list(call.attrs["kernel_shape"])
    count = len(kernel)
    strides, pads = per_axis(call, "strides", count), per_axis(call, "pads", 2 * count, 0)
    if x.rank != count + 2:
        raise call.refuse(f"a window of {count} axes does not go over {list(x.shape)}")
    covered = [(x.shape[2 + i] - 1) * strides[i] + kernel[i] - pads[i] - pads[count + i] for i in range(count)]
    found = known_shape([*x.shape[:2], *covered])
    if found is None:
        raise call.refuse(f"unpooling needs the sizes {list(x.shape)} as numbers", "give them: --size")
    elements = size(x.shape)
    blank = call.apply("broadcast", w.call("scalar", 0, x.dtype), [prod(found)])
    places, values = (call.apply("reshape", v, [elements]) for v in (call.tensor(1), x))
    y = call.apply("reshape", call.apply("scatter_along", blank, places, values, axis=0), list(found))
    wanted = call.integers(2)
    if wanted is None or list(wanted) == list(found):
        return y
    return call.through(y, "pad", [[0, a - b] for a, b in zip(wanted[2:], found[2:], strict=True)])
