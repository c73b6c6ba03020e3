"""`resize`: axes made larger or smaller by any of the usual interpolations, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from math import floor
from typing import Any

from netlang.frontend import geometry
from netlang.frontend.arguments import Arguments, flag, one, positive, spatial, word
from netlang.frontend.context import Site
from netlang.frontend.faults import Fault
from netlang.frontend.interpolation import COORDINATES, MODES, ROUNDINGS, Interpolation, Stencil
from netlang.frontend.resampling import along
from netlang.frontend.signature import Signature
from netlang.frontend.values import Primitive, describe, is_number
from netlang.ir.dims import Dim
from netlang.ir.graph import Value
from netlang.ir.types import DType

_LARGEST = 64
"""Denominators of scales of sizes that are known only later."""
_POLICIES = ("stretch", "not_larger", "not_smaller")


def _resize(site: Site, arguments: Arguments) -> Value:
    """Last axis first, where the tensor is still small."""
    x, named = one(arguments["x"]), arguments["axes"]
    if named is None:
        spatial(x, "resize")
    axes = tuple(range(2, x.rank)) if named is None else geometry.in_order(named, x.rank)
    how = _interpolation(arguments)
    if not x.dtype.is_float and how.mode != "nearest":
        raise Fault(f"resize: {x.dtype} elements have no means", hint='convert with cast(x, f32), or mode = "nearest"')
    sizes, scales = _wanted(x, axes, arguments)
    spans = _spans(arguments["roi"], axes, how)
    outside: list[tuple[int, Stencil]] = []
    for axis, size, scale, span in sorted(zip(axes, sizes, scales, spans, strict=True), reverse=True):
        x, found = along(site, x, axis, size, scale, replace(how, span=span))
        if found is not None and found.outside.any():
            outside.append((axis, found))
    for axis, found in outside:
        mask = found.outside.reshape(-1, *(1,) * (x.rank - axis - 1))
        value = site.scalar(_float(arguments["extrapolation"], "extrapolation"), x.dtype)
        x = site.emit("where", site.builder.const(mask, DType.BOOL), value, x)
    return x


def _interpolation(arguments: Arguments) -> Interpolation:
    how = Interpolation(
        word(arguments["mode"], "mode", MODES),
        word(arguments["coordinates"], "coordinates", COORDINATES),
        word(arguments["rounding"], "rounding", ROUNDINGS),
        _float(arguments["cubic_a"], "cubic_a"),
        flag(arguments["exclude_outside"], "exclude_outside"),
        flag(arguments["antialias"], "antialias"),
    )
    if how.antialias and how.mode == "nearest":
        raise Fault("resize: the nearest element is no mean, so antialias has no meaning with it")
    return how


def _float(value: Any, what: str) -> float:
    if not is_number(value):
        raise Fault(f"{what} must be a number, not {describe(value)}")
    return float(value)


def _wanted(x: Value, axes: Sequence[int], arguments: Arguments) -> tuple[list[Dim], list[float | None]]:
    """For each axis its size in the result, and the scale where it is not the quotient of both sizes."""
    given, factor = arguments["size"], arguments["scale"]
    aspect = word(arguments["aspect"], "aspect", _POLICIES)
    if (given is None) == (factor is None):
        raise Fault("resize needs a size or a scale", hint="resize(size = [64, 64]), or resize(scale = 2)")
    before = [x.shape[axis] for axis in axes]
    if factor is not None:
        if aspect != "stretch":
            raise Fault("resize: aspect is for sizes, a scale keeps the proportions that it says")
        scales = _list(factor, len(axes), "scale")
        return _scaled(before, [positive(s, "scale") for s in scales])
    sizes = geometry.dims(_list(given, len(axes), "size"), "size")
    for size in sizes:
        if isinstance(size, int) and size < 1:
            raise Fault(f"resize: a size is at least 1, got {size}")
    if aspect == "stretch":
        return list(sizes), [None] * len(axes)
    ratios = [s / n for s, n in zip(sizes, before, strict=True) if isinstance(s, int) and isinstance(n, int)]
    if len(ratios) != len(axes):
        raise Fault(f"resize: aspect {aspect} needs sizes that are known before the net runs")
    scale = min(ratios) if aspect == "not_larger" else max(ratios)
    return [floor(scale * n + 0.5) for n in before if isinstance(n, int)], [scale] * len(axes)


def _list(value: Any, count: int, what: str) -> list[Any]:
    found = list(value) if isinstance(value, list | tuple) else [value] * count
    if len(found) != count:
        raise Fault(f"resize: {what} has {len(found)} entries for {count} axes")
    return found


def _scaled(before: Sequence[Dim], scales: Sequence[float]) -> tuple[list[Dim], list[float | None]]:
    sizes: list[Dim] = []
    kept: list[float | None] = []
    for n, scale in zip(before, scales, strict=True):
        if scale == floor(scale):
            sizes.append(n * floor(scale))
            kept.append(None)
            continue
        if not isinstance(n, int):
            ratio = Fraction(repr(scale))
            if ratio.denominator > _LARGEST:
                raise Fault(f"resize: {scale} of a size that is known only later is no simple fraction")
            sizes.append(n * ratio.numerator // ratio.denominator)
            kept.append(scale)
            continue
        size = floor(n * scale)
        if size == 0:
            raise Fault(f"resize: nothing is left of {n} elements by a scale of {scale}")
        sizes.append(size)
        kept.append(None if size == n * scale else scale)
    return sizes, kept


def _spans(roi: Any, axes: Sequence[int], how: Interpolation) -> list[tuple[float, float]]:
    """Where the crop of each axis begins and ends; `roi` has all starts, then all ends."""
    if how.coordinates != "tf_crop_and_resize":
        if roi is not None:
            raise Fault('resize: a roi is for coordinates = "tf_crop_and_resize"')
        return [(0.0, 1.0)] * len(axes)
    if roi is None:
        raise Fault(
            "resize: tf_crop_and_resize needs a roi", hint="all starts, then all ends, as fractions of the axes"
        )
    given = [_float(v, "roi") for v in _list(roi, 2 * len(axes), "roi")]
    return list(zip(given[: len(axes)], given[len(axes) :], strict=True))


def listed() -> list[Primitive]:
    """The one primitive of this file."""
    given: dict[str, Any] = {
        "size": None,
        "scale": None,
        "axes": None,
        "mode": "nearest",
        "coordinates": "half_pixel",
        "rounding": "round_prefer_floor",
        "cubic_a": -0.75,
        "exclude_outside": False,
        "antialias": False,
        "roi": None,
        "extrapolation": 0.0,
        "aspect": "stretch",
    }
    return [Primitive(Signature.of("resize", "x", **given), 1, _resize)]
