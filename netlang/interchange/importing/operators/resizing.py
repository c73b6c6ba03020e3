"""What makes axes larger or smaller."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from netlang.frontend.interpolation import COORDINATES, MODES, ROUNDINGS, Interpolation, stencil
from netlang.interchange.importing import writing as w
from netlang.interchange.importing.axes import axes_of
from netlang.interchange.importing.operator import REQUIRED, Call, Result, operator
from netlang.interchange.importing.sheet import Tensor
from netlang.ir.dims import exact_quotient

_LARGEST_FACTOR = 64
"""Up to here it is tried whether resizing repeats every element."""
_WORDS = {
    "mode": MODES,
    "coordinate_transformation_mode": COORDINATES,
    "nearest_mode": ROUNDINGS,
    "keep_aspect_ratio_policy": ("stretch", "not_larger", "not_smaller"),
}


@operator(
    "Resize",
    antialias=0,
    axes=None,
    coordinate_transformation_mode="half_pixel",
    cubic_coeff_a=-0.75,
    exclude_outside=0,
    extrapolation_value=0.0,
    keep_aspect_ratio_policy="stretch",
    mode="nearest",
    nearest_mode="round_prefer_floor",
)
def resize(call: Call) -> Result:
    if call.version < 11:
        return _resized_by_scales(call)
    x, a = call.tensor(0), call.attrs
    axes = axes_of(call, a["axes"] or range(x.rank), x.rank)
    for key, known in _WORDS.items():
        if a[key] not in known:
            raise call.refuse(f"{key} '{a[key]}' is not one of ONNX's")
    options: dict[str, Any] = {}
    for place, key in ((2, "scale"), (3, "size")):
        if call.has(place) and 0 not in call.value(place).shape:
            options[key] = _entries(call, place, len(axes), f"{key}s")
    if len(options) != 1:
        raise call.refuse("there must be either scales or sizes")
    factors = [exact_quotient(s, x.shape[axis]) for s, axis in zip(options.get("size", ()), axes, strict=False)]
    if factors and all(isinstance(f, int) for f in factors) and a["keep_aspect_ratio_policy"] == "stretch":
        options = {"scale": factors}
    how = Interpolation(
        a["mode"], a["coordinate_transformation_mode"], a["nearest_mode"], float(str(np.float32(a["cubic_coeff_a"]))),
        bool(a["exclude_outside"]), bool(a["antialias"]),
    )  # fmt: skip
    if how.coordinates == "tf_crop_and_resize":
        options["roi"] = _entries(call, 1, 2 * len(axes), "the region")
    options |= {"aspect": a["keep_aspect_ratio_policy"], "extrapolation": np.float32(a["extrapolation_value"])}
    return _written(call, x, axes, options, how)


def _entries(call: Call, place: int, count: int, what: str) -> list[Any]:
    array = call.known(place, what).array.reshape(-1)
    if len(array) != count:
        raise call.refuse(f"{what} has {len(array)} entries, not {count}")
    return [v.item() if isinstance(v, np.integer) else v for v in array]


@operator("Upsample", mode="nearest", scales=None, height_scale=None, width_scale=None)
def upsample(call: Call) -> Result:
    return _resized_by_scales(call)


def _resized_by_scales(call: Call) -> Result:
    """Upsample, and Resize before opset 11: positions are divided by the scale, and nothing is centred.

    What is next to it is the element below where an axis grows and the one above where it shrinks, as in onnxruntime.
    """
    x, mode = call.tensor(0), call.attrs["mode"]
    given = call.attrs.get("scales")
    scales = [np.float32(s) for s in given] if given else _entries(call, 1, x.rank, "scales")
    mode = {"bilinear": "linear", "trilinear": "linear"}.get(mode, mode)
    grown = [axis for axis in range(x.rank) if scales[axis] >= 1]
    for axes, rounding in ((grown, "floor"), ([axis for axis in range(x.rank) if axis not in grown], "ceil")):
        if axes:
            chosen: dict[str, Any] = {"scale": [scales[axis] for axis in axes]}
            x = _written(call, x, axes, chosen, Interpolation(mode, "asymmetric", rounding))
    return x


def _written(call: Call, x: Tensor, axes: Sequence[int], options: dict[str, Any], how: Interpolation) -> Tensor:
    """`upsample` where that is what is done, `resize` otherwise; axes that stay as they are are left out."""
    kept = _changed(x, axes, options, how)
    if not kept:
        return x
    if [axes[place] for place in kept] != list(range(2, x.rank)) or x.rank < 3:
        options = {**options, "axes": [axes[place] for place in kept]}
    for key in ("scale", "size"):
        if key in options:
            options[key] = w.compact([options[key][place] for place in kept])
    if "roi" in options:
        options["roi"] = [options["roi"][place + side] for side in (0, len(axes)) for place in kept]
    factors = _factors(options, how)
    if factors is not None:
        more: dict[str, Any] = {"mode": "bilinear"} if how.mode == "linear" else {}
        return call.through(x, "upsample", w.compact(factors), **more)
    defaults = {
        "mode": "nearest", "coordinates": "half_pixel", "rounding": "round_prefer_floor",
        "cubic_a": -0.75, "exclude_outside": False, "antialias": False,
    }  # fmt: skip
    said = {key: getattr(how, key) for key in defaults if getattr(how, key) != defaults[key]}
    if how.mode != "nearest":
        said.pop("rounding", None)
    if how.mode != "cubic":
        said.pop("cubic_a", None)
    options = {k: v for k, v in options.items() if (k, v) not in (("aspect", "stretch"), ("extrapolation", 0))}
    said |= options
    words: dict[str, Any] = {k: w.text(v) if isinstance(v, str) else v for k, v in said.items()}
    return call.through(x, "resize", **words)


def _changed(x: Tensor, axes: Sequence[int], options: dict[str, Any], how: Interpolation) -> list[int]:
    """The places of the axes that do not stay as they are. Where proportions are kept or a part is cut out, all."""
    if options.get("aspect", "stretch") != "stretch":
        return list(range(len(axes)))
    if "roi" in options:
        roi, count = options["roi"], len(axes)
        whole = [roi[place] == 0 and roi[count + place] == 1 for place in range(count)]
    else:
        whole = [True] * len(axes)
    if "scale" in options:
        return [place for place in range(len(axes)) if options["scale"][place] != 1 or not whole[place]]
    return [place for place, axis in enumerate(axes) if options["size"][place] != x.shape[axis] or not whole[place]]


def _factors(options: dict[str, Any], how: Interpolation) -> list[int] | None:
    """The factors with which `upsample` does the same; None where it does something else."""
    if {"axes", "roi"} & {*options} or "scale" not in options or how.exclude_outside or how.antialias:
        return None
    scales = options["scale"] if isinstance(options["scale"], list) else [options["scale"]]
    factors = [int(s) for s in scales]
    if factors != scales or max(factors) > _LARGEST_FACTOR:
        return None
    if how.mode == "linear":
        return factors if how.coordinates in ("half_pixel", "half_pixel_symmetric") else None
    if how.mode != "nearest" or how.coordinates in ("align_corners", "tf_crop_and_resize"):
        return None
    repeats = all(np.array_equal(stencil(8, 8 * f, None, how).places[:, 0], np.arange(8 * f) // f) for f in factors)
    return factors if repeats else None


# ---- blocks of pixels


@operator("DepthToSpace", blocksize=REQUIRED, mode="DCR")
def depth_to_space(call: Call) -> Result:
    return _blocks(call, "depth_to_space")


@operator("SpaceToDepth", blocksize=REQUIRED, mode="DCR")
def space_to_depth(call: Call) -> Result:
    return _blocks(call, "space_to_depth")


def _blocks(call: Call, layer: str) -> Result:
    orders: dict[str, dict[str, Any]] = {"DCR": {}, "CRD": {"channels_first": True}}
    if call.attrs["mode"] not in orders:
        raise call.refuse(f"the mode '{call.attrs['mode']}' is not one of ONNX's")
    return call.through(call.tensor(0), layer, call.attrs["blocksize"], **orders[call.attrs["mode"]])
