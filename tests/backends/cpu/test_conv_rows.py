"""Convolutions to few channels, pixels along the vectors: against the reference, pools and epilogues in registers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from netlang.ir.build import Builder
from netlang.ir.graph import Value
from tests.backends.cpu.tiled import TARGETS, check, graph_of, kernels_of, normal

Values = Mapping[str, Value]
ROWS = "conv:RowStructure"
POOL = {"kernel": (2, 2), "stride": (2, 2), "pad": ((0, 0), (0, 0)), "dilation": (1, 1)}
pytestmark = pytest.mark.skipif(TARGETS[0].lanes(4) < 8, reason="vectors of four are filled by four channels")
BOTH = pytest.mark.parametrize("target", TARGETS, ids=["host", "narrow"])


def conv(b: Builder, v: Values, **attrs: Any) -> Value:
    return b.op("conv", v["x"], v["w"], **{"stride": (1, 1), "pad": ((1, 1), (1, 1)), "dilation": (1, 1), **attrs})


def pool(b: Builder, x: Value, **attrs: Any) -> Value:
    return b.op("max_pool", x, **{**POOL, **attrs})


@BOTH
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize(("channels", "out", "height", "width"), [(1, 6, 28, 28), (3, 4, 17, 31), (7, 2, 9, 50)])
def test_with_and_without_a_pool(target: Any, batch: int, channels: int, out: int, height: int, width: int) -> None:
    arrays = {"x": normal(0, batch, channels, height, width), "w": normal(1, out, channels, 5, 5)}
    attrs = {"pad": ((2, 2), (2, 2))}
    # Six channels fill a vector of eight well enough.
    tiled = ROWS if out < 5 or target.lanes(4) > 8 else None
    check(lambda b, v: {"y": conv(b, v, **attrs)}, arrays, target=target, tiled=tiled)
    check(lambda b, v: {"y": pool(b, conv(b, v, **attrs))}, arrays, target=target, tiled=tiled)


@BOTH
def test_other_geometries(target: Any) -> None:
    """No padding, so that rows are read where they are; uneven padding; a stride down; dilation; reversed weights."""
    x, w = normal(0, 2, 2, 21, 40), normal(1, 3, 2, 3, 4)
    for attrs in (
        {"pad": ((0, 0), (0, 0))},
        {"pad": ((2, 0), (0, 3))},
        {"pad": ((0, 1), (1, 0)), "stride": (2, 1)},
        {"dilation": (2, 3)},
        {"flip": True},
    ):
        check(lambda b, v: {"y": conv(b, v, **attrs)}, {"x": x, "w": w}, target=target, tiled=ROWS)  # noqa: B023


@BOTH
def test_large_maps_in_several_tasks(target: Any) -> None:
    arrays = {"x": normal(0, 1, 3, 223, 225), "w": normal(1, 3, 3, 3, 3)}
    check(lambda b, v: {"y": conv(b, v)}, arrays, target=target, tiled=ROWS)
    check(lambda b, v: {"y": pool(b, conv(b, v))}, arrays, target=target, tiled=ROWS)


@BOTH
def test_steps_before_and_after_the_pool(target: Any) -> None:
    """Two channel operands before the pool, one after it; NaN and infinities go where they go in the reference."""
    x = normal(0, 2, 1, 16, 30)
    x[0, 0, 4, 5], x[0, 0, 5, 20], x[1, 0, 11, 3], x[1, 0, 2, 29] = np.nan, np.inf, -np.inf, np.nan
    arrays = {"x": x, "w": normal(1, 4, 1, 3, 3)} | {name: normal(2, 4) for name in ("scale", "bias", "after")}

    def make(b: Builder, v: Values) -> Values:
        scaled = b.mul(conv(b, v), b.along(v["scale"], 4, 1))
        pooled = pool(b, b.op("tanh", b.add(scaled, b.along(v["bias"], 4, 1))))
        return {"y": b.op("relu", b.add(pooled, b.along(v["after"], 4, 1)))}

    check(make, arrays, target=target, tiled=ROWS)


def test_one_dimension_and_small_maps_are_left_to_others() -> None:
    flat = {"x": normal(0, 2, 3, 40), "w": normal(1, 4, 3, 4)}
    one = {"stride": (1,), "pad": ((1, 2),), "dilation": (1,)}
    check(lambda b, v: {"y": conv(b, v, **one)}, flat)
    narrow = {"x": normal(0, 1, 1, 4, 3), "w": normal(1, 6, 1, 3, 3)}
    check(lambda b, v: {"y": conv(b, v)}, narrow)


@pytest.mark.parametrize(
    "attrs",
    [{"kernel": (3, 3)}, {"stride": (1, 1)}, {"pad": ((1, 0), (0, 1))}, {"ceil_mode": True}],
    ids=["window", "stride", "pad", "ceil"],
)
def test_other_pools(attrs: dict[str, Any]) -> None:
    """Whoever carries these out must get them right; only squares of two are pooled in registers."""
    arrays = {"x": normal(0, 2, 1, 15, 33), "w": normal(1, 4, 1, 3, 3)}

    def make(b: Builder, v: Values) -> Values:
        return {"y": pool(b, conv(b, v), **attrs)}

    check(make, arrays)
    assert not any(key.startswith(ROWS) for key in kernels_of(graph_of(make, arrays), TARGETS[0]))


@BOTH
@pytest.mark.parametrize(("channels", "out", "height", "width"), [(1, 4, 28, 28), (3, 4, 17, 31), (7, 2, 9, 50)])
def test_positions_of_a_pool(target: Any, channels: int, out: int, height: int, width: int) -> None:
    """Of equal numbers the first counts, and NaN."""
    x = np.round(normal(0, 3, channels, height, width))
    x[0, 0, 4, 5], x[1, 0, 5, 20], x[2, 0, 3, 3] = np.nan, np.inf, -np.inf
    arrays = {"x": x, "w": np.round(normal(1, out, channels, 3, 3)), "bias": normal(2, out)}

    def make(b: Builder, v: Values) -> Values:
        pooled, switch = b.node("max_pool_switch", conv(b, v), **POOL).results
        return {"y": b.op("relu", b.add(pooled, b.along(v["bias"], 4, 1))), "switch": switch}

    check(make, arrays, target=target, tiled=ROWS)


@BOTH
@pytest.mark.parametrize(("channels", "out"), [(3, 4), (8, 2)])
def test_gradient_by_few_channels_with_a_mask_and_a_sum(target: Any, channels: int, out: int) -> None:
    def make(b: Builder, v: Values) -> Values:
        attrs = {"stride": (1, 1), "pad": ((2, 1), (0, 2)), "dilation": (1, 1), "groups": 1, "flip": False}
        dx = b.add(b.op("conv_data_grad", v["dy"], v["w"], size=v["x"].shape[2:], **attrs), v["other"])
        zero = b.scalar(0, dx)
        return {"dx": b.op("where", b.op("gt", v["x"], zero), dx, zero)}

    arrays = {"dy": normal(0, 3, channels, 13, 27), "w": normal(1, channels, out, 4, 5)}
    arrays |= {"x": normal(2, 3, out, 13, 29), "other": normal(3, 3, out, 13, 29)}
    check(make, arrays, target=target, tiled=ROWS)


def test_strided_gradients_are_left_to_others() -> None:
    def make(b: Builder, v: Values) -> Values:
        attrs = {"stride": (2, 2), "pad": ((1, 1), (1, 1)), "dilation": (1, 1), "groups": 1, "flip": False}
        return {"dx": b.op("conv_data_grad", v["dy"], v["w"], size=(27, 29), **attrs)}

    arrays = {"dy": normal(0, 2, 3, 14, 15), "w": normal(1, 3, 2, 3, 3)}
    assert not any(key.startswith(ROWS) for key in kernels_of(graph_of(make, arrays), TARGETS[0]))
    check(make, arrays)
