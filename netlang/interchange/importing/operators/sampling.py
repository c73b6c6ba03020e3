"""Pictures between their pixels: grids, regions, patches, windows that are moved."""

from __future__ import annotations

from math import ceil
from typing import Any

import numpy as np

from netlang.interchange.importing import writing as w
from netlang.interchange.importing.operator import Call, Result, operator
from netlang.interchange.importing.sheet import known_shape
from netlang.interchange.importing.windows import per_axis, sides

_MODES = {"bilinear": "linear", "linear": "linear", "nearest": "nearest", "bicubic": "cubic", "cubic": "cubic"}


@operator("GridSample", align_corners=0, mode="linear", padding_mode="zeros")
def grid_sample(call: Call) -> Result:
    """Opset 16 called the modes by other names."""
    mode, padding = call.attrs["mode"], call.attrs["padding_mode"]
    if mode not in _MODES or padding not in ("zeros", "border", "reflection"):
        raise call.refuse(f"the modes '{mode}' and '{padding}' are not ONNX's")
    words = w.besides({"mode": "linear", "padding": "zeros"}, mode=_MODES[mode], padding=padding)
    options: dict[str, Any] = {key: w.text(word) for key, word in words.items()}
    if call.attrs["align_corners"]:
        options["align_corners"] = True
    return call.apply("grid_sample", call.tensor(0), call.tensor(1), **options)


@operator("AffineGrid", align_corners=0)
def affine_grid(call: Call) -> Result:
    """The size is that of the picture that is to be sampled, with samples and channels."""
    size = call.known(1, "the size").entries()[2:]
    options: dict[str, Any] = {"align_corners": True} if call.attrs["align_corners"] else {}
    return call.through(call.tensor(0), "affine_grid", size, **options)


@operator(
    "RoiAlign",
    coordinate_transformation_mode=None,
    mode="avg",
    output_height=1,
    output_width=1,
    sampling_ratio=0,
    spatial_scale=1.0,
)
def roi_align(call: Call) -> Result:
    """Before opset 16 pixels were points."""
    pixels, mode = call.attrs["coordinate_transformation_mode"], call.attrs["mode"]
    pixels = pixels or ("half_pixel" if call.version >= 16 else "output_half_pixel")
    if pixels not in ("half_pixel", "output_half_pixel") or mode not in ("avg", "max"):
        raise call.refuse(f"the modes '{pixels}' and '{mode}' are not ONNX's")
    size = [call.attrs["output_height"], call.attrs["output_width"]]
    options: dict[str, Any] = {}
    samples = call.attrs["sampling_ratio"] or _samples(call, size, pixels == "half_pixel")
    if samples != 2:
        options["samples"] = samples
    if call.attrs["spatial_scale"] != 1:
        options["scale"] = np.float32(call.attrs["spatial_scale"])
    if pixels != "half_pixel":
        options["half_pixel"] = False
    if mode == "max":
        options["largest"] = True
    return call.apply("roi_align", call.tensor(0), call.tensor(1), call.tensor(2), w.compact(size), **options)


def _samples(call: Call, size: list[int], half_pixel: bool) -> Any:
    """As many points as a cell has pixels, rounded up, which must be the same for all boxes."""
    boxes = call.known(1, "the boxes, where sampling_ratio is 0,").array * call.attrs["spatial_scale"]
    found: list[int] = []
    for axis in range(2):
        long = boxes[:, 3 - axis] - boxes[:, 1 - axis]
        each = {max(1, ceil(v / size[axis])) for v in (long if half_pixel else np.maximum(long, 1))}
        if len(each) != 1:
            raise call.refuse(f"with sampling_ratio 0 the boxes need {sorted(each)} points, which must be one number")
        found += each
    return w.compact(found)


@operator("Col2Im", dilations=None, pads=None, strides=None)
def col2im(call: Call) -> Result:
    size, kernel = call.known(1, "the size").entries(), call.known(2, "the window").entries()
    return call.through(call.tensor(0), "patches_to_picture", size, w.compact(kernel), **_windows(call, len(kernel)))


def _windows(call: Call, count: int) -> dict[str, Any]:
    pads = per_axis(call, "pads", 2 * count, 0)
    found: dict[str, Any] = {
        "stride": w.compact(per_axis(call, "strides", count)),
        "pad": sides(pads[:count], pads[count:]),
        "dilation": w.compact(per_axis(call, "dilations", count)),
    }
    return {key: value for key, value in found.items() if value != (0 if key == "pad" else 1)}


@operator("DeformConv", dilations=None, group=1, kernel_shape=None, offset_group=1, pads=None, strides=None)
def deform_conv(call: Call) -> Result:
    kernel = known_shape(call.value(1).shape[2:])
    if kernel is None or len(kernel) != 2:
        raise call.refuse(f"windows are moved in pictures, not by weights {list(call.value(1).shape)}")
    options = _windows(call, 2)
    for key, name in (("group", "groups"), ("offset_group", "offset_groups")):
        if call.attrs[key] != 1:
            options[name] = call.attrs[key]
    if call.has(4):
        options = {"mask": call.tensor(4), **options}
    y = call.apply("deform_convolve", call.tensor(0), call.tensor(1), call.tensor(2), **options)
    if not call.has(3):
        return y
    return call.let(w.infix(y, "+", w.call("reshape", call.tensor(3), [y.shape[1], 1, 1])))
