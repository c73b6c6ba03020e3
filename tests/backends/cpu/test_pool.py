"""Pools on blocks of channels, and their gradients, against the reference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlang.backends.cpu.target import host
from netlang.ir.build import Builder
from netlang.ir.graph import Value
from netlang.ops.windows import Windows
from tests.backends.cpu.tiled import ALL_TARGETS, check, normal

Values = Mapping[str, Value]
BOUNDED = settings(max_examples=12, deadline=None, derandomize=True)
KERNEL = "pool:"


@st.composite
def geometries(draw: Any) -> tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]:
    """Shapes of the map and of the result, and a pool's attributes."""
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    pad = tuple(draw(st.tuples(st.integers(0, k - 1), st.integers(0, k - 1))) for k in kernel)
    size = tuple(max(1, k - sum(p)) + draw(st.integers(0, 20)) for k, p in zip(kernel, pad, strict=True))
    attrs = {
        "kernel": kernel,
        "stride": draw(st.tuples(st.integers(1, 3), st.integers(1, 4))),
        "pad": pad,
        "ceil_mode": draw(st.booleans()),
    }
    batch, channels = draw(st.sampled_from([(1, 1), (3, 17), (2, 32)]))
    out: Any = Windows("pool", kernel, attrs["stride"], pad, (1, 1), attrs["ceil_mode"]).output(size)
    return (batch, channels, *size), (batch, channels, *out), attrs


def ties(seed: int, *shape: int) -> Any:
    x = np.round(normal(seed, *shape))
    x.flat[shape[-1] // 2] = np.nan
    return x


@BOUNDED
@given(geometries(), st.sampled_from(ALL_TARGETS))
def test_max(case: Any, target: Any) -> None:
    shape, out, attrs = case

    def make(b: Builder, v: Values) -> Values:
        y, switch = b.node("max_pool_switch", v["x"], dilation=(1, 1), **attrs).results
        back = b.op("max_unpool", v["dy"], switch, size=shape[2:], dilation=(1, 1), **attrs)
        found = b.op("max_pool_grad", v["x"], y, v["dy"], dilation=(1, 1), **attrs)
        pooled = b.op("max_pool", v["x"], dilation=(1, 1), **attrs)
        return {"y": y, "switch": switch, "dx": back, "found": found, "pooled": pooled}

    arrays = {"x": ties(0, *shape), "dy": normal(1, *out)}
    check(make, arrays, target=target, fused=False, tiled=KERNEL)


@BOUNDED
@given(geometries(), st.booleans(), st.sampled_from(ALL_TARGETS))
def test_sum_and_mean(case: Any, include_pad: bool, target: Any) -> None:
    shape, out, attrs = case
    mean = {**attrs, "count_include_pad": include_pad}

    def make(b: Builder, v: Values) -> Values:
        return {
            "sum": b.op("sum_pool", v["x"], **attrs),
            "mean": b.op("avg_pool", v["x"], **mean),
            "dsum": b.op("sum_pool_grad", v["dy"], size=shape[2:], **attrs),
            "dmean": b.op("avg_pool_grad", v["dy"], size=shape[2:], **mean),
        }

    arrays = {"x": normal(0, *shape), "dy": normal(1, *out)}
    check(make, arrays, target=target, fused=False, tiled=KERNEL)


@pytest.mark.parametrize("name", ["max_pool", "avg_pool"])
def test_large_maps_are_cut_into_rows(name: str) -> None:
    attrs: dict[str, Any] = {"kernel": (3, 3), "stride": (2, 2), "pad": ((1, 1), (1, 1))}
    if name == "max_pool":
        attrs["dilation"] = (1, 1)
    arrays = {"x": normal(0, 1, 20, 90, 101)}
    check(lambda b, v: {"y": b.op(name, v["x"], **attrs)}, arrays, target=host(), fused=False, tiled=KERNEL)


def test_one_dimension() -> None:
    def make(b: Builder, v: Values) -> Values:
        return {"y": b.op("max_pool", v["x"], kernel=(3,), stride=(2,), pad=((1, 1),), dilation=(1,))}

    check(make, {"x": normal(0, 2, 5, 33)}, fused=False, tiled=KERNEL)


def test_large_windows_have_wide_positions() -> None:
    def make(b: Builder, v: Values) -> Values:
        attrs = {"kernel": (12, 12), "stride": (3, 3), "pad": ((0, 0), (0, 0)), "dilation": (1, 1)}
        y, switch = b.node("max_pool_switch", v["x"], **attrs).results
        return {"y": y, "switch": switch, "dx": b.op("max_unpool", v["dy"], switch, size=(20, 20), **attrs)}

    check(make, {"x": normal(0, 2, 3, 20, 20), "dy": normal(1, 2, 3, 3, 3)}, fused=False, tiled=KERNEL)
