"""Convolutions, pools and whatever else works on [N, channels, ...spatial], as functions of the language."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from netlang.frontend import geometry
from netlang.frontend.arguments import Arguments, flag, number, one, spatial, whole, word
from netlang.frontend.context import Site
from netlang.frontend.faults import Fault
from netlang.frontend.resampling import resampled
from netlang.frontend.signature import Signature
from netlang.frontend.values import Primitive
from netlang.ir.dims import Dim
from netlang.ir.graph import Value
from netlang.ir.types import DType, shape_text
from netlang.ops.windows import Windows

# ---- convolutions


def _kernel(weight: Value, rank: int, name: str, expected: str) -> list[int]:
    kernel = [d for d in weight.shape[2:] if isinstance(d, int)]
    if len(kernel) != rank - 2:
        raise Fault(f"{name} expects weights {expected} of {rank} dimensions, got {shape_text(weight.shape)}")
    return kernel


def _convolve(site: Site, arguments: Arguments) -> Value:
    x, weight = one(arguments["x"]), one(arguments["weight"])
    count = spatial(x, "conv")
    kernel = _kernel(weight, x.rank, "conv", "[out, in, ...kernel]")
    dilation = geometry.per_axis(arguments["dilation"], count, "dilation")
    return site.emit(
        "conv",
        x,
        weight,
        stride=geometry.per_axis(arguments["stride"], count, "stride"),
        dilation=dilation,
        pad=geometry.pads(arguments["pad"], kernel, dilation),
        groups=whole(arguments["groups"], "groups"),
        flip=flag(arguments["flip"], "flip"),
    )


def _convolve_transposed(site: Site, arguments: Arguments) -> Value:
    """The gradient of a convolution by its input, which is what a transposed convolution is."""
    x, weight, name = one(arguments["x"]), one(arguments["weight"]), "conv_transpose"
    count = spatial(x, name)
    kernel = _kernel(weight, x.rank, name, "[in, out, ...kernel]")
    if weight.shape[0] != x.shape[1]:
        raise Fault(f"{name}: the weights are for {weight.shape[0]} input channels, the input has {x.shape[1]}")
    dilation = geometry.per_axis(arguments["dilation"], count, "dilation")
    stride = geometry.per_axis(arguments["stride"], count, "stride")
    pad = geometry.pads(arguments["pad"], kernel, dilation)
    more = _output_pad(arguments, stride)
    size = [
        _grown(x.shape[2 + i], stride[i], dilation[i] * (kernel[i] - 1) + 1, pad[i]) + more[i] for i in range(count)
    ]
    _check_sizes(name, x, size)
    groups, flipped = whole(arguments["groups"], "groups"), flag(arguments["flip"], "flip")
    attrs: dict[str, Any] = {"stride": stride, "pad": pad, "dilation": dilation, "groups": groups, "flip": flipped}
    return site.emit("conv_data_grad", x, weight, size=tuple(size), **attrs)


def _unshared(x: Value, weight: Value, arguments: Arguments) -> dict[str, Any]:
    """The attributes of an unshared convolution with these weights [...out, channels out, in, ...kernel]."""
    count = spatial(x, "local_conv")
    kernel = [d for d in weight.shape[x.rank :] if isinstance(d, int)]
    if len(kernel) != count:
        what = "[...out, channels out, in, ...kernel]"
        raise Fault(f"local_conv expects weights {what} of {2 * count + 2} dimensions, got {shape_text(weight.shape)}")
    stride = geometry.per_axis(arguments["stride"], count, "stride")
    return {"stride": stride, "pad": geometry.pads(arguments["pad"], kernel, (1,) * count)}


def _convolve_local(site: Site, arguments: Arguments) -> Value:
    x, weight = one(arguments["x"]), one(arguments["weight"])
    return site.emit("local_conv", x, weight, **_unshared(x, weight, arguments))


def _convolve_local_transposed(site: Site, arguments: Arguments) -> Value:
    """From the outputs of an unshared convolution back to its input of `size`, by the same weights."""
    x, weight = one(arguments["x"]), one(arguments["weight"])
    size = _sizes(arguments["size"], spatial(x, "local_conv"))
    return site.emit("local_conv_data_grad", x, weight, size=size, **_unshared(x, weight, arguments))


def window_counts(sizes: Any, kernel: Any, stride: Any, pad: Any, dilation: Any) -> list[Dim]:
    """How many windows there are along each of some spatial dimensions. Raises Fault or ShapeError where none fits."""
    spatial_sizes = geometry.dims(sizes, "sizes")
    count = len(spatial_sizes)
    taps = geometry.per_axis(kernel, count, "kernel")
    apart = geometry.per_axis(dilation, count, "dilation")
    pads = geometry.pads(pad, taps, apart)
    return list(Windows("conv", taps, geometry.per_axis(stride, count, "stride"), pads, apart).output(spatial_sizes))


def _output_pad(arguments: Arguments, stride: Sequence[int]) -> tuple[int, ...]:
    """Rows at the end that no window of a convolution would reach; with `same` the output is input times stride."""
    given = arguments["output_pad"]
    if given is None:
        return tuple(s - 1 if arguments["pad"] == "same" else 0 for s in stride)
    more = [low for low, _ in geometry.sides(given, len(stride), "output_pad")]
    for amount, step in zip(more, stride, strict=True):
        if amount >= step:
            raise Fault(f"output_pad must be smaller than the stride {step}, got {amount}")
    return tuple(more)


def _grown(size: Dim, stride: int, span: int, pad: tuple[int, int]) -> Dim:
    """The size of what `size` windows cover, less the padding."""
    return (size - 1) * stride + (span - sum(pad))


def _check_sizes(name: str, x: Value, sizes: Sequence[Dim]) -> None:
    for axis, size in enumerate(sizes):
        if isinstance(size, int) and size < 1:
            raise Fault(f"{name}: nothing is left of {shape_text(x.shape)} (axis {axis + 2}): the padding is too large")


# ---- pools


def _windows(x: Value, arguments: Arguments, name: str) -> dict[str, Any]:
    """The attributes that all pools have, and the dilation."""
    count = spatial(x, name)
    kernel = geometry.per_axis(arguments["kernel"], count, "kernel")
    dilation = geometry.per_axis(arguments.get("dilation", 1), count, "dilation")
    stride = arguments["kernel"] if arguments["stride"] is None else arguments["stride"]
    return {
        "kernel": kernel,
        "stride": geometry.per_axis(stride, count, "stride"),
        "pad": geometry.pads(arguments["pad"], kernel, dilation),
        "ceil_mode": flag(arguments["ceil_mode"], "ceil_mode"),
        "dilation": dilation,
    }


def _pool(op: str, **more: Any) -> Primitive:
    """A pool; `more` are the parameters that not every pool has."""

    def build(site: Site, arguments: Arguments) -> Any:
        x = one(arguments["x"])
        attrs = _windows(x, arguments, op.replace("_", ""))
        if not op.startswith("max") and set(attrs["dilation"]) == {1}:
            del attrs["dilation"]
        if "count_include_pad" in more:
            attrs["count_include_pad"] = flag(arguments["count_include_pad"], "count_include_pad")
        if op.startswith("max") and x.dtype.is_int:
            return _of_whole_numbers(site, op, x, attrs)
        results = site.node(op, x, **attrs).results
        return results if len(results) > 1 else results[0]

    given: dict[str, Any] = {"stride": None, "pad": "valid", "ceil_mode": False, **more, "dilation": 1}
    return Primitive(Signature.of(op, "x", "kernel", **given), 1, build)


def _of_whole_numbers(site: Site, op: str, x: Value, attrs: dict[str, Any]) -> Any:
    """Maxima of whole numbers, looked for among floats that hold them exactly."""
    if x.dtype.size > 4:
        raise Fault(f"{op.replace('_', '')} does not take {x.dtype} elements", hint="convert with cast(x, f64)")
    wide = site.emit("cast", x, dtype=DType.F32 if x.dtype.size <= 2 else DType.F64)
    first, *rest = site.node(op, wide, **attrs).results
    y = site.emit("cast", first, dtype=x.dtype)
    return (y, *rest) if rest else y


def _max_unpool(site: Site, arguments: Arguments) -> Value:
    """Each element to the place in its window that its switch names; `size` where the pool did not divide evenly."""
    x, switches = one(arguments["x"]), one(arguments["switches"])
    attrs = _windows(x, arguments, "max_unpool")
    steps = zip(attrs["stride"], attrs["kernel"], attrs["dilation"], attrs["pad"], strict=True)
    covered = tuple(_grown(x.shape[2 + i], s, d * (k - 1) + 1, p) for i, (s, k, d, p) in enumerate(steps))
    size = covered if arguments["size"] is None else _sizes(arguments["size"], len(covered))
    _check_sizes("max_unpool", x, size)
    return site.emit("max_unpool", x, switches, size=size, **attrs)


def _sizes(value: Any, count: int) -> tuple[Dim, ...]:
    """One size for all spatial dimensions, or a list with one for each."""
    given = geometry.dims(value if isinstance(value, list | tuple) else [value] * count, "size")
    if len(given) != count:
        raise Fault(f"size has {len(given)} entries for {count} spatial dimensions")
    return given


# ---- the rest


def _upsample(site: Site, arguments: Arguments) -> Value:
    """Every spatial dimension resized, one after the other; last first, where the tensor is still small."""
    x, factor = one(arguments["x"]), arguments["factor"]
    count = spatial(x, "upsample")
    if (factor is None) == (arguments["size"] is None):
        raise Fault("upsample needs a factor or a size", hint="upsample(2), or upsample(size = [64, 64])")
    mode = {"nearest": "nearest", "bilinear": "linear"}[word(arguments["mode"], "mode", ("nearest", "bilinear"))]
    if factor is None:
        size = _sizes(arguments["size"], count)
    else:
        factors = geometry.per_axis(factor, count, "factor")
        size = tuple(d * f for d, f in zip(x.shape[2:], factors, strict=True))
    for axis in reversed(range(2, x.rank)):
        if size[axis - 2] != x.shape[axis]:
            x = resampled(site, x, axis, size[axis - 2], mode)
    return x


def _local_response_norm(site: Site, arguments: Arguments) -> Value:
    x = one(arguments["x"])
    spatial(x, "local_response_norm")
    numbers = {key: number(arguments[key], key) for key in ("alpha", "beta", "k")}
    return site.emit("local_response_norm", x, size=whole(arguments["size"], "size"), **numbers)


_CONVOLVE: dict[str, Any] = {"stride": 1, "pad": "valid", "dilation": 1, "groups": 1, "flip": False}
_UNPOOL: dict[str, Any] = {"stride": None, "pad": "valid", "size": None, "ceil_mode": False, "dilation": 1}


def listed() -> list[Primitive]:
    """All of them."""
    return [
        Primitive(Signature.of("convolve", "x", "weight", **_CONVOLVE), 2, _convolve),
        Primitive(
            Signature.of("convolve_transposed", "x", "weight", **_CONVOLVE, output_pad=None), 2, _convolve_transposed
        ),
        Primitive(Signature.of("convolve_local", "x", "weight", stride=1, pad="valid"), 2, _convolve_local),
        Primitive(
            Signature.of("convolve_local_transposed", "x", "weight", "size", stride=1, pad="valid"),
            2,
            _convolve_local_transposed,
        ),
        _pool("max_pool"),
        _pool("max_pool_switch"),
        _pool("avg_pool", count_include_pad=True),
        _pool("sum_pool"),
        _pool("l2_pool"),
        Primitive(Signature.of("max_unpool", "x", "switches", "kernel", **_UNPOOL), 2, _max_unpool),
        Primitive(Signature.of("upsample", "x", factor=None, size=None, mode="nearest"), 1, _upsample),
        Primitive(
            Signature.of("local_response_norm", "x", "size", alpha=1e-4, beta=0.75, k=1.0), 1, _local_response_norm
        ),
    ]
