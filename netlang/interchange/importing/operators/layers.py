"""Layers with weights: convolutions, dense layers, batch normalisation."""

from __future__ import annotations

from typing import Any

import numpy as np

from netlang.interchange.importing import writing as w
from netlang.interchange.importing.known import Known
from netlang.interchange.importing.operator import Call, Result, operator, weight_of
from netlang.interchange.importing.sheet import known_shape
from netlang.ir.dims import Dim


@operator("Conv", auto_pad="NOTSET", dilations=None, group=1, kernel_shape=None, pads=None, strides=None)
def conv(call: Call) -> Result:
    """With known weights a layer that keeps them, otherwise the operation on tensors."""
    x, weight, bias = call.tensor(0), call.maybe_known(1), call.maybe_known(2)
    options = window_options(call, x.shape, _kernel(call))
    if call.attrs["group"] != 1:
        options["groups"] = call.attrs["group"]
    if weight is None or (bias is None and call.has(2)):
        y = call.apply("convolve", x, call.tensor(1), **options)
        if not call.has(2):
            return y
        ones = [1] * (x.rank - 2)
        return call.let(w.infix(y, "+", w.call("reshape", call.tensor(2), [call.value(2).shape[0], *ones])))
    weights = {"weight": weight_of(weight)}
    if bias is None:
        options["bias"] = False
    else:
        weights["bias"] = weight_of(bias)
    kernel = w.compact(list(weight.shape[2:]))
    return call.through(x, "conv", weight.shape[0], kernel, weights=weights, **options)


def _kernel(call: Call) -> list[int]:
    """The window of a convolution, from the shape of its weights."""
    found = known_shape(call.value(1).shape[2:])
    if found is None:
        raise call.refuse("the weights must have a known shape")
    return list(found)


def window_options(call: Call, shape: Any, kernel: list[int]) -> dict[str, Any]:
    """`stride`, `pad` and `dilation`, where they are not what a convolution has anyway."""
    count = len(kernel)
    strides = list(call.attrs["strides"] or [1] * count)
    dilations = list(call.attrs.get("dilations") or [1] * count)
    found: dict[str, Any] = {}
    if any(s != 1 for s in strides):
        found["stride"] = w.compact(strides)
    pad = padding(call, shape, kernel, strides, dilations)
    if pad is not None:
        found["pad"] = pad
    if any(d != 1 for d in dilations):
        found["dilation"] = w.compact(dilations)
    return found


def padding(call: Call, shape: Any, kernel: list[int], strides: list[int], dilations: list[int]) -> Any:
    """`pad` in the language's words: a number, one for each axis, or pairs; None where there is none."""
    auto, count = call.attrs["auto_pad"], len(kernel)
    if auto in ("NOTSET", ""):
        pads = list(call.attrs["pads"] or [0] * 2 * count)
    elif auto == "VALID":
        pads = [0] * 2 * count
    elif auto in ("SAME_UPPER", "SAME_LOWER"):
        pads = same_pads(call, shape[2:], kernel, strides, dilations, upper=auto == "SAME_UPPER")
    else:
        raise call.refuse(f"auto_pad '{auto}' is not one of ONNX's")
    if not any(pads):
        return None
    low, high = pads[:count], pads[count:]
    return w.compact(low) if low == high else [[a, b] for a, b in zip(low, high, strict=True)]


def same_pads(
    call: Call, sizes: Any, kernel: list[int], strides: list[int], dilations: list[int], upper: bool
) -> list[int]:
    """The padding with which an output is the input divided by the stride, rounded up."""
    low, high = [], []
    for size, k, s, d in zip(sizes, kernel, strides, dilations, strict=True):
        total = _same_total(call, size, (k - 1) * d + 1, s)
        less = total // 2
        low.append(less if upper else total - less)
        high.append(total - less if upper else less)
    return low + high


def _same_total(call: Call, size: Dim, span: int, stride: int) -> int:
    if isinstance(size, int):
        return max(0, (-(-size // stride) - 1) * stride + span - size)
    if stride == 1:
        return span - 1
    raise call.refuse(f"auto_pad needs the size {size} as a number", "give it one: --size")


@operator("Gemm", alpha=1.0, beta=1.0, transA=0, transB=0, broadcast=0)
def gemm(call: Call) -> Result:
    """`alpha A B + beta C`; a dense layer where B and C are weights."""
    a, alpha, beta = call.tensor(0), call.attrs["alpha"], call.attrs["beta"]
    weight, bias = call.maybe_known(1), call.maybe_known(2)
    if weight is not None and not call.attrs["transA"] and alpha == 1 and (bias is not None or not call.has(2)):
        dense = _dense(call, weight, bias if beta else None, beta)
        if dense is not None:
            return dense
    flags = {"transpose_a": bool(call.attrs["transA"]), "transpose_b": bool(call.attrs["transB"])}
    y: Any = w.call("matmul", a, call.tensor(1), **{k: v for k, v in flags.items() if v})
    if alpha != 1:
        y = w.infix(np.float32(alpha), "*", y)
    if call.has(2) and beta:
        c = call.operand(2)
        y = w.infix(y, "+", c if beta == 1 else w.infix(np.float32(beta), "*", c))
    return call.let(y)


def _dense(call: Call, weight: Known, bias: Known | None, beta: float) -> Result | None:
    matrix = weight.array if call.attrs["transB"] else weight.array.T
    units = matrix.shape[0]
    if bias is not None and bias.array.size != units:
        return None
    weights = {"weight": weight_of(weight, None if call.attrs["transB"] else np.ascontiguousarray(matrix))}
    if bias is None:
        return call.through(call.tensor(0), "dense", units, bias=False, weights=weights)
    flat = bias.array.reshape(-1)
    scaled = flat if beta == 1 else (flat * np.asarray(beta, flat.dtype)).astype(flat.dtype)
    weights["bias"] = weight_of(bias, None if beta == 1 and bias.array.ndim == 1 else scaled)
    return call.through(call.tensor(0), "dense", units, weights=weights)


@operator("BatchNormalization", epsilon=1e-5, momentum=0.9, spatial=1, training_mode=0)
def batchnorm(call: Call) -> Result:
    names = ("weight", "bias", "running_mean", "running_var")
    known = [call.known(place, names[place - 1]) for place in range(1, 5)]
    weights = {key: weight_of(k) for key, k in zip(names, known, strict=True)}
    eps = np.float32(call.attrs["epsilon"])
    more = {} if eps == np.float32(1e-5) else {"eps": eps}
    return call.through(call.tensor(0), "batchnorm", weights=weights, **more)


@operator(
    "MaxPool",
    auto_pad="NOTSET",
    ceil_mode=0,
    dilations=None,
    kernel_shape=None,
    pads=None,
    storage_order=0,
    strides=None,
)
def maxpool(call: Call) -> Result:
    x, kernel = call.tensor(0), list(call.attrs["kernel_shape"])
    options = window_options(call, x.shape, kernel)
    strides = list(call.attrs["strides"] or [1] * len(kernel))
    options.pop("stride", None)
    if strides != kernel:
        options["stride"] = w.compact(strides)
    if call.attrs["ceil_mode"]:
        options["ceil_mode"] = True
    return call.through(x, "maxpool", w.compact(kernel), **options)


@operator("GlobalAveragePool")
def global_average_pool(call: Call) -> Result:
    x = call.tensor(0)
    return call.let(w.call("mean", x, axis=list(range(2, x.rank)), keepdims=True))
