"""The direct convolution against the reference: geometries, epilogues, pools, both shapes of registers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlang.ir.build import Builder
from netlang.ir.graph import Value
from tests.backends.cpu.tiled import ALL_TARGETS, NARROW, TARGETS, check, normal

Values = Mapping[str, Value]
BOUNDED = settings(max_examples=12, deadline=None, derandomize=True)
SAME = {"stride": (1, 1), "pad": ((1, 1), (1, 1)), "dilation": (1, 1)}
KERNEL = "conv:"


@pytest.fixture(autouse=True, scope="module")
def exact() -> Iterator[None]:
    """No Winograd: these are tests of the direct kernel."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NETLANG_EXACT", "1")
        yield


def conv(b: Builder, v: Values, **attrs: Any) -> Value:
    return b.op("conv", v["x"], v["w"], **{**SAME, **attrs})


@st.composite
def geometries(draw: Any) -> tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]:
    """Shapes of x and w and attributes for which a window fits."""
    groups = draw(st.sampled_from([1, 1, 1, 2]))
    channels = draw(st.sampled_from([1, 3, 17, 32])) * groups
    out = draw(st.sampled_from([1, 6, 17, 33])) if groups == 1 else 64
    kernel = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    dilation = draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
    pad = tuple(draw(st.tuples(st.integers(0, 2), st.integers(0, 2))) for _ in range(2))
    span = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    size = [max(1, s - sum(p) + draw(st.integers(0, 20))) for s, p in zip(span, pad, strict=True)]
    attrs = {
        "stride": draw(st.tuples(st.integers(1, 3), st.integers(1, 2))),
        "pad": pad,
        "dilation": dilation,
        "groups": groups,
        "flip": draw(st.booleans()),
    }
    batch = draw(st.sampled_from([1, 3, 16]))
    return (batch, channels, *size), (out, channels // groups, *kernel), attrs


@BOUNDED
@given(geometries(), st.sampled_from(ALL_TARGETS))
def test_any_geometry(case: Any, target: Any) -> None:
    x, w, attrs = case
    check(
        lambda b, v: {"y": conv(b, v, **attrs)}, {"x": normal(0, *x), "w": normal(1, *w)}, target=target, tiled=KERNEL
    )


@pytest.mark.parametrize("target", TARGETS, ids=["host", "narrow"])
def test_three_vectors_and_large_maps(target: Any) -> None:
    arrays = {"x": normal(0, 1, 20, 30, 41), "w": normal(1, 48, 20, 3, 3)}
    check(lambda b, v: {"y": conv(b, v)}, arrays, target=target, tiled=KERNEL)


def test_one_dimension() -> None:
    arrays = {"x": normal(0, 2, 5, 40), "w": normal(1, 9, 5, 4)}
    attrs = {"stride": (2,), "pad": ((1, 2),), "dilation": (2,)}
    check(lambda b, v: {"y": conv(b, v, **attrs)}, arrays, tiled=KERNEL)


ACTIVATIONS: list[tuple[str, dict[str, Any]]] = [
    ("relu", {}),
    ("leaky_relu", {"slope": 0.1}),
    ("elu", {"alpha": 0.7}),
    ("sigmoid", {}),
    ("tanh", {}),
    ("gelu", {}),
    ("gelu", {"approximate": True}),
    ("softplus", {}),
]


@pytest.mark.parametrize(("name", "attrs"), ACTIVATIONS)
def test_bias_and_activation(name: str, attrs: dict[str, Any]) -> None:
    def make(b: Builder, v: Values) -> Values:
        return {"y": b.op(name, b.add(conv(b, v), b.along(v["bias"], 4, 1)), **attrs)}

    x = normal(0, 2, 3, 7, 9)
    x[0, 0, 2, 2], x[1, 1, 3, 3] = np.nan, 1000.0
    check(make, {"x": x, "w": normal(1, 10, 3, 3, 3), "bias": normal(2, 10)}, tiled=KERNEL)


@pytest.mark.parametrize("target", TARGETS, ids=["host", "narrow"])
def test_scale_shift_residual(target: Any) -> None:
    def make(b: Builder, v: Values) -> Values:
        y = b.mul(conv(b, v), b.along(v["scale"], 4, 1))
        y = b.sub(b.scale(y, 0.5), b.along(v["shift"], 4, 1))
        return {"y": b.op("relu", b.add(v["residual"], y))}

    arrays = {"x": normal(0, 3, 18, 8, 5), "w": normal(1, 20, 18, 3, 3), "residual": normal(4, 3, 20, 8, 5)}
    check(make, arrays | {"scale": normal(2, 20), "shift": normal(3, 20)}, target=target, tiled=KERNEL)


@pytest.mark.parametrize("bits", [False, True], ids=["values", "bits"])
def test_mask_of_a_relu(bits: bool) -> None:
    def make(b: Builder, v: Values) -> Values:
        test = v["bits"] if bits else b.op("gt", v["y"], b.scalar(0, v["y"]))
        y = b.add(conv(b, v), v["y"]) if not bits else conv(b, v)
        return {"y": b.op("where", test, y, b.scalar(0, v["y"]))}

    y = normal(2, 2, 17, 6, 6)
    arrays = {"x": normal(0, 2, 4, 6, 6), "w": normal(1, 17, 4, 3, 3), "y": y, "bits": y > 0}
    check(make, arrays, tiled=KERNEL)


POOLS: list[tuple[str, dict[str, Any]]] = [
    ("max_pool", {"kernel": (2, 2), "stride": (2, 2), "pad": ((0, 0), (0, 0)), "dilation": (1, 1)}),
    ("max_pool", {"kernel": (3, 3), "stride": (2, 2), "pad": ((1, 1), (1, 1)), "dilation": (1, 1)}),
    ("max_pool", {"kernel": (2, 3), "stride": (3, 2), "pad": ((0, 1), (2, 0)), "dilation": (1, 1), "ceil_mode": True}),
    ("max_pool", {"kernel": (5, 4), "stride": (1, 1), "pad": ((2, 2), (0, 1)), "dilation": (1, 1)}),
    ("max_pool", {"kernel": (1, 3), "stride": (1, 2), "pad": ((0, 0), (1, 1)), "dilation": (1, 1)}),
    ("max_pool", {"kernel": (3, 1), "stride": (1, 1), "pad": ((1, 1), (0, 0)), "dilation": (1, 1)}),
    ("avg_pool", {"kernel": (5, 5), "stride": (3, 3), "pad": ((2, 1), (0, 2)), "ceil_mode": True}),
    (
        "avg_pool",
        {
            "kernel": (3, 3),
            "stride": (2, 2),
            "pad": ((1, 1), (1, 1)),
            "count_include_pad": False,
            "ceil_mode": True,
        },
    ),
    ("avg_pool", {"kernel": (9, 11), "stride": (9, 11), "pad": ((0, 0), (0, 0))}),
    ("avg_pool", {"kernel": (3, 2), "stride": (2, 2), "pad": ((1, 1), (1, 0)), "ceil_mode": True}),
    ("avg_pool", {"kernel": (2, 2), "stride": (2, 2), "pad": ((1, 0), (0, 1)), "count_include_pad": False}),
    ("sum_pool", {"kernel": (9, 11), "stride": (1, 1), "pad": ((0, 0), (0, 0))}),
]


@pytest.mark.parametrize(("pool", "attrs"), POOLS)
@pytest.mark.parametrize("target", TARGETS, ids=["host", "narrow"])
def test_pool(pool: str, attrs: dict[str, Any], target: Any) -> None:
    def make(b: Builder, v: Values) -> Values:
        y = b.op(pool, b.op("tanh", conv(b, v)), **attrs)
        return {"y": b.op("relu", b.add(y, b.along(v["bias"], 4, 1)))}

    arrays = {"x": normal(0, 3, 3, 9, 11), "w": normal(1, 18, 3, 3, 3), "bias": normal(2, 18)}
    check(make, arrays, target=target, tiled=KERNEL)


@pytest.mark.parametrize("attrs", [a for name, a in POOLS if name == "max_pool"])
def test_switches(attrs: dict[str, Any]) -> None:
    def make(b: Builder, v: Values) -> Values:
        y, switch = b.node("max_pool_switch", conv(b, v), **attrs).results
        return {"y": b.op("relu", b.add(y, b.along(v["bias"], 4, 1))), "switch": switch}

    x = np.round(normal(0, 2, 2, 9, 11))  # many ties
    x[1, 0, 4, 4] = np.nan
    arrays = {"x": x, "w": np.round(normal(1, 17, 2, 3, 3)), "bias": normal(2, 17)}
    check(make, arrays, tiled=KERNEL)
    check(make, arrays, target=NARROW, tiled=KERNEL)


def test_pool_of_a_tall_map_in_parts() -> None:
    def make(b: Builder, v: Values) -> Values:
        pool = b.op("max_pool", conv(b, v), kernel=(3, 3), stride=(2, 2), pad=((1, 1), (1, 1)), dilation=(1, 1))
        return {"y": b.op("relu", pool)}

    check(make, {"x": normal(0, 1, 3, 90, 70), "w": normal(1, 32, 3, 3, 3)}, tiled=KERNEL)


def test_double_precision_goes_elsewhere() -> None:
    from tests.backends.cpu.tiled import graph_of, kernels_of

    arrays = {"x": normal(0, 1, 3, 5, 5).astype(np.float64), "w": normal(1, 4, 3, 3, 3).astype(np.float64)}
    assert KERNEL not in " ".join(kernels_of(graph_of(lambda b, v: {"y": conv(b, v)}, arrays), TARGETS[0]))
