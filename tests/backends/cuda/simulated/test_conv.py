"""Tiled convolutions in the simulator: exact on small integers, whatever the geometry and what is fused into them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from netlang import NetError
from netlang.backends.base import Array, Options
from netlang.backends.cuda import Cuda
from netlang.backends.cuda.backend import lowered
from netlang.backends.cuda.kernels import conv_ways
from netlang.backends.cuda.simulator import SimulationError
from netlang.backends.cuda.simulator.device import TARGET, Simulator
from netlang.backends.cuda.tiles import conv_kernel
from netlang.backends.reference import Reference
from netlang.ir.build import Builder
from netlang.ir.dims import sym
from netlang.ir.graph import Graph, Value
from netlang.ir.types import DType, TensorType
from netlang.passes import fuse
from tests.backends.compared import assert_same

Values = Mapping[str, Value]
Make = Callable[[Builder, Values], Mapping[str, Value]]
SAME: dict[str, Any] = {"stride": (1, 1), "pad": ((1, 1), (1, 1)), "dilation": (1, 1)}
VALID: dict[str, Any] = {**SAME, "pad": ((0, 0), (0, 0))}
PRECISIONS = ("float32", "tf32", "bf16", "f16")


def integers(seed: int, *shape: int) -> Array:
    """From -3 to 3: all products and sums are exact in any precision."""
    return np.random.default_rng(seed).integers(-3, 4, shape).astype(np.float32)


def graph_of(make: Make, arrays: Mapping[str, Array]) -> Graph:
    b = Builder()
    inputs = {name: b.input(name, TensorType(DType.of(a.dtype), a.shape)) for name, a in arrays.items()}
    return Graph("g", inputs=tuple(inputs.values()), outputs=tuple(make(b, inputs).items()))


def check(
    make: Make,
    arrays: Mapping[str, Array],
    precision: str = "float32",
    arch: str = "80",
    tolerance: float = 0.0,
) -> list[str]:
    """Compare with the reference; the keys of the kernels, which are tiled convolutions and their packing alone."""
    graph = graph_of(make, arrays)
    device = Simulator(replace(TARGET, arch=arch))
    made = Cuda(Options(precision=precision, exact=True), device).compile(fuse.run(graph))
    assert_same(made.run(arrays, {}), Reference().compile(graph).run(arrays, {}), tolerance)
    keys = [step.kernel.key for step in (*made.prologue, *made.steps)]
    assert all(key.startswith("conv") for key in keys), keys
    return [key for key in keys if not key.startswith("conv_pack:")]


def conv(b: Builder, v: Values, **attrs: Any) -> Value:
    return b.op("conv", v["x"], v["w"], **{**SAME, **attrs})


GEOMETRIES: dict[str, tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = {
    "same": ((2, 3, 5, 6), (5, 3, 3, 3), {}),
    "one channel": ((1, 1, 7, 4), (3, 1, 3, 3), {}),
    "one pixel": ((1, 4, 1, 1), (2, 4, 1, 1), VALID),
    "stride and uneven padding": ((2, 4, 9, 8), (6, 4, 3, 2), {"stride": (2, 1), "pad": ((0, 2), (1, 0))}),
    "dilation": ((1, 2, 9, 7), (3, 2, 3, 2), {"dilation": (2, 3), "pad": ((2, 2), (0, 3))}),
    "all taps of a pixel in the padding": ((1, 2, 2, 2), (2, 2, 1, 1), {"pad": ((1, 0), (0, 2))}),
    "groups": ((1, 8, 4, 4), (34, 4, 3, 3), {"groups": 2}),
    "reversed weights": ((1, 2, 4, 5), (3, 2, 3, 2), {"flip": True}),
    "many images in a tile": ((7, 2, 2, 3), (3, 2, 2, 2), {"pad": ((0, 1), (1, 0))}),
    "several tiles": ((1, 3, 9, 9), (20, 3, 2, 2), VALID),
    "chunks of channels": ((1, 12, 4, 5), (3, 12, 2, 3), {}),
    "stages of channels": ((1, 32, 3, 4), (4, 32, 3, 3), {}),
    "1x1": ((2, 64, 3, 3), (5, 64, 1, 1), VALID),
    "kernel as large as the image": ((2, 3, 4, 5), (6, 3, 4, 5), VALID),
}


ROUNDED = ("groups", "all taps of a pixel in the padding", "chunks of channels", "1x1")
"""Geometries that tensor cores are tried with: what differs there is the products."""


@pytest.mark.parametrize(
    ("name", "precision"),
    [*((name, "float32") for name in GEOMETRIES), *((name, p) for name in ROUNDED for p in PRECISIONS[1:])],
)
def test_any_geometry(name: str, precision: str) -> None:
    x, w, attrs = GEOMETRIES[name]
    keys = check(lambda b, v: {"y": conv(b, v, **attrs)}, {"x": integers(0, *x), "w": integers(1, *w)}, precision)
    assert [key.split(":")[1].split("/")[0] for key in keys] == [precision]


@pytest.mark.parametrize("precision", ["float32", "f16"])
@pytest.mark.parametrize("name", ["same", "chunks of channels", "stages of channels"])
def test_without_asynchronous_copies(name: str, precision: str) -> None:
    x, w, attrs = GEOMETRIES[name]
    arrays = {"x": integers(0, *x), "w": integers(1, *w)}
    (key,) = check(lambda b, v: {"y": conv(b, v, **attrs)}, arrays, precision, arch="75")
    assert "2r" in key


@pytest.mark.parametrize("precision", ["tf32", "bf16"])
def test_turing_has_no_other_tensor_cores(precision: str) -> None:
    arrays = {"x": integers(0, 1, 2, 3, 3), "w": integers(1, 2, 2, 3, 3)}
    (key,) = check(lambda b, v: {"y": conv(b, v)}, arrays, precision, arch="75")
    assert key.startswith("conv:float32")


def test_one_axis() -> None:
    attrs = {"stride": (2,), "pad": ((1, 2),), "dilation": (2,)}
    arrays = {"x": integers(0, 2, 5, 20), "w": integers(1, 9, 5, 4)}
    check(lambda b, v: {"y": conv(b, v, **attrs)}, arrays)


@pytest.mark.parametrize("size", [(4, 4), (3, 5)], ids=["four at a time", "odd"])
def test_scale_shift_residual_activation(size: tuple[int, int]) -> None:
    def make(b: Builder, v: Values) -> Values:
        y = b.mul(conv(b, v), b.along(v["scale"], 4, 1))
        y = b.sub(b.scale(y, 0.5), b.along(v["shift"], 4, 1))
        return {"y": b.op("relu", b.add(v["residual"], y))}

    arrays = {"x": integers(0, 2, 3, *size), "w": integers(1, 5, 3, 3, 3), "residual": integers(4, 2, 5, *size)}
    check(make, arrays | {"scale": integers(2, 5), "shift": integers(3, 5)})


@pytest.mark.parametrize("size", [(4, 4), (3, 5)], ids=["four at a time", "odd"])
@pytest.mark.parametrize("bits", [False, True], ids=["values", "bits"])
def test_mask_of_a_relu(bits: bool, size: tuple[int, int]) -> None:
    def make(b: Builder, v: Values) -> Values:
        test = v["t"] if bits else b.op("gt", v["t"], b.scalar(0, v["t"]))
        return {"y": b.op("where", test, conv(b, v), b.scalar(0, v["x"]))}

    t = integers(2, 2, 17, *size)
    check(make, {"x": integers(0, 2, 4, *size), "w": integers(1, 17, 4, 3, 3), "t": t > 0 if bits else t})


@pytest.mark.parametrize("name", ["leaky_relu", "elu", "sigmoid", "tanh", "gelu", "softplus"])
def test_activations(name: str) -> None:
    attrs = {"leaky_relu": {"slope": 0.1}, "elu": {"alpha": 0.7}}.get(name, {})
    arrays = {"x": integers(0, 1, 2, 3, 3), "w": integers(1, 3, 2, 3, 3), "bias": integers(2, 3)}
    make = lambda b, v: {"y": b.op(name, b.add(conv(b, v), b.along(v["bias"], 4, 1)), **attrs)}  # noqa: E731
    check(make, arrays, tolerance=1e-5)


POOLS: dict[str, tuple[tuple[int, int], dict[str, Any]]] = {
    "2x2": ((6, 7), {"kernel": (2, 2), "stride": (2, 2)}),
    "2x2 cut off": ((5, 7), {"kernel": (2, 2), "stride": (2, 2), "ceil_mode": True}),
    "2x2 padded": ((5, 5), {"kernel": (2, 2), "stride": (2, 2), "pad": ((1, 0), (1, 1))}),
    "overlapping": ((6, 7), {"kernel": (3, 3), "stride": (2, 2)}),
    "overlapping, padded": ((6, 6), {"kernel": (3, 3), "stride": (2, 2), "pad": ((1, 0), (1, 0))}),
    "apart": ((7, 7), {"kernel": (1, 2), "stride": (3, 3)}),
    "1x4": ((3, 8), {"kernel": (1, 4), "stride": (1, 4)}),
    "whole map": ((4, 5), {"kernel": (4, 5), "stride": (4, 5)}),
}


def pooled(op: str, attrs: Mapping[str, Any]) -> Make:
    """conv, bias, relu and a pool, with all results of the pool."""
    dilation = {"dilation": (1, 1)} if op.startswith("max") else {}

    def make(b: Builder, v: Values) -> Values:
        y = b.op("relu", b.add(conv(b, v), b.along(v["bias"], 4, 1)))
        node = b.node(op, y, **{"pad": ((0, 0), (0, 0)), **dilation, **attrs})
        return {f"y{i}": result for i, result in enumerate(node.results)}

    return make


@pytest.mark.parametrize(
    ("name", "op"),
    [
        *((name, op) for name in POOLS for op in ("max_pool_switch", "avg_pool")),
        ("overlapping", "max_pool"),
        ("2x2 padded", "sum_pool"),
    ],
)
def test_any_pool(name: str, op: str) -> None:
    size, attrs = POOLS[name]
    arrays = {"x": integers(0, 2, 3, *size), "w": integers(1, 5, 3, 3, 3), "bias": integers(2, 5)}
    (key,) = check(pooled(op, attrs), arrays, tolerance=1e-6 if op == "avg_pool" else 0.0)
    assert "TilePool" in key


def test_mean_without_its_padding() -> None:
    size, attrs = POOLS["overlapping, padded"]
    arrays = {"x": integers(0, 1, 3, *size), "w": integers(1, 5, 3, 3, 3), "bias": integers(2, 5)}
    check(pooled("avg_pool", {**attrs, "count_include_pad": False}), arrays, tolerance=1e-6)


@pytest.mark.parametrize("precision", PRECISIONS[1:])
def test_pool_of_products_on_tensor_cores(precision: str) -> None:
    size, attrs = POOLS["overlapping"]
    arrays = {"x": integers(0, 2, 3, *size), "w": integers(1, 18, 3, 3, 3), "bias": integers(2, 18)}
    check(pooled("max_pool_switch", attrs), arrays, precision)


def test_what_follows_a_pool() -> None:
    def make(b: Builder, v: Values) -> Values:
        attrs = {"kernel": (2, 2), "stride": (2, 2), "pad": ((0, 0), (0, 0)), "dilation": (1, 1)}
        y = b.op("max_pool", b.add(b.mul(conv(b, v), b.along(v["scale"], 4, 1)), v["residual"]), **attrs)
        return {"y": b.op("relu", b.add(y, b.along(v["bias"], 4, 1)))}

    arrays = {"x": integers(0, 2, 3, 4, 6), "w": integers(1, 5, 3, 3, 3), "residual": integers(4, 2, 5, 4, 6)}
    check(make, arrays | {"scale": integers(2, 5), "bias": integers(3, 5)})


@pytest.mark.parametrize("op", ["max_pool", "max_pool_switch"])
def test_a_nan_is_above_any_number(op: str) -> None:
    x = integers(0, 1, 1, 6, 4)
    x[0, 0, 1, 2] = np.nan
    arrays = {"x": x, "w": integers(1, 2, 1, 3, 3), "bias": integers(2, 2)}
    check(pooled(op, {"kernel": (2, 2), "stride": (2, 2)}), arrays)


@pytest.mark.parametrize(
    ("x", "w", "attrs"),
    [
        ((2, 5, 6, 7), (5, 3, 3, 3), {"size": (6, 7)}),
        ((2, 5, 4, 4), (5, 3, 3, 3), {"size": (7, 8), "stride": (2, 2), "pad": ((1, 1), (1, 1))}),
        ((1, 4, 4, 4), (4, 3, 1, 1), {"size": (7, 7), "stride": (2, 2), "pad": ((0, 0), (0, 0))}),
        ((1, 4, 3, 3), (4, 3, 3, 2), {"size": (9, 6), "stride": (3, 2), "pad": ((1, 1), (0, 1)), "flip": True}),
    ],
    ids=["same", "stride 2", "phases without taps", "stride (3, 2)"],
)
def test_gradient_by_the_input(x: tuple[int, ...], w: tuple[int, ...], attrs: dict[str, Any]) -> None:
    make = lambda b, v: {"y": b.op("conv_data_grad", v["x"], v["w"], **{**SAME, **attrs})}  # noqa: E731
    check(make, {"x": integers(0, *x), "w": integers(1, *w)})


@pytest.fixture
def split(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many parts of k as there may be."""
    monkeypatch.setattr(conv_ways.Costs, "seconds", lambda self, plan, splits, sizes: 1 / splits)


@pytest.mark.usefixtures("split")
@pytest.mark.parametrize("precision", ["float32", "bf16"])
@pytest.mark.parametrize("name", ["dilation", "groups", "chunks of channels", "stages of channels"])
def test_split_sums(name: str, precision: str) -> None:
    x, w, attrs = GEOMETRIES[name]
    keys = check(lambda b, v: {"y": conv(b, v, **attrs)}, {"x": integers(0, *x), "w": integers(1, *w)}, precision)
    assert [key.split(":")[0] for key in keys] == (["conv"] if name == "dilation" else ["conv_parts", "conv_rest"])


@pytest.mark.usefixtures("split")
def test_split_sums_with_all_that_follows_them() -> None:
    def make(b: Builder, v: Values) -> Values:
        attrs = {"kernel": (2, 2), "stride": (2, 2), "pad": ((0, 0), (1, 0)), "dilation": (1, 1)}
        node = b.node("max_pool_switch", b.op("relu", b.add(conv(b, v), v["residual"])), **attrs)
        return {"y": b.add(node.results[0], b.along(v["bias"], 4, 1)), "switch": node.results[1]}

    arrays = {"x": integers(0, 2, 9, 4, 5), "w": integers(1, 5, 9, 3, 3), "residual": integers(2, 2, 5, 4, 5)}
    keys = check(make, arrays | {"bias": integers(3, 5)})
    assert [key.split(":")[0] for key in keys] == ["conv_parts", "conv_rest"]


@pytest.mark.parametrize("name", ["stride and uneven padding", "chunks of channels", "1x1"])
def test_channels_last(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conv_ways.Costs, "seconds", lambda self, plan, splits, sizes: splits - plan.structure.last)
    x, w, attrs = GEOMETRIES[name]
    pack, _ = check(lambda b, v: {"y": conv(b, v, **attrs)}, {"x": integers(0, *x), "w": integers(1, *w)}, "tf32")
    assert pack.startswith("conv_channels_last:float32")


@pytest.mark.parametrize("precision", PRECISIONS[1:])
def test_products_of_warp_groups(precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        conv_ways.Costs, "seconds", lambda self, plan, splits, sizes: splits - plan.structure.tile.groups
    )
    size, attrs = POOLS["overlapping"]
    arrays = {"x": integers(0, 2, 5, *size), "w": integers(1, 5, 5, 3, 3), "bias": integers(2, 5)}
    pack, key = check(pooled("max_pool_switch", attrs), arrays, precision, arch="90a")
    assert pack.startswith(f"conv_channels_last:{precision}") and "g:" in key


@pytest.mark.parametrize("batch", [None, 2], ids=["any batch", "about two"])
def test_an_open_number_of_images(batch: int | None) -> None:
    b = Builder()
    x = b.input("x", TensorType(DType.F32, (sym("N"), 8, 3, 3)))
    w = b.input("w", TensorType(DType.F32, (5, 8, 3, 3)))
    graph = Graph("g", inputs=(x, w), outputs=(("y", b.op("conv", x, w, **SAME)),))
    made = Cuda(Options(batch=batch), Simulator(TARGET)).compile(graph)
    for images in (1, 5):
        feed = {"x": integers(images, images, 8, 3, 3), "w": integers(1, 5, 8, 3, 3)}
        assert_same(made.run(feed, {}), Reference().compile(graph).run(feed, {}), 0.0)


def test_more_pixels_than_a_kernel_can_count() -> None:
    b = Builder()
    x, w = b.input("x", TensorType(DType.F32, (sym("N"), 2, 9, 9))), b.input("w", TensorType(DType.F32, (2, 2, 1, 1)))
    graph = Graph("g", inputs=(x, w), outputs=(("y", b.op("conv", x, w, **VALID)),))
    _, steps = lowered(graph, TARGET)
    launch = next(s for own in steps.values() for s in own if s.kernel.key.startswith("conv:"))
    (total,) = (a for a in launch.args if callable(a) and getattr(a, "__name__", "") == "total")
    assert total({"N": 1 << 20}) == 81 << 20
    with pytest.raises(NetError, match="too large"):
        total({"N": 1 << 26})


def test_branches_write_into_their_concatenation() -> None:
    def make(b: Builder, v: Values) -> Values:
        one, other = conv(b, v), b.op("conv", v["x"], v["u"], **VALID)
        return {"y": b.op("conv", b.op("concat", one, other, axis=1), v["t"], **SAME)}

    arrays = {"x": integers(0, 2, 2, 3, 3), "w": integers(1, 3, 2, 3, 3), "u": integers(2, 4, 2, 1, 1)}
    assert len(check(make, arrays | {"t": integers(3, 2, 7, 3, 3)})) == 3


# ---- mistakes that must not go unnoticed

MISTAKES = {
    "a row below the image": ("< u32(height)", "<= u32(height)"),
    "a column beside the image": ("< u32(width)", "<= u32(width)"),
    "a pixel too many": ("held = m < total", "held = m <= total"),
    "a channel too many": ("in_group < group_out", "in_group <= group_out"),
    "the image before": ("i64(n) * x_image", "i64(n - 1) * x_image"),
    "a tap of the next row": ("i32(from_y + dy)", "i32(from_y + dx)"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right, wrong = MISTAKES[name]
    source = conv_kernel._source

    def mistaken(structure: Any) -> str:
        text = source(structure)
        assert right in text
        return text.replace(right, wrong)

    monkeypatch.setattr(conv_kernel, "_source", mistaken)
    arrays = {"x": integers(0, 2, 3, 5, 3) + 4, "w": integers(1, 5, 3, 3, 3) + 4}
    with pytest.raises((AssertionError, SimulationError)):
        check(lambda b, v: {"y": conv(b, v)}, arrays)
