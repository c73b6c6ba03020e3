"""What surrounds a tensor, or is cut off around it."""

from __future__ import annotations

from typing import Any

import numpy as np

from netlang.interchange.importing import writing as w
from netlang.interchange.importing.axes import axes_of
from netlang.interchange.importing.operator import Call, Result, operator
from netlang.interchange.importing.sheet import Tensor
from netlang.interchange.importing.windows import sides

_MODES = ("constant", "reflect", "edge", "wrap")


@operator("Pad", mode="constant", pads=None, paddings=None, value=0.0)
def pad(call: Call) -> Result:
    """The amounts are an attribute up to opset 10, an input since; since opset 18 they may be those of some axes."""
    x, mode = call.tensor(0), call.attrs["mode"]
    if mode not in _MODES:
        raise call.refuse(f"the mode '{mode}' is not one of ONNX's")
    amounts = call.integers(1, "pads") or call.integers(1, "paddings")
    axes = axes_of(call, call.integers(3) or range(x.rank), x.rank)
    if amounts is None or len(amounts) != 2 * len(axes) or not all(isinstance(a, int) for a in amounts):
        raise call.refuse(f"pads must be two numbers for each of {len(axes)} axes, not {amounts}")
    pairs = {axis: (amounts[i], amounts[i + len(axes)]) for i, axis in enumerate(axes)}
    options: dict[str, Any] = {} if mode == "constant" else {"mode": w.text(mode)}
    if mode == "constant":
        given = call.known(2, "the value").array if call.has(2) else np.asarray(call.attrs["value"], np.float32)
        if given.size != 1:
            raise call.refuse(f"a tensor is surrounded by one number, not {given.size}")
        value = given.reshape(())[()]
        if np.isnan(float(value)):
            raise call.refuse(f"a tensor cannot be surrounded by {value}")
        if value != 0:
            options["value"] = value if value.dtype.kind in "fV" else int(value)
    return padded(call, x, pairs, options)


def padded(call: Call, x: Tensor, pairs: dict[int, tuple[int, int]], options: dict[str, Any]) -> Tensor:
    """x -> pad(...), its axes named unless they are the spatial ones."""
    used = [axis for axis in sorted(pairs) if any(pairs[axis])]
    if not used:
        return x
    if min(used) >= 2:
        used = list(range(2, x.rank))
    else:
        options = {**options, "axes": used}
    both = [pairs.get(axis, (0, 0)) for axis in used]
    return call.through(x, "pad", sides([a for a, _ in both], [b for _, b in both]), **options)


@operator("CenterCropPad", axes=None)
def center_crop_pad(call: Call) -> Result:
    """Cut off or filled up with zeros on both sides; of an odd number the larger part lies behind."""
    x, wanted = call.tensor(0), call.known(1, "the shape").entries()
    axes = axes_of(call, call.attrs["axes"] or range(x.rank), x.rank)
    if len(wanted) != len(axes):
        raise call.refuse(f"{len(wanted)} sizes are for {len(axes)} axes")
    pairs = {}
    for axis, size in zip(axes, wanted, strict=True):
        more = size - x.shape[axis]
        if not isinstance(more, int):
            raise call.refuse(f"the size {x.shape[axis]} is needed as a number", "give it one: --size")
        low = more // 2 if more >= 0 else -(-more // 2)
        pairs[axis] = (low, more - low)
    return padded(call, x, pairs, {})
