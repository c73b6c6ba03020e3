"""Convolutions: layers where the weights are known, operations on tensors where they are not."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from netlang.interchange.importing import writing as w
from netlang.interchange.importing.known import Known
from netlang.interchange.importing.operator import Call, Result, operator, weight_of
from netlang.interchange.importing.sheet import Tensor, known_shape
from netlang.interchange.importing.windows import GEOMETRY, halves, padding, per_axis, sides, window_options
from netlang.ir.dims import Dim
from netlang.ir.types import DType


@operator("Conv", **GEOMETRY, group=1)
def conv(call: Call) -> Result:
    x = call.tensor(0)
    options = window_options(call, x.shape, kernel_of(call))
    if call.attrs["group"] != 1:
        options["groups"] = call.attrs["group"]
    return _applied(call, x, "conv", "convolve", call.value(1).shape[0], options)


def kernel_of(call: Call, place: int = 1) -> list[int]:
    """The window of a convolution, from the shape of its weights."""
    found = known_shape(call.value(place).shape[2:])
    given = call.attrs.get("kernel_shape")
    if found is None or (given is not None and list(given) != list(found)):
        raise call.refuse(f"the weights {list(call.value(place).shape)} do not have the kernel {given}")
    return list(found)


def _applied(call: Call, x: Tensor, layer: str, operation: str, channels: Dim, options: dict[str, Any]) -> Tensor:
    """A layer with the weights and the bias that are known, or the operation and a sum."""
    weight, bias = call.maybe_known(1), call.maybe_known(2)
    if weight is None or (bias is None and call.has(2)):
        y = call.apply(operation, x, call.tensor(1), **options)
        return _biased(call, y) if call.has(2) else y
    weights = {"weight": weight_of(weight)}
    if bias is None:
        options["bias"] = False
    else:
        weights["bias"] = weight_of(bias)
    kernel = w.compact(list(weight.shape[2:]))
    return call.through(x, layer, channels, kernel, weights=weights, **options)


def _biased(call: Call, y: Tensor) -> Tensor:
    ones = [1] * (y.rank - 2)
    return call.let(w.infix(y, "+", w.call("reshape", call.tensor(2), [y.shape[1], *ones])))


# ---- transposed


@operator("ConvTranspose", **GEOMETRY, group=1, output_padding=None, output_shape=None)
def conv_transpose(call: Call) -> Result:
    """What is to be added at the end is part of the layer below the stride; beyond that it is padding of its own."""
    x, kernel, groups = call.tensor(0), kernel_of(call), call.attrs["group"]
    count = len(kernel)
    if x.rank != count + 2:
        raise call.refuse(f"a kernel of {count} axes does not go over {list(x.shape)}")
    strides, dilations = per_axis(call, "strides", count), per_axis(call, "dilations", count)
    more = per_axis(call, "output_padding", count, 0)
    low, high = _transposed_padding(call, x, kernel, strides, dilations, more)
    # Negative padding is room around the result.
    before, after = [max(0, -p) for p in low], [m + max(0, -p) for m, p in zip(more, high, strict=True)]
    low, high = [max(0, p) for p in low], [max(0, p) for p in high]
    within = not any(before) and all(m < s for m, s in zip(after, strides, strict=True))
    options: dict[str, Any] = {}
    if any(s != 1 for s in strides):
        options["stride"] = w.compact(strides)
    if any(low) or any(high):
        options["pad"] = sides(low, high)
    if within and any(after):
        options["output_pad"] = w.compact(after)
    if any(d != 1 for d in dilations):
        options["dilation"] = w.compact(dilations)
    if groups != 1:
        options["groups"] = groups
    if within:
        return _applied(call, x, "conv_transpose", "convolve_transposed", call.value(1).shape[1] * groups, options)
    y = call.apply("convolve_transposed", x, call.tensor(1), **options)
    y = call.through(y, "pad", sides(before, after))
    return _biased(call, y) if call.has(2) else y


def _transposed_padding(
    call: Call, x: Tensor, kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int], more: list[int]
) -> tuple[list[int], list[int]]:
    """The padding on both sides; with a size to reach, `more` is what is missing to it."""
    wanted, auto = call.attrs["output_shape"], call.attrs["auto_pad"]
    if wanted is None and auto not in ("SAME_UPPER", "SAME_LOWER"):
        return padding(call, x.shape, kernel, strides, dilations)
    count = len(kernel)
    sizes: list[Dim] = [d * s for d, s in zip(x.shape[2:], strides, strict=True)]
    if wanted is not None:
        if len(wanted) not in (count, count + 2):
            raise call.refuse(f"output_shape has {len(wanted)} entries for {count} axes")
        sizes = list(wanted)[-count:]
    totals = []
    for axis in range(count):
        whole = (x.shape[2 + axis] - 1) * strides[axis] + (kernel[axis] - 1) * dilations[axis] + 1 + more[axis]
        total = whole - sizes[axis]
        if not isinstance(total, int):
            raise call.refuse(f"output_shape needs the size {x.shape[2 + axis]} as a number", "give it one: --size")
        more[axis] += max(0, -total)
        totals.append(max(0, total))
    return halves(totals, larger_after=auto == "SAME_UPPER")


# ---- whole numbers


@operator("ConvInteger", **GEOMETRY, group=1)
def conv_integer(call: Call) -> Result:
    """In floats that hold every sum exactly, and from there to i32."""
    shape = call.value(1).shape
    exact = exact_sums(prod(d for d in shape[1:] if isinstance(d, int)))
    x, weight = _centred(call, 0, 2, exact), _centred(call, 1, 3, exact)
    options = window_options(call, x.shape, kernel_of(call))
    if call.attrs["group"] != 1:
        options["groups"] = call.attrs["group"]
    return call.let(w.call("cast", call.apply("convolve", x, weight, **options), DType.I32))


def exact_sums(count: int) -> DType:
    """A float type that holds sums of so many products of bytes exactly."""
    return DType.F32 if count * 255 * 255 < 1 << 24 else DType.F64


def _centred(call: Call, place: int, zero: int, dtype: DType) -> Tensor:
    """An input less its zero point, which is one number, or one for each of the first axis."""
    x = call.let(w.call("cast", call.tensor(place), dtype))
    if not call.has(zero):
        return x
    point = call.let(w.call("cast", call.tensor(zero), dtype))
    if point.rank:
        point = call.let(w.call("reshape", point, [*point.shape, *[1] * (x.rank - 1)]))
    return call.let(w.infix(x, "-", point))


# ---- of sequences, piece by piece


@operator("CausalConvWithState", activation="none")
def causal_conv(call: Call) -> list[Result | None]:
    """Channel by channel over the past; the last elements are what the next piece begins with."""
    x, activation = call.tensor(0), call.attrs["activation"]
    if activation not in ("none", "silu", "swish"):
        raise call.refuse(f"the activation '{activation}' is not one of ONNX's")
    kernel = kernel_of(call)
    if len(kernel) != 1 or x.rank != 3:
        raise call.refuse(f"sequences are [N, channels, length], weights [channels, 1, taps], not {list(x.shape)}")
    past = kernel[0] - 1
    state: Result = Known(np.zeros((*[d if isinstance(d, int) else 0 for d in x.shape[:2]], 0), x.dtype.numpy))
    if past:
        x = (
            call.let(w.pipe([call.tensor(3), x], w.call("concat", axis=2)))
            if call.has(3)
            else call.through(x, "pad", [[past, 0]])
        )
        length = x.shape[2]
        state = call.let(w.pipe(x, w.call("slice", 2, length - past, length)), f"{call.hint}_state")
    groups = call.value(1).shape[0]
    y = _applied(call, x, "conv", "convolve", groups, w.besides({"groups": 1}, groups=groups))
    return [y if activation == "none" else call.through(y, "silu"), state]
