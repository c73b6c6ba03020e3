"""What convolutions and pools of ONNX say of their windows, in the words of the language."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from netlang.interchange.importing import writing as w
from netlang.interchange.importing.operator import Call
from netlang.ir.dims import Dim, Shape

GEOMETRY: dict[str, Any] = {
    "auto_pad": "NOTSET",
    "dilations": None,
    "kernel_shape": None,
    "pads": None,
    "strides": None,
}
"""The attributes that they have in common."""


def per_axis(call: Call, attribute: str, count: int, otherwise: int = 1) -> list[int]:
    """An attribute with an entry for each spatial axis."""
    found = list(call.attrs.get(attribute) or [otherwise] * count)
    if len(found) != count:
        raise call.refuse(f"{attribute} has {len(found)} entries for {count} axes")
    return found


def window_options(
    call: Call, shape: Shape, kernel: Sequence[int], stride: Sequence[int] | None = None
) -> dict[str, Any]:
    """`stride`, `pad` and `dilation`, where they are not those of the layer: a stride of 1, or the one given."""
    count = len(kernel)
    if len(shape) != count + 2:
        raise call.refuse(f"a window of {count} axes does not go over {list(shape)}")
    strides, dilations = per_axis(call, "strides", count), per_axis(call, "dilations", count)
    found: dict[str, Any] = {}
    if strides != list(stride or [1] * count):
        found["stride"] = w.compact(strides)
    low, high = padding(call, shape, kernel, strides, dilations)
    if any(low) or any(high):
        found["pad"] = sides(low, high)
    if any(d != 1 for d in dilations):
        found["dilation"] = w.compact(dilations)
    return found


def sides(low: Sequence[int], high: Sequence[int]) -> Any:
    """Amounts before and after each axis: a number, one for each axis, or pairs."""
    return w.compact(low) if list(low) == list(high) else [[a, b] for a, b in zip(low, high, strict=True)]


def padding(
    call: Call, shape: Shape, kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
) -> tuple[list[int], list[int]]:
    """The padding before and after each spatial axis."""
    auto, count = call.attrs["auto_pad"], len(kernel)
    if auto in ("NOTSET", ""):
        pads = per_axis(call, "pads", 2 * count, 0)
        return pads[:count], pads[count:]
    if auto == "VALID":
        return [0] * count, [0] * count
    if auto not in ("SAME_UPPER", "SAME_LOWER"):
        raise call.refuse(f"auto_pad '{auto}' is not one of ONNX's")
    each = zip(shape[2:], kernel, strides, dilations, strict=True)
    totals = [_same_total(call, size, (k - 1) * d + 1, s) for size, k, s, d in each]
    return halves(totals, larger_after=auto == "SAME_UPPER")


def halves(totals: Sequence[int], larger_after: bool) -> tuple[list[int], list[int]]:
    """Totals divided between both sides."""
    less, more = [t // 2 for t in totals], [t - t // 2 for t in totals]
    return (less, more) if larger_after else (more, less)


def _same_total(call: Call, size: Dim, span: int, stride: int) -> int:
    """The padding with which an output is the input divided by the stride, rounded up."""
    if isinstance(size, int):
        return max(0, (-(-size // stride) - 1) * stride + span - size)
    if stride == 1:
        return span - 1
    raise call.refuse(f"auto_pad needs the size {size} as a number", "give it one: --size")
